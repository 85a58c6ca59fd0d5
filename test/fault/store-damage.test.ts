import assert from 'node:assert/strict'
import { silentLog } from '../../shared/log/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import {
  type Compression,
  checkStore,
  type Eviction,
  openStore,
  type Store,
  type StoreEncryption,
} from '../../shared/store/index.ts'
import { RECORD_HEADER_BYTES } from '../../shared/store/record.ts'
import { SimDisk } from '../sim/index.ts'
import { appendDurably, bytes, noLimits, readAll } from '../support/opened-store.ts'
import { StoreClock, settle } from '../support/store-clock.ts'

const COUNT = 8
const FIRST = '/data/journal/0000000001.log'

/** Where the first copies end of what a segment's header says. */
const HEADER_COPY_END = 24
const CIPHER_COPY_END = 96
/** Each byte takes its time when everything is decrypted: of an encrypted segment every third is tried. */
const ENCRYPTED_STEP = 3
const KEY = { key: bytes('a key of more than sixteen bytes') }
/** Zeros behind the last commit: in which a wrong length may end, and more than a sector of them. */
const ZEROS = 6_000

function open(disk: SimDisk, encryption: StoreEncryption = {}): Promise<Store> {
  return openStore({
    directory: '/data',
    clock: new StoreClock(),
    random: new SeededRandom(7),
    disk,
    log: silentLog,
    segmentBytes: 1 << 20,
    dictionaryBytes: 100,
    encryption,
  })
}

/** Behind the last byte of a file that is not zero. */
function contentEnd(disk: SimDisk, file = FIRST): number {
  return disk.bytesOf(file).findLastIndex((byte) => byte !== 0) + 1
}

/** As some file systems do when their power is cut: the file is longer than what was written to it. */
async function lengthen(disk: SimDisk, zeros: number): Promise<void> {
  const file = await disk.open(FIRST, 'write')
  await file.writev([new Uint8Array(zeros)], contentEnd(disk))
  await file.datasync()
  await file.close()
}

/** A closed store, or a killed one with zeros behind its content: one segment of a few messages, all in separate commits. */
async function written(
  compression: Compression = 'none',
  encryption: StoreEncryption = {},
  zeros = 0,
): Promise<{ disk: SimDisk; lines: string[]; end: number; size: number }> {
  const disk = new SimDisk({ random: new SeededRandom(1), isRecording: true })
  const store = await open(disk, encryption)
  const options = { compression }
  const stream = store.createStream('a', bytes('config'), noLimits, undefined, options)
  for (let i = 1; i <= COUNT; i++) {
    await appendDurably(stream, `s.${i % 3}`, `alike readings: payload ${i}`)
  }
  const lines = await readAll(stream)
  await settle()
  if (zeros > 0) await lengthen(disk, zeros)
  const end = disk.recorded
  await store.drain()
  return { disk, lines, end: zeros > 0 ? end : disk.recorded, size: contentEnd(disk) }
}

describe('store and damage', function () {
  this.timeout(120_000)

  it('loses only the record in which a bit was flipped, and reports it, for each byte', () =>
    flipEach('none'))

  it('loses no other than that when messages are compressed with what they have in common', () =>
    flipEach('s2', {}, ZEROS))

  it('loses no other than that when they are encrypted, too', () => flipEach('s2', KEY, ZEROS))

  async function flipEach(
    compression: Compression,
    encryption: StoreEncryption = {},
    zeros = 0,
  ): Promise<void> {
    const { disk, lines, end, size } = await written(compression, encryption, zeros)
    const isPlain = encryption.key === undefined
    const step = isPlain ? 1 : ENCRYPTED_STEP
    const text = Buffer.from(disk.bytesOf(FIRST))
    assert.equal(text.includes('\0compression:0b'), compression === 's2' && isPlain)
    let damaged = 0
    for (let at = 0; at < size; at += step) {
      const copy = disk.powerCutAt(end, new SeededRandom(at))
      copy.corrupt(FIRST, at, 1 << (at % 8))
      const store = await open(copy, encryption)
      const stream = store.streams.get('a')
      assert.ok(stream, `stream is there, byte ${at}`)
      const evictions: Eviction[] = []
      stream.onEvict((eviction) => evictions.push(eviction))
      await settle(3)
      const left = await readAll(stream)
      const lost = lines.filter((line) => !left.includes(line))
      assert.ok(lost.length <= 1, `byte ${at} costs ${lost.length} messages`)
      assert.deepEqual(
        left,
        lines.filter((line) => !lost.includes(line)),
      )
      assert.equal(stream.state.lastSeq, COUNT, `byte ${at}`)
      assert.deepEqual(
        evictions.map(({ firstSeq, lastSeq, messages, cause }) => [
          firstSeq,
          lastSeq,
          messages,
          cause,
        ]),
        lost.map((line) => [Number.parseInt(line, 10), Number.parseInt(line, 10), 1, 'damage']),
        `byte ${at}`,
      )
      damaged += store.stats.damagedRecords
      if (lost.length === 1) assert.equal(store.stats.damagedRecords, 1)
      assert.equal(await appendDurably(stream, 'next', 'x'), COUNT + 1)
      await store.destroy()
    }
    assert.ok(damaged > size / step / 2)
  }

  it('loses one record of a last commit that lies there whole, and gives its sequence to no other', async () => {
    const disk = new SimDisk({ random: new SeededRandom(1), isRecording: true })
    const store = await open(disk)
    const stream = store.createStream('a', bytes('config'), noLimits)
    await appendDurably(stream, 's', 'before')
    const acked = ['one', 'two', 'three'].map((word) =>
      appendDurably(stream, 's', word.repeat(300)),
    )
    assert.deepEqual(await Promise.all(acked), [2, 3, 4])
    const text = Buffer.from(disk.bytesOf(FIRST))
    const from = text.indexOf('one') - RECORD_HEADER_BYTES - 1
    const to = text.indexOf('two') - RECORD_HEADER_BYTES - 1
    const killed = disk.kill()
    for (let at = from; at < to; at += at < from + RECORD_HEADER_BYTES + 9 ? 1 : 50) {
      const copy = new SimDisk({ random: new SeededRandom(at) })
      await copy.makeDirectory('/data/journal')
      await copy.writeFileAtomic('/data/store.json', await killed.readFile('/data/store.json'))
      await copy.writeFileAtomic(FIRST, text)
      copy.corrupt(FIRST, at, 1 << (at % 8))
      const report = await checkStore({ disk: copy, clock: new StoreClock(), directory: '/data' })
      assert.equal(report.ok, false, `byte ${at}`)
      assert.deepEqual(report.streams[0]?.lost, [[2, 2]], `byte ${at}`)
      const again = await open(copy)
      const left = again.streams.get('a')
      assert.ok(left)
      assert.equal(left.state.messages, 3, `byte ${at}`)
      assert.equal(again.stats.damagedRecords, 1)
      assert.equal(await appendDurably(left, 's', 'next'), 5)
      await again.destroy()
    }
  })

  it('gives the sequence of a damaged last message to no other', () => flipLast(1))

  it('gives it to no other when zeros lie behind it', () => flipLast(1, {}, ZEROS))

  it('gives it to no other when it is encrypted, too', () => flipLast(5, KEY, ZEROS))

  async function flipLast(
    step: number,
    encryption: StoreEncryption = {},
    zeros = 0,
  ): Promise<void> {
    const disk = new SimDisk({ random: new SeededRandom(1), isRecording: true })
    const store = await open(disk, encryption)
    const stream = store.createStream('a', bytes('config'), noLimits)
    const other = store.createStream('b', bytes('config'), noLimits)
    for (let i = 0; i < 4; i++) await appendDurably(other, 's', 'before')
    await appendDurably(stream, 's', 'before')
    await settle()
    const from = contentEnd(disk)
    await appendDurably(stream, 's', 'the last')
    const to = contentEnd(disk)
    if (zeros > 0) await lengthen(disk, zeros)
    const ends = [disk.recorded]
    await appendDurably(other, 's', 'another')
    ends.push(disk.recorded)
    for (let at = from; at < to; at += step) {
      const copy = disk.powerCutAt(ends[at % 2] ?? 0, new SeededRandom(at))
      // Of a length the second byte makes it end among the zeros.
      copy.corrupt(FIRST, at, at === from + 1 ? 8 : 1 << ((at * 7) % 8))
      const what = `byte ${at - from}`
      const options = { disk: copy, clock: new StoreClock(), directory: '/data', encryption }
      assert.deepEqual((await checkStore(options)).streams[0]?.lost, [[2, 2]], what)
      const told: number[] = []
      const opened = async (): Promise<Store> => {
        const again = await open(copy, encryption)
        again.streams.get('a')?.onEvict(({ firstSeq, lastSeq }) => told.push(firstSeq, lastSeq))
        await settle(3)
        return again
      }
      let again = await opened()
      await appendDurably(again.streams.get('b')!, 's', 'another')
      await again.destroy()
      again = await opened()
      assert.equal(again.streams.get('a')?.state.messages, 1, what)
      assert.equal(await appendDurably(again.streams.get('a')!, 's', 'next'), 3, what)
      await again.destroy()
      assert.deepEqual(told, [2, 2], what)
    }
  }

  it('brings back nothing that was removed, purged or rolled up, to a byte of what says so', async () => {
    const disk = new SimDisk({ random: new SeededRandom(1), isRecording: true })
    const store = await open(disk)
    const streams = ['removed', 'purged', 'rolled'].map((name) =>
      store.createStream(name, bytes('config'), noLimits),
    )
    for (const stream of streams)
      for (let i = 1; i <= 3; i++) await appendDurably(stream, 's', `${i}`)
    const from = disk.bytesOf(FIRST).length
    const [removed, purged, rolled] = streams
    assert.ok(removed && purged && rolled)
    await new Promise((resolve) => removed.remove(2, resolve))
    await purged.purge({ throughSeq: 2 })
    store.transaction(() => {
      const seq = rolled.append(bytes('s'), bytes(''), bytes('all'))
      rolled.rollUp(seq, bytes('s'), [])
    })
    await new Promise((resolve) => store.barrier(resolve))
    const to = disk.bytesOf(FIRST).length
    const end = disk.recorded
    for (let at = from; at < to; at += 3) {
      const copy = disk.powerCutAt(end, new SeededRandom(at))
      copy.corrupt(FIRST, at, 1 << (at % 8))
      const again = await open(copy)
      const left = (name: string): number[] =>
        [1, 2, 3].filter((seq) => again.streams.get(name)?.has(seq))
      assert.deepEqual(
        [left('removed'), left('purged'), left('rolled')],
        [[1, 3], [3], []],
        `byte ${at}`,
      )
      await again.destroy()
    }
  })

  it('reports a damaged message once, also when reading finds it', async () => {
    const { disk } = await written()
    const store = await open(disk)
    const stream = store.streams.get('a')
    assert.ok(stream)
    const at = Buffer.from(disk.bytesOf(FIRST)).indexOf('payload 5')
    disk.corrupt(FIRST, at, 4)
    const evictions: Eviction[] = []
    stream.onEvict((eviction) => evictions.push(eviction))
    assert.equal(await stream.get(5), undefined)
    assert.equal((await readAll(stream)).length, COUNT - 1)
    assert.deepEqual(evictions, [{ firstSeq: 5, lastSeq: 5, messages: 1, cause: 'damage' }])
    await store.drain()
    const again = await open(disk)
    const recovered = again.streams.get('a')
    assert.ok(recovered)
    recovered.onEvict((eviction) => evictions.push(eviction))
    await settle(3)
    assert.equal(evictions.length, 1)
    assert.equal(recovered.state.messages, COUNT - 1)
    await again.destroy()
  })

  it('keeps a prefix when the segment is cut at any byte', () => cutEach(1))

  it('keeps a prefix of an encrypted segment, too', () => cutEach(ENCRYPTED_STEP, KEY))

  async function cutEach(step: number, encryption: StoreEncryption = {}): Promise<void> {
    const { disk, lines } = await written('none', encryption)
    const size = disk.bytesOf(FIRST).length
    const headerEnd = encryption.key === undefined ? HEADER_COPY_END : CIPHER_COPY_END
    for (let cut = size % step; cut <= size; cut += step) {
      const copy = disk.powerCutAt(disk.recorded, new SeededRandom(cut))
      const file = await copy.open(FIRST, 'write')
      await file.truncate(cut)
      await file.datasync()
      await file.close()
      const store = await open(copy, encryption)
      const stream = store.streams.get('a')
      const left = stream === undefined ? [] : await readAll(stream)
      assert.deepEqual(left, lines.slice(0, left.length), `cut at ${cut}`)
      // A header that was there once went with what followed it; any other end may be a torn one.
      assert.equal(store.stats.damagedRecords, Number(cut < headerEnd), `cut at ${cut}`)
      if (cut === size) assert.equal(left.length, COUNT)
      await store.destroy()
    }
  }

  it('scans a segment whose index is lost or damaged', async () => {
    const disk = new SimDisk({ random: new SeededRandom(3) })
    const clock = new StoreClock()
    const options = {
      directory: '/data',
      clock,
      random: new SeededRandom(4),
      disk,
      log: silentLog,
      segmentBytes: 1000,
    }
    const store = await openStore(options)
    const stream = store.createStream('a', bytes(''), noLimits)
    for (let i = 1; i <= 60; i++) await appendDurably(stream, 's', `${i}`)
    for (const seq of [3, 4, 31]) stream.remove(seq)
    clock.advance(2_000)
    await settle(100)
    const lines = await readAll(stream)
    await store.drain()
    const indexes = (await disk.list('/data/journal')).filter((name) => name.endsWith('.idx'))
    assert.ok(indexes.length >= 3)
    await disk.remove(`/data/journal/${indexes[0]}`)
    disk.corrupt(`/data/journal/${indexes[1]}`, 60, 255)
    const again = await openStore(options)
    const recovered = again.streams.get('a')
    assert.ok(recovered)
    assert.deepEqual(await readAll(recovered), lines)
    await again.destroy()
  })
})
