import assert from 'node:assert/strict'
import { PLACE, propertySection } from '../../../../bridge-mqtt/codec/index.ts'
import {
  decodeCursor,
  decodeFilter,
  decodeSession,
  decodeWill,
  encodeCursor,
  encodeFilter,
  encodeSession,
  encodeWill,
  type InflightRecord,
} from '../../../../bridge-mqtt/durable/session-codec.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import { filterOf } from '../../../support/durable-world.ts'

const SEEDS = 10
const DAMAGES = 400

const inflight: InflightRecord[] = [
  { packetId: 65_535, seq: Number.MAX_SAFE_INTEGER, qos: 2, isReleased: true },
  { packetId: 1, seq: 1, qos: 1, isReleased: false },
]
const session = {
  clientId: 'é\u{1f600}"\\\u0001',
  createdMs: 1_900_000_000_000,
  expirySeconds: 0xffff_ffff,
  leftMs: 0,
}
const filter = { stored: filterOf('a/+/#', 2, { subscriptionId: 5 }), sinceSeq: 7 }
const willProperties = {
  willDelaySeconds: 5,
  correlationData: Buffer.alloc(300, 1),
  userProperties: [
    { name: 'a', value: '1' },
    { name: 'a', value: '2' },
  ],
}
const will = {
  topic: Buffer.from('t'),
  payload: Buffer.from([0, 255, 10]),
  qos: 2,
  isRetain: true,
  properties: willProperties,
  section: Buffer.from(propertySection(willProperties, PLACE.will)),
}

describe('mqtt durable: state of a session as bytes', () => {
  it('comes back as it was', () => {
    assert.deepEqual(decodeCursor(encoded(77, inflight)), { passedSeq: 77, inflight })
    assert.deepEqual(decodeCursor(encoded(0, [])), { passedSeq: 0, inflight: [] })
    assert.deepEqual(decodeSession(encodeSession(session)), session)
    assert.deepEqual(decodeFilter(encodeFilter(filter)), filter)
    const lowered = { ...filter, waiting: { qos: 2, sinceSeq: 3, untilSeq: 7 } }
    assert.deepEqual(decodeFilter(encodeFilter(lowered)), lowered)
    assert.deepEqual(decodeWill(encodeWill(will)), will)
  })

  it('what is of another version is not understood', () => {
    for (const [bytes, decode] of kinds()) {
      const other = Uint8Array.from(bytes)
      if (other[0] === 1) other[0] = 2
      else other.set(Buffer.from('{"v":2'), 0)
      assert.equal(decode(other), undefined)
    }
  })

  it('refuses an identifier that is in flight twice, and one that there is not', () => {
    const one: InflightRecord = { packetId: 3, seq: 1, qos: 1, isReleased: false }
    assert.equal(decodeCursor(encoded(1, [one, one])), undefined)
    assert.equal(decodeCursor(encoded(1, [{ ...one, packetId: 0 }])), undefined)
  })

  for (let seed = 1; seed <= SEEDS; seed++) {
    it(`damaged bytes throw nothing: seed ${seed}`, () => {
      const random = new SeededRandom(seed)
      for (let i = 0; i < DAMAGES; i++) {
        for (const [bytes, decode] of kinds()) decode(damaged(bytes, random))
      }
    })
  }
})

function kinds(): readonly (readonly [Uint8Array, (bytes: Uint8Array) => unknown])[] {
  return [
    [encoded(77, inflight), decodeCursor],
    [encodeSession(session), decodeSession],
    [encodeFilter(filter), decodeFilter],
    [encodeWill(will), decodeWill],
  ]
}

function damaged(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const copy = Uint8Array.from(bytes)
  for (let count = 1 + random.below(3); count > 0; count--) {
    copy[random.below(copy.length)] = random.below(256)
  }
  return random.below(2) === 0 ? copy : copy.subarray(0, random.below(copy.length + 1))
}

function encoded(passedSeq: number, records: readonly InflightRecord[]): Uint8Array {
  return encodeCursor(passedSeq, {
    size: records.length,
    released: records.filter(({ isReleased }) => isReleased),
    published: records.filter(({ isReleased }) => !isReleased),
  })
}
