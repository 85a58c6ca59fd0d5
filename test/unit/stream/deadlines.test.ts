import assert from 'node:assert/strict'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { Deadlines } from '../../../shared/stream/publish/deadlines.ts'

describe('deadlines', () => {
  it('come up in their order, as from a sorted list', () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
    const random = new SeededRandom(seed)
    const deadlines = new Deadlines()
    let list: { seq: number; dueMs: number }[] = []
    let seq = 0
    for (let step = 0; step < 20_000; step++) {
      const roll = random.below(100)
      if (roll < 60) {
        const dueMs = random.below(1_000)
        list.push({ seq: ++seq, dueMs })
        deadlines.add(seq, dueMs)
      } else if (roll < 99) {
        list.sort((a, b) => a.dueMs - b.dueMs)
        const nowMs = random.below(1_000)
        const taken = deadlines.take(nowMs)
        const first = list[0]
        if (first === undefined || first.dueMs > nowMs) assert.equal(taken, 0, `SEED=${seed}`)
        else {
          const at = list.findIndex((entry) => entry.seq === taken)
          assert.equal(list[at]?.dueMs, first.dueMs, `SEED=${seed}`)
          list.splice(at, 1)
        }
      } else {
        const isKept = (kept: number): boolean => kept % 3 !== 0
        list = list.filter((entry) => isKept(entry.seq))
        deadlines.prune(isKept)
      }
      const earliest = Math.min(...list.map(({ dueMs }) => dueMs))
      assert.equal(deadlines.nextMs, earliest, `SEED=${seed}`)
      assert.equal(deadlines.size, list.length, `SEED=${seed}`)
    }
  })
})
