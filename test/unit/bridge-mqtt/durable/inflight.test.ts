import assert from 'node:assert/strict'
import { Inflight, type InflightMessage } from '../../../../bridge-mqtt/durable/inflight.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'

const seeds = process.env['SEED'] ?? Array.from({ length: 8 }, (_, i) => Date.now() + i).join()
const STEPS = 4_000
const ids = (entries: Iterable<InflightMessage>): number[] => [...entries].map((it) => it.packetId)

describe('mqtt durable: messages in flight', () => {
  for (const seed of seeds.split(',').map(Number)) {
    it(`are known by identifier and in the order of their phase, as maps say, seed=${seed}`, () => {
      const random = new SeededRandom(seed)
      const inflight = new Inflight()
      const published = new Map<number, InflightMessage>()
      const released = new Map<number, InflightMessage>()
      const inflightMax = 1 + random.below(3_000)
      let [lastId, lastSeq] = [0, 0]
      for (let step = 0; step < STEPS; step++) {
        const kind = random.below(20)
        const known = [...published.keys(), ...released.keys()]
        const some = known[random.below(known.length + 1)] ?? 0
        const entry = published.get(some) ?? released.get(some)
        if (kind < 12 && known.length < inflightMax) {
          // In turn, mostly; those that were in use before have whatever they had.
          lastId = kind > 0 ? (lastId % 65_535) + 1 : 1 + random.below(65_535)
          if (known.includes(lastId)) continue
          lastSeq += 1 + random.below(3)
          published.set(lastId, inflight.add(lastId, lastSeq, 2))
        } else if (entry !== undefined && kind < 15) {
          inflight.release(entry)
          if (published.delete(some)) released.set(some, entry)
        } else if (entry !== undefined && kind < 19) {
          inflight.delete(entry)
          inflight.delete(entry)
          published.delete(some)
          released.delete(some)
          assert.equal(inflight.holds(entry.seq), false, `seed=${seed}`)
        } else if (entry !== undefined) {
          inflight.letGo(entry)
          assert.equal(inflight.holds(entry.seq), false, `seed=${seed}`)
        }
        assert.equal(inflight.get(some), published.get(some) ?? released.get(some), `seed=${seed}`)
        assert.equal(inflight.size, published.size + released.size, `seed=${seed}`)
      }
      assert.deepEqual(ids(inflight.published), [...published.keys()], `seed=${seed}`)
      assert.deepEqual(ids(inflight.released), [...released.keys()], `seed=${seed}`)
      for (const entry of inflight.published) inflight.delete(entry)
      assert.deepEqual(ids(inflight.released), [...released.keys()], `seed=${seed}`)
      assert.equal(inflight.size, released.size, `seed=${seed}`)
    })
  }

  it('those that share a slot are told apart', () => {
    const inflight = new Inflight()
    const entries = [5, 5 + 1_024, 5 + 32_768].map((id, i) => inflight.add(id, i + 1, 1))
    for (let id = 100; id < 200; id++) inflight.add(id, id, 1)
    assert.deepEqual(
      entries.map(({ packetId }) => inflight.get(packetId)),
      entries,
    )
    inflight.delete(entries[0] as InflightMessage)
    assert.equal(inflight.get(5), undefined)
    assert.equal(inflight.get(5 + 1_024), entries[1])
    assert.equal(inflight.size, 102)
  })

  it('of two with one identifier the later holds', () => {
    const inflight = new Inflight()
    const elder = inflight.add(7, 1, 1)
    const later = inflight.add(7, 2, 1)
    inflight.release(elder)
    inflight.delete(elder)
    assert.equal(inflight.get(7), later)
    assert.deepEqual([inflight.size, inflight.holds(1), inflight.holds(2)], [1, false, true])
    assert.deepEqual([ids(inflight.published), ids(inflight.released)], [[7], []])
  })
})
