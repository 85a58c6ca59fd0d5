import assert from 'node:assert/strict'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { SeqRuns } from '../../../shared/stream/consumer/seq-runs.ts'

describe('SeqRuns', () => {
  it('does what a set does', () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
    const random = new SeededRandom(seed)
    const runs = new SeqRuns(1_000)
    const model = new Set<number>()
    for (let i = 0; i < 5_000; i++) {
      const seq = 1 + random.below(200)
      const what = random.below(20)
      if (what < 10) {
        runs.add(seq)
        model.add(seq)
      } else if (what < 19) assert.equal(runs.delete(seq), model.delete(seq), `SEED=${seed}`)
      else if (seq < 50) {
        runs.deleteBelow(seq)
        for (const one of model) if (one < seq) model.delete(one)
      }
      assert.equal(runs.size, model.size, `SEED=${seed}`)
      assert.equal(runs.has(seq), model.has(seq), `SEED=${seed}`)
    }
    const sorted = [...model].sort((a, b) => a - b)
    assert.deepEqual([...runs.within(1, 200)], sorted, `SEED=${seed}`)
    const some = sorted.filter((seq) => seq >= 60 && seq <= 120)
    assert.deepEqual([...runs.within(60, 120)], some, `SEED=${seed}`)
    const again = new SeqRuns(1_000)
    again.restore(runs.runs)
    assert.deepEqual([again.size, [...again.within(1, 200)]], [model.size, sorted])
  })

  it('takes the lowest two runs for one when there are too many', () => {
    const runs = new SeqRuns(2)
    for (const seq of [1, 5, 9]) runs.add(seq)
    assert.deepEqual(runs.runs, [
      [1, 5],
      [9, 9],
    ])
    assert.equal(runs.size, 6)
  })
})
