import assert from 'node:assert/strict'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { SubjectTransform } from '../../../shared/subject/index.ts'

const random = new SeededRandom(1)

describe('SubjectTransform', () => {
  it('leaves what its source does not match, and what is no subject', () => {
    const transform = new SubjectTransform('a.*', 'b.$1')
    assert.equal(transform.match('a.x', random), 'b.x')
    assert.equal(transform.match('a', random), undefined)
    assert.equal(transform.match('a.x.y', random), undefined)
    assert.equal(transform.match('a.', random), undefined)
    assert.equal(new SubjectTransform('a.>', 'b.>').match('a..b', random), undefined)
  })

  it('hashes the whole subject when a partition names no tokens, also of a literal source', () => {
    // FNV-1a of "foo" is 0xa9f37ed7.
    assert.equal(new SubjectTransform('foo', 'p.{{partition(1000)}}').apply('foo', random), 'p.223')
    assert.equal(new SubjectTransform('*', 'p.{{partition(1000)}}').apply('foo', random), 'p.223')
    assert.equal(new SubjectTransform('*', 'p.{{partition(1000,1)}}').apply('foo', random), 'p.223')
  })

  it('draws from the bound of random', () => {
    const transform = new SubjectTransform('a', 'r.{{random(3)}}')
    const seen = new Set(Array.from({ length: 200 }, () => transform.apply('a', random)))
    assert.deepEqual([...seen].toSorted(), ['r.0', 'r.1', 'r.2'])
    assert.equal(new SubjectTransform('a', 'r.{{random(0)}}').apply('a', random), 'r.0')
  })

  it('never makes an empty token of a delimiter at the edge', () => {
    const transform = new SubjectTransform('a.*', 'b.{{split(1,-)}}')
    assert.equal(transform.apply('a.--x--y--', random), 'b.x.y')
  })

  it('goes back the way it came, whatever the order of wildcards', () => {
    for (const [source, destination, subject] of [
      ['a', 'b', 'a'],
      ['a.>', 'x.y.>', 'a.1.2'],
      ['a.*.*.*', 'b.$3.$1.$2', 'a.1.2.3'],
      ['a.*.b.*.>', '{{wildcard(2)}}.$1.>', 'a.1.b.2.3.4'],
    ] as const) {
      const there = new SubjectTransform(source, destination, true)
      const mapped = there.apply(subject, random)
      assert.equal(there.reverse().match(mapped, random), subject, `${source} -> ${destination}`)
    }
  })

  it('is strict about what cannot be undone', () => {
    const strict = (source: string, destination: string) => () =>
      new SubjectTransform(source, destination, true)
    assert.throws(strict('a.*', 'b.{{left(1,2)}}'), {
      code: 'PETIOLE_MAPPING_INVALID',
      message:
        'invalid mapping destination: the only mapping function allowed for import transforms is {{Wildcard()}} in {{left(1,2)}}',
    })
    assert.throws(strict('a.*.*', 'b.$1'), {
      message: 'invalid mapping destination: not using all of the token wildcard(s) in b.$1',
    })
  })
})
