import assert from 'node:assert/strict'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { SeqRuns } from '../../../shared/stream/consumer/seq-runs.ts'

const expanded = (runs: SeqRuns): number[] =>
  runs.runs.flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, i) => first + i),
  )

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
      } else if (what < 18) assert.equal(runs.delete(seq), model.delete(seq), `SEED=${seed}`)
      else if (what === 18 && i % 10 === 0) {
        const there = [...model].filter(() => random.below(8) > 0).sort((a, b) => a - b)
        runs.retain(seq, seq + 50, (from) => there.find((one) => one >= from) ?? 0)
        for (const one of model) {
          if (one >= seq && one <= seq + 50 && !there.includes(one)) model.delete(one)
        }
      } else if (seq < 50) {
        runs.deleteBelow(seq)
        for (const one of model) if (one < seq) model.delete(one)
      }
      assert.equal(runs.size, model.size, `SEED=${seed}`)
      assert.equal(runs.has(seq), model.has(seq), `SEED=${seed}`)
    }
    const sorted = [...model].sort((a, b) => a - b)
    assert.deepEqual(expanded(runs), sorted, `SEED=${seed}`)
    for (const [i, [first]] of runs.runs.entries()) {
      assert.ok(i === 0 || first > runs.runs[i - 1]![1] + 1, `they do not touch: SEED=${seed}`)
    }
    const again = new SeqRuns(1_000)
    again.restore(runs.runs)
    assert.deepEqual([again.size, expanded(again)], [model.size, sorted])
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

  it('is not gone through by sequences', () => {
    const runs = new SeqRuns(2)
    for (const seq of [1, 2 ** 50, 2 ** 52]) runs.add(seq)
    const there = [1, 7, 2 ** 40, 2 ** 52]
    runs.retain(2, Number.MAX_SAFE_INTEGER, (from) => there.find((seq) => seq >= from) ?? 0)
    assert.deepEqual(
      runs.runs.map(([first]) => first),
      [1, 2 ** 52],
      'what is too many becomes one again',
    )
    assert.equal(runs.has(2 ** 50), false)
  })
})
