import assert from 'node:assert/strict'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { SubjectMappings } from '../../../shared/subject/index.ts'

const random = new SeededRandom(7)

function rule(subject: string, ...destinations: (readonly [string, number, string?])[]) {
  return {
    subject,
    destinations: destinations.map(([to, weight, cluster = '']) => ({
      subject: to,
      weight,
      cluster,
    })),
  }
}

function shares(mappings: SubjectMappings, subject: string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (let i = 0; i < 10_000; i++) {
    const to = mappings.map(subject, random) ?? subject
    counts[to] = (counts[to] ?? 0) + 1
  }
  return Object.fromEntries(
    Object.entries(counts).map(([to, count]) => [to, Math.round(count / 1_000) * 10]),
  )
}

describe('SubjectMappings', () => {
  it('answers that no rule concerns a subject', () => {
    const mappings = new SubjectMappings([rule('a.*', ['b.$1', 100]), rule('c', ['d', 100])], '')
    assert.equal(mappings.find('x'), undefined)
    assert.equal(mappings.find('a.b.c'), undefined)
    assert.equal(mappings.find('a.'), undefined)
    assert.equal(mappings.map('x', random), undefined)
    assert.equal(mappings.find('a.x')?.source, 'a.*')
    assert.equal(mappings.map('a.x', random), 'b.x')
    assert.deepEqual(mappings.sources, ['a.*', 'c'])
  })

  it('takes a literal source before wildcards, and of those the first of the list', () => {
    const mappings = new SubjectMappings(
      [rule('a.>', ['more.>', 100]), rule('a.*', ['one.$1', 100]), rule('a.b', ['literal', 100])],
      '',
    )
    assert.equal(mappings.map('a.b', random), 'literal')
    assert.equal(mappings.map('a.c', random), 'more.c')
  })

  it('keeps the subject for what the weights leave over', () => {
    const mappings = new SubjectMappings([rule('a.*', ['x', 30], ['y.$1', 50])], '')
    assert.deepEqual(shares(mappings, 'a.b'), { x: 30, 'y.b': 50, 'a.b': 20 })
  })

  it('loses what is left over when the source is a destination', () => {
    const mappings = new SubjectMappings([rule('a', ['a', 70])], '')
    assert.deepEqual(shares(mappings, 'a'), { a: 70, '': 30 })
  })

  it('takes the destinations of its own cluster, and the others when it has none', () => {
    const rules = [rule('a', ['x', 100, 'east'], ['y', 100, 'west'], ['z', 60])]
    assert.deepEqual(shares(new SubjectMappings(rules, 'east'), 'a'), { x: 100 })
    assert.deepEqual(shares(new SubjectMappings(rules, 'west'), 'a'), { y: 100 })
    assert.deepEqual(shares(new SubjectMappings(rules, 'north'), 'a'), { z: 60, a: 40 })
    assert.deepEqual(shares(new SubjectMappings(rules, ''), 'a'), { z: 60, a: 40 })
  })

  it('stays with the subject outside of the clusters it names', () => {
    const mappings = new SubjectMappings([rule('a', ['x', 100, 'east'])], '')
    assert.equal(mappings.map('a', random), undefined)
  })

  it('refuses weights that do not add up, and destinations named twice', () => {
    const make =
      (...destinations: (readonly [string, number, string?])[]) =>
      () =>
        new SubjectMappings([rule('a', ...destinations)], '')
    assert.throws(make(['x', 101]), { message: 'individual weights need to be <= 100' })
    assert.throws(make(['x', 60], ['y', 60]), { message: 'total weight needs to be <= 100' })
    assert.throws(make(['x', 60], ['x', 20]), { message: 'duplicate entry for "x"' })
    assert.doesNotThrow(make(['x', 60], ['y', 60, 'east']))
  })
})
