import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  FilterUnion,
  isLiteral,
  isValidSubject,
  SubjectFilter,
} from '../../../shared/subject/index.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

/** Tokens of each length that ends within a step or with it, which begin alike; some that nobody may use. */
const token = fc.oneof(
  fc.constantFrom(
    'a',
    'abc',
    'abcd',
    'abcdef',
    'abcdefg',
    'abd',
    '\0\0\0',
    '\0\0\0b',
    'é',
    'a*',
    '>x',
  ),
  fc.constantFrom('a', 'b', 'ab', ''),
  fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 8 }),
)
const subjectOf = (one: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.array(one, { minLength: 1, maxLength: 5 }).map((tokens) => tokens.join('.'))
const filter = subjectOf(fc.oneof(token, fc.constantFrom('*', '*', '>')))

describe('FilterUnion', () => {
  it(`matches what one of its filters does, wherever the subject lies, seed=${SEED}`, () => {
    let matched = 0
    fc.assert(
      fc.property(fc.array(filter, { maxLength: 20 }), fc.array(subjectOf(token)), (all, asked) => {
        const filters = all.filter(isValidSubject).map((one) => new SubjectFilter(one))
        const union = new FilterUnion(all.map((one) => new SubjectFilter(one)))
        for (const subject of [...asked, ...all].filter(isLiteral)) {
          const isMatch = filters.some((one) => one.matchesText(subject))
          if (isMatch) matched++
          const bytes = Buffer.from(`ab.${subject}.cd`)
          assert.equal(union.matches(bytes, 3, bytes.length - 3), isMatch, subject)
          assert.equal(union.matchesText(subject), isMatch, subject)
        }
      }),
      { seed: SEED, numRuns: 2000 },
    )
    assert.ok(matched > 500, `${matched} matched`)
  })

  it('matches nothing by a filter that is not valid', () => {
    const union = new FilterUnion(
      ['a..b', 'a.>.b', '', '\0\0\0'].map((it) => new SubjectFilter(it)),
    )
    for (const subject of ['a.x.b', 'a.b', 'a.>.b', 'a.\0\0\0b'])
      assert.ok(!union.matchesText(subject))
    assert.ok(union.matchesText('\0\0\0'))
  })
})
