import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  FilterUnion,
  hasWildcard,
  isLiteral,
  isValidSubject,
  overlaps,
  SubjectFilter,
  SubjectTree,
  subsetOf,
} from '../../../shared/subject/index.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

/** Few tokens, so that subjects meet often. */
const token = fc.constantFrom('a', 'b', 'cc', 'foo*', '>x')
const literal = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'))
const pattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constant('*')), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([tokens, isOpen]) => (isOpen ? [...tokens, '>'] : tokens).join('.'))

/** The rule, as plainly as it can be written. */
function matches(filter: string, subject: string): boolean {
  const [first, ...rest] = filter.split('.')
  const [head, ...tail] = subject.split('.')
  if (first === '>' && rest.length === 0) return true
  if (first !== '*' && first !== head) return false
  if (rest.length === 0 || tail.length === 0) return rest.length === tail.length
  return matches(rest.join('.'), tail.join('.'))
}

/** By the number of their tokens. */
const ENDS = [
  ['a', 'b', 'new'],
  ['a.a', 'new.b', 'b.new'],
  ['a.b.a', 'new.new.a', 'a.new.b'],
]

describe('SubjectTree', () => {
  it(`finds what a plain matcher finds, after any additions and removals, seed=${SEED}`, () => {
    const steps = fc.array(fc.tuple(fc.boolean(), pattern, fc.nat(3)), { maxLength: 60 })
    fc.assert(
      fc.property(steps, fc.array(literal, { minLength: 1, maxLength: 8 }), (changes, subjects) => {
        const tree = new SubjectTree<number>()
        const model = new Set<string>()
        for (const [isAdded, subject, value] of changes) {
          const key = `${subject} ${value}`
          if (isAdded) {
            assert.equal(tree.add(subject, value), !model.has(key))
            model.add(key)
          } else assert.equal(tree.remove(subject, value), model.delete(key))
        }
        assert.equal(tree.size, model.size)
        for (const subject of subjects) {
          const expected = [...model]
            .map((key) => key.split(' '))
            .filter(([filter]) => matches(filter ?? '', subject))
            .map(([, value]) => Number(value))
          assert.deepEqual(tree.match(subject).sort(), expected.sort(), subject)
          // When one answer is given for all ends of so many tokens, each must get it.
          for (const [behind, ends] of ENDS.entries()) {
            const any = tree.matchAnyEnd(subject, behind + 1)?.sort()
            for (const end of any === undefined ? [] : ends) {
              assert.deepEqual(tree.match(`${subject}.${end}`).sort(), any, `${subject} ${end}`)
            }
          }
        }
      }),
      { seed: SEED, numRuns: 300 },
    )
  })

  it(`finds what overlaps a pattern as pairs do, or gives up, seed=${SEED}`, () => {
    fc.assert(
      fc.property(
        fc.array(pattern, { maxLength: 40 }),
        pattern,
        fc.nat(60),
        (held, asked, most) => {
          const tree = new SubjectTree<string>()
          for (const subject of held) tree.add(subject, subject)
          const expected = [...new Set(held)].filter((subject) => overlaps(subject, asked)).sort()
          assert.deepEqual(tree.overlapping(asked, Infinity)?.sort(), expected, asked)
          const needed = tree.visited
          const found = tree.overlapping(asked, most)
          if (most >= needed) assert.deepEqual(found?.sort(), expected)
          else assert.equal(found, undefined)
        },
      ),
      { seed: SEED, numRuns: 1000 },
    )
  })

  it('finds overlaps at a cost that the number of values beside the way does not change', () => {
    const tree = new SubjectTree<number>()
    for (let i = 0; i < 5000; i++) tree.add(`st.${i}.>`, i)
    assert.deepEqual(tree.overlapping('st.7.a', 10), [7])
    assert.deepEqual(tree.overlapping('st.new.>', 10), [])
    assert.equal(tree.overlapping('st.*.a', 10), undefined)
  })

  it('matches nothing on a subject with an empty token', () => {
    const tree = new SubjectTree<number>()
    for (const subject of ['>', '*', '*.*', 'a.>']) tree.add(subject, 1)
    for (const subject of ['', '.', 'a.', '.a', 'a..b']) assert.deepEqual(tree.match(subject), [])
  })
})

describe('subject rules', () => {
  it(`agree with the plain matcher, seed=${SEED}`, () => {
    fc.assert(
      fc.property(pattern, pattern, literal, (left, right, subject) => {
        const filter = new SubjectFilter(left)
        assert.equal(
          filter.matches(Buffer.from(subject)),
          matches(left, subject),
          `${left} ${subject}`,
        )
        assert.equal(filter.isLiteral, !hasWildcard(left))
        const isBoth = matches(left, subject) && matches(right, subject)
        if (isBoth) assert.ok(overlaps(left, right), `${left} ${right} share ${subject}`)
        assert.equal(filter.overlaps(right), overlaps(left, right), `${left} ${right}`)
        const union = new FilterUnion([filter, new SubjectFilter(right)])
        const isEither = matches(left, subject) || matches(right, subject)
        assert.equal(union.matchesText(subject), isEither, `${left} ${right} ${subject}`)
        assert.equal(union.overlaps(right), true)
        if (subsetOf(left, right) && matches(left, subject)) {
          assert.ok(matches(right, subject), `${left} within ${right}, but not ${subject}`)
        }
      }),
      { seed: SEED, numRuns: 1_000 },
    )
  })

  it('tell valid from invalid, and literal from wildcard', () => {
    for (const subject of ['a', 'a.b', 'foo*', '>x', '*a.b>']) {
      assert.deepEqual(
        [isValidSubject(subject), isLiteral(subject), hasWildcard(subject)],
        [true, true, false],
      )
    }
    for (const subject of ['*', '>', 'a.*', 'a.>', '*.b']) {
      assert.deepEqual(
        [isValidSubject(subject), isLiteral(subject), hasWildcard(subject)],
        [true, false, true],
      )
    }
    for (const subject of ['', '.', 'a.', '.a', 'a..b', 'a b', 'a\t', '>.a', 'a\r\n', 'a\f', ' ']) {
      assert.equal(isValidSubject(subject), false, JSON.stringify(subject))
    }
  })

  it('take white space that the protocol does not know for part of a token', () => {
    for (const blank of [
      '\u00a0',
      '\u1680',
      '\u2003',
      '\u2028',
      '\u3000',
      '\ufeff',
      '\v',
      '\x01',
    ]) {
      const subject = `plant.hall${blank}1`
      assert.ok(isLiteral(subject), JSON.stringify(subject))
      assert.ok(new SubjectFilter(subject).matchesText(subject))
    }
  })
})
