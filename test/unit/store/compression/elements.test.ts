/** What the encoder says, the decoder understands; and what it does not say, the decoder survives. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import {
  decompressBody,
  dictionaryIdOf,
  plainBodyBytes,
} from '../../../../shared/store/compression/compressed-body.ts'
import { Compressor } from '../../../../shared/store/compression/compressor.ts'
import { Dictionary, NO_DICTIONARY } from '../../../../shared/store/compression/dictionary.ts'
import { Encoder } from '../../../../shared/store/compression/encoder.ts'
import {
  COMPRESS_BYTES_MAX,
  COMPRESS_BYTES_MIN,
} from '../../../../shared/store/compression/limits.ts'
import {
  decodeElements,
  elementBytesMax,
} from '../../../../shared/store/compression/s2-elements.ts'
import { decodeS2Block } from '../../../../shared/stream/snapshot/s2-block.ts'

const SEED = Number(process.env['SEED'] ?? randomInt(2 ** 31))
const CASES = 400

/** Runs, repetitions of what was there, and noise, so that all kinds of elements come about. */
function drawBytes(random: SeededRandom, bytesMax: number): Uint8Array {
  const out = Buffer.alloc(random.below(bytesMax + 1))
  for (let at = 0; at < out.length; ) {
    const size = Math.min(out.length - at, 1 + random.below(random.below(8) === 0 ? 5000 : 40))
    const kind = random.below(3)
    if (kind === 0) out.fill(random.below(256), at, at + size)
    else if (kind === 1 && at > 0) {
      const from = random.below(at)
      for (let i = 0; i < size; i++) out[at + i] = out[from + i] as number
    } else out.set(random.bytes(size), at)
    at += size
  }
  return out
}

function reading(random: SeededRandom, seq: number): Buffer {
  const value = (20 + random.below(500) / 100).toFixed(2)
  return Buffer.from(
    `{"sensor":"temp-${random.below(20)}","ts":${1_732_201_234_567 + seq * 500},"value":${value},"unit":"C"}`,
  )
}

function encoded(bytes: Uint8Array, dictionary: Dictionary): Uint8Array {
  const encoder = new Encoder()
  const end = encoder.encode(bytes, bytes.length, dictionary, 0)
  assert.ok(end <= elementBytesMax(bytes.length), `${end} of ${bytes.length} bytes`)
  return encoder.out.slice(0, end)
}

describe('store, compression of bytes', () => {
  it(`gives back what was said, with and without a dictionary, SEED=${SEED}`, () => {
    const random = new SeededRandom(SEED)
    for (let i = 0; i < CASES; i++) {
      const plain = drawBytes(random, random.below(10) === 0 ? 200_000 : 3000)
      const dictionary =
        random.below(2) === 0 ? NO_DICTIONARY : new Dictionary(drawBytes(random, 4096))
      const mixed =
        random.below(2) === 0 ? plain : Buffer.concat([dictionary.bytes.subarray(-500), plain])
      const said = encoded(mixed, dictionary)
      const back = new Uint8Array(mixed.length)
      assert.ok(decodeElements(said, 0, back, dictionary.bytes), `case ${i}`)
      assert.equal(Buffer.compare(back, mixed), 0, `case ${i}`)
    }
  })

  it('says what S2 says', () => {
    const cases: readonly (readonly [plain: string, elements: readonly number[]])[] = [
      ['abc', [2 << 2, 97, 98, 99]],
      // A copy of eight from four before.
      ['abcdabcdabcd', [3 << 2, 97, 98, 99, 100, (4 << 2) | 1, 4]],
      // Of twelve, which is too long for the short form.
      ['abcdabcdabcdabcd', [3 << 2, 97, 98, 99, 100, (11 << 2) | 2, 4, 0]],
      // Two of five from six before, with other bytes between: the second repeats the offset.
      [
        'abcde1abcde2abcde',
        [5 << 2, 97, 98, 99, 100, 101, 49, (1 << 2) | 1, 6, 0, 50, (1 << 2) | 1, 0],
      ],
    ]
    for (const [plain, elements] of cases) {
      assert.deepEqual([...encoded(Buffer.from(plain), NO_DICTIONARY)], elements, plain)
      const block = Buffer.from([plain.length, ...elements])
      assert.equal(Buffer.from(decodeS2Block(block, 100)).toString(), plain)
    }
  })

  it('says long repetitions in a few bytes, however long they are', () => {
    for (const size of [4, 11, 12, 63, 64, 65, 66, 67, 68, 69, 263, 264, 265, 70_000, 200_000]) {
      const plain = new Uint8Array(size + 1).fill(7)
      const said = encoded(plain, NO_DICTIONARY)
      const back = new Uint8Array(plain.length)
      assert.ok(decodeElements(said, 0, back, NO_DICTIONARY.bytes), `${size}`)
      assert.deepEqual(back, plain)
      if (size > 11) assert.ok(said.length <= 12, `${said.length} bytes for ${size}`)
    }
  })

  it(`survives any bytes, and writes nothing but what there is room for, SEED=${SEED}`, () => {
    const random = new SeededRandom(SEED)
    const dictionary = new Dictionary(drawBytes(random, 4096))
    let held = 0
    for (let i = 0; i < 20_000; i++) {
      const said =
        random.below(2) === 0 ? random.bytes(random.below(60)) : damaged(random, dictionary)
      const room = new Uint8Array(600).fill(0xaa)
      const out = room.subarray(0, random.below(512))
      if (decodeElements(said, 0, out, dictionary.bytes)) held++
      assert.ok(
        room.subarray(out.length).every((byte) => byte === 0xaa),
        `case ${i}`,
      )
    }
    assert.ok(held > 0)
  })

  function damaged(random: SeededRandom, dictionary: Dictionary): Uint8Array {
    const said = encoded(drawBytes(random, 512), dictionary)
    if (said.length > 0) said[random.below(said.length)] = random.below(256)
    return said
  }

  it('makes readings much smaller by a dictionary of other readings', () => {
    const random = new SeededRandom(3)
    const some = Array.from({ length: 64 }, (_, i) => reading(random, i))
    const dictionary = new Dictionary(Buffer.concat(some).subarray(0, 4096))
    const compressor = new Compressor()
    let plain = 0
    let alone = 0
    let together = 0
    for (let i = 100; i < 1100; i++) {
      const body = reading(random, i)
      assert.ok(compressor.take(new Uint8Array(0), body))
      plain += body.length
      alone += compressor.compressedBytes(NO_DICTIONARY)
      together += compressor.compressedBytes(dictionary)
    }
    assert.ok(alone > plain * 0.95, `${alone} of ${plain} bytes`)
    assert.ok(together < plain * 0.45, `${together} of ${plain} bytes`)
  })
})

describe('store, compressed bodies', () => {
  const compressor = new Compressor()
  const text = Buffer.from('{"state":"running","state_before":"running","since":"running"}')

  it(`give back headers and payload, SEED=${SEED}`, () => {
    const random = new SeededRandom(SEED)
    const dictionary = new Dictionary(drawBytes(random, 4096))
    let compressed = 0
    for (let i = 0; i < CASES; i++) {
      const headers = drawBytes(random, random.below(2) === 0 ? 0 : 300)
      const payload = drawBytes(random, random.below(20) === 0 ? 100_000 : 1500)
      if (!compressor.take(headers, payload)) continue
      const used = random.below(2) === 0 ? NO_DICTIONARY : dictionary
      const body = compressor.compress(used)
      if (body === undefined) continue
      compressed++
      assert.ok(body.length < headers.length + payload.length)
      assert.equal(plainBodyBytes(body, 0), headers.length + payload.length)
      assert.equal(dictionaryIdOf(body), used.id)
      const back = decompressBody(body, (id) => (id === dictionary.id ? dictionary : undefined))
      assert.ok(back, `case ${i}`)
      assert.equal(Buffer.compare(back.headers, headers), 0)
      assert.equal(Buffer.compare(back.payload, payload), 0)
    }
    assert.ok(compressed > CASES / 3, `${compressed}`)
  })

  it('are left as they are when they are very short, very long, or random', () => {
    const none = new Uint8Array(0)
    assert.equal(compressor.take(none, new Uint8Array(COMPRESS_BYTES_MIN - 1)), false)
    assert.equal(compressor.take(none, new Uint8Array(COMPRESS_BYTES_MAX + 1)), false)
    assert.equal(compressor.take(none, new Uint8Array(COMPRESS_BYTES_MAX)), true)
    assert.ok(compressor.compress(NO_DICTIONARY))
    assert.ok(compressor.take(none, new SeededRandom(1).bytes(10_000)))
    assert.equal(compressor.compress(NO_DICTIONARY), undefined)
  })

  it('take no more room than their kind may, whatever they say', () => {
    const bomb = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 1, 1, 1, 1])
    assert.equal(
      decompressBody(bomb, () => undefined),
      undefined,
    )
    assert.equal(
      decompressBody(new Uint8Array(0), () => undefined),
      undefined,
    )
    const longHeaders = Buffer.from([4, 5, 0, 0, 12, 1, 2, 3, 4])
    assert.equal(
      decompressBody(longHeaders, () => undefined),
      undefined,
    )
    const right = Buffer.from([4, 3, 0, 0, 12, 1, 2, 3, 4])
    const back = decompressBody(right, () => undefined)
    assert.deepEqual([...(back?.headers ?? []), '|', ...(back?.payload ?? [])], [1, 2, 3, '|', 4])
  })

  it('are never read with another dictionary than their own', () => {
    const own = new Dictionary(text)
    assert.ok(compressor.take(new Uint8Array(0), text))
    const body = compressor.compress(own)
    assert.ok(body)
    assert.equal(
      decompressBody(body, () => undefined),
      undefined,
    )
    assert.notEqual(new Dictionary(Buffer.concat([text, text])).id, own.id)
    assert.equal(NO_DICTIONARY.id, 0)
  })
})
