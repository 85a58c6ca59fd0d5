import assert from 'node:assert/strict'
import { SubjectShelf } from '../../../../bridge-mqtt/retained/subject-shelf.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import { SubjectFilter } from '../../../../shared/subject/index.ts'

const TOKENS = ['a', 'b', '/', '$x']
const FILTER_TOKENS = [...TOKENS, '*', '*']
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

function found(shelf: SubjectShelf<string>, filter: string): readonly string[] {
  return [...shelf.matching(filter)].filter((value) => value !== undefined).sort()
}

describe('subject shelf', () => {
  it(`finds what the filter matches, each once (seed=${seed})`, () => {
    for (let run = 0; run < 20; run++) {
      const random = new SeededRandom(seed + run)
      const pick = (from: readonly string[]): string => from[random.below(from.length)] ?? ''
      const drawn = (from: readonly string[]): string[] =>
        Array.from({ length: 1 + random.below(4) }, () => pick(from))
      const shelf = new SubjectShelf<string>()
      const model = new Set<string>()
      for (let i = 0; i < 200; i++) {
        const subject = drawn(TOKENS).join('.')
        if (random.below(3) === 0) {
          shelf.delete(subject)
          model.delete(subject)
        } else {
          shelf.set(subject, subject)
          model.add(subject)
        }
        assert.equal(shelf.get(subject), model.has(subject) ? subject : undefined)
        const tokens = drawn(FILTER_TOKENS)
        if (random.below(3) === 0) tokens.push('>')
        const filter = tokens.join('.')
        const matcher = new SubjectFilter(filter)
        const expected = [...model].filter((each) => matcher.matchesText(each)).sort()
        assert.deepEqual(found(shelf, filter), expected, `seed=${seed + run} ${filter}`)
      }
      for (const subject of model) shelf.delete(subject)
      assert.equal([...shelf.matching('>')].length, 1, 'only the root is left to be looked at')
    }
  })

  it('goes on while what it goes through changes', () => {
    const shelf = new SubjectShelf<string>()
    for (let i = 0; i < 10; i++) shelf.set(`a.${i}.x`, `${i}`)
    const seen: string[] = []
    for (const value of shelf.matching('a.*.x')) {
      if (value === undefined) continue
      seen.push(value)
      shelf.delete(`a.${value}.x`)
      shelf.delete(`a.${Number(value) + 1}.x`)
    }
    assert.deepEqual(seen, ['0', '2', '4', '6', '8'])
  })

  it('looks at no more than it has to', () => {
    const shelf = new SubjectShelf<number>()
    for (let i = 0; i < 1000; i++) shelf.set(`dev.${i}.state`, i)
    assert.equal([...shelf.matching('dev.7.>')].length, 4)
    assert.equal([...shelf.matching('dev.7.state')].length, 4)
  })
})
