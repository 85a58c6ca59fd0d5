import assert from 'node:assert/strict'
import fc from 'fast-check'
import { overlaps, SubjectPatterns, subsetOf } from '../../../shared/subject/index.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

/** Few tokens, so that patterns meet often; empty ones and `>` anywhere, as requests have them too. */
const token = fc.constantFrom('a', 'b', 'c', '*', '*', '>', '', '>x', 'foo*')
const pattern = fc.oneof(
  fc.array(token, { minLength: 1, maxLength: 5 }),
  fc.array(fc.constantFrom('a', 'b', '*'), { minLength: 1, maxLength: 4 }),
)
const patterns = fc.array(
  pattern.map((tokens) => tokens.join('.')),
  { maxLength: 12 },
)

describe('SubjectPatterns', () => {
  it(`answers what holding each pair against each other does, seed=${SEED}`, () => {
    fc.assert(
      fc.property(patterns, patterns, (held, asked) => {
        const all = new SubjectPatterns(held)
        for (const one of asked) {
          const isMet = held.some((other) => overlaps(one, other))
          assert.equal(all.overlaps(one), isMet, one)
        }
        for (const [i, one] of held.entries()) {
          const others = held.filter((_, j) => j !== i)
          const isMet = others.some((other) => overlaps(one, other))
          assert.equal(all.overlapsAnother(one), isMet, one)
          const isCovered = others.some((other) => subsetOf(one, other))
          assert.equal(all.isCoveredByAnother(one), isCovered, one)
        }
      }),
      { seed: SEED, numRuns: 3000 },
    )
  })

  it('makes no detour for patterns that begin alike or not, however many', () => {
    const many = Array.from({ length: 5000 }, (_, i) => `a.b${i}.*.c`)
    const patterns = new SubjectPatterns(many)
    for (const one of many) {
      assert.ok(!patterns.overlapsAnother(one))
      assert.ok(!patterns.isCoveredByAnother(one))
    }
    assert.equal(patterns.detours, 0)
  })

  it('counts the branches that wildcards open', () => {
    const patterns = new SubjectPatterns(Array.from({ length: 100 }, (_, i) => `a${i}.x`))
    assert.ok(!patterns.overlaps('*.y'))
    assert.ok(patterns.detours >= 99, `${patterns.detours}`)
  })

  it('follows a pattern of as many tokens as fit into a message', () => {
    const tokens = 200_000
    const patterns = new SubjectPatterns([`${'a.'.repeat(tokens)}x`, '*.>.b'])
    assert.ok(patterns.overlaps(`${'*.'.repeat(tokens)}x`))
    const deep = new SubjectPatterns([`${'a.'.repeat(tokens)}x`])
    assert.ok(!deep.overlaps(`${'*.'.repeat(tokens)}y`))
  })
})
