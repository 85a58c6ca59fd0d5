import assert from 'node:assert/strict'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { StagedSubjects } from '../../../shared/store/staged-subjects.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const RUNS = 20
const STEPS = 3_000

function countIn(model: readonly (string | undefined)[], subject: string): number {
  return model.filter((one) => one === subject).length
}

describe('subjects that wait for their commit', () => {
  it(`are those of a list, whatever comes (seed=${seed})`, () => {
    for (let run = 0; run < RUNS; run++) {
      const random = new SeededRandom(seed + run)
      const staged = new StagedSubjects(seed + run)
      const model: (string | undefined)[] = []
      const names = Array.from({ length: 1 + random.below(200) }, (_, i) =>
        `${i}.`.padEnd(2 + random.below(random.below(20) === 0 ? 2_000 : 30), 'x'),
      )
      // More comes than goes in some runs, less in others.
      const pushes = 3 + random.below(4)
      const name = (): string => names[random.below(names.length)] ?? ''
      for (let step = 0; step < STEPS; step++) {
        const drawn = random.below(10)
        if (drawn < pushes) {
          const subject = random.below(15) === 0 ? undefined : name()
          staged.push(subject === undefined ? undefined : Buffer.from(subject))
          model.push(subject)
        } else if (drawn < 9) {
          if (model.length > 0) staged.shift()
          model.shift()
        } else if (random.below(100) === 0) {
          staged.clear()
          model.length = 0
        } else {
          const left = random.below(model.length + 1)
          staged.truncate(staged.end - model.length + left)
          model.length = left
        }
        const asked = name()
        const where = `seed=${seed + run} step=${step}`
        assert.equal(staged.count(Buffer.from(asked)), countIn(model, asked), where)
      }
    }
  })

  it('are found among many, also behind those that nobody asks for', () => {
    const staged = new StagedSubjects(1)
    for (let i = 0; i < 100; i++) staged.push(undefined)
    for (let i = 0; i < 10_000; i++) staged.push(Buffer.from(`s.${i % 5_000}`))
    assert.equal(staged.count(Buffer.from('s.4999')), 2)
    for (let i = 0; i < 100 + 5_000; i++) staged.shift()
    assert.equal(staged.count(Buffer.from('s.4999')), 1)
    staged.clear()
    assert.equal(staged.count(Buffer.from('s.4999')), 0)
    staged.push(Buffer.from('s.4999'))
    assert.equal(staged.count(Buffer.from('s.4999')), 1)
  })
})
