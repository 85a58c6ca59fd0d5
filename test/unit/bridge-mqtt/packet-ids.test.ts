import assert from 'node:assert/strict'
import { PacketIds } from '../../../bridge-mqtt/packet-ids.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'

const seeds = process.env['SEED'] ?? Array.from({ length: 12 }, (_, i) => Date.now() + i).join()
const STEPS = 4_000

describe('packet identifiers', () => {
  for (const seed of seeds.split(',').map(Number)) {
    it(`are in use as a map says, seed=${seed}`, () => {
      const random = new SeededRandom(seed)
      const ids = new PacketIds()
      const model = new Map<number, number>()
      const inflightMax = 1 + random.below(3_000)
      for (let step = 0; step < STEPS; step++) {
        const kind = random.below(10)
        const some = [...model.keys()][random.below(model.size + 1)] ?? 1 + random.below(65_535)
        if (kind < 5 && model.size < inflightMax) {
          const bytes = random.below(5_000)
          const id = ids.take(bytes)
          assert.ok(id > 0 && id < 65_536 && !model.has(id), `seed=${seed}: ${id} was given`)
          model.set(id, bytes)
        } else if (kind < 8) {
          assert.equal(ids.release(some), model.get(some) ?? -1, `seed=${seed}`)
          model.delete(some)
        } else if (kind === 8 && random.below(20) === 0) {
          const id = 1 + random.below(65_535)
          ids.reserve(id)
          if (!model.has(id)) model.set(id, 0)
        } else if (random.below(500) === 0) {
          ids.forgetBytes()
          for (const id of model.keys()) model.set(id, 0)
        } else {
          const bytes = random.below(5_000)
          ids.setBytes(some, bytes)
          if (model.has(some)) model.set(some, bytes)
        }
        assert.equal(ids.size, model.size, `seed=${seed}`)
        assert.equal(ids.has(some), model.has(some), `seed=${seed}`)
      }
      let bytes = 0
      for (const each of model.values()) bytes += each
      assert.equal(ids.bytes, bytes, `seed=${seed}`)
      for (const [id, each] of model) assert.equal(ids.release(id), each, `seed=${seed}`)
      assert.deepEqual([ids.size, ids.bytes], [0, 0])
    })
  }

  it('are all given when all are asked for, also beside those that share a slot', () => {
    const ids = new PacketIds()
    for (const id of [5, 5 + 1_024, 5 + 32_768]) ids.reserve(id)
    const given = new Set<number>()
    for (let id = ids.take(1); id !== 0; id = ids.take(1)) given.add(id)
    assert.equal(given.size, 65_535 - 3)
    assert.equal(ids.bytes, given.size)
    assert.equal(ids.release(5 + 1_024), 0)
    assert.equal(ids.take(1), 5 + 1_024)
    assert.equal(ids.has(0), false)
    assert.equal(ids.release(0), -1)
  })
})
