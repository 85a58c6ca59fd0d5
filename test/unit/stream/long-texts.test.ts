import assert from 'node:assert/strict'
import { parseGoDuration } from '../../../shared/stream/go-duration.ts'
import { parseMappingFunction } from '../../../shared/subject/mapping-function.ts'
import { SubjectTransform } from '../../../shared/subject/subject-transform.ts'

/** Each of these took the square of its length once: minutes, in which nobody was served. */
describe('long texts of clients', () => {
  const LONG = 1_000_000

  it('are read once as durations', () => {
    assert.equal(parseGoDuration('1'.repeat(LONG)), undefined)
    assert.equal(parseGoDuration(`${'1'.repeat(LONG)}x`), undefined)
    assert.equal(parseGoDuration(`${'1h'.repeat(1_000)}x`), undefined)
    assert.equal(parseGoDuration('1.h1.5m.5s'), 3_600e9 + 90e9 + 0.5e9)
  })

  it('are read once as arguments of mapping functions', () => {
    const blanks = ' '.repeat(LONG)
    assert.throws(() => parseMappingFunction(`{{wildcard(${blanks}1${blanks}x)}}`), /argument/)
    const found = parseMappingFunction(`{{wildcard(${blanks}1${blanks})}}`)
    assert.deepEqual(found, { name: 'wildcard', wildcard: 1 })
  })

  it('are read once as transforms of many wildcards', () => {
    const wildcards = 100_000
    const source = Array.from({ length: wildcards }, () => '*').join('.')
    const destination = Array.from({ length: wildcards }, (_, i) => `$${i + 1}`).join('.')
    assert.equal(new SubjectTransform(source, destination).destination, destination)
    assert.throws(() => new SubjectTransform(source, `${destination}.$${wildcards + 1}`), /range/)
  })
})
