import assert from 'node:assert/strict'
import fc from 'fast-check'
import { consumerConfig } from '../../../shared/stream/config/consumer-checks.ts'
import { NO_STREAM_RULES } from '../../../shared/stream/config/rules.ts'
import { streamConfig } from '../../../shared/stream/config/stream-checks.ts'
import { isValidSubject, overlaps, subsetOf } from '../../../shared/subject/index.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

const token = fc.constantFrom('a', 'b', 'c', 'd', '*', '>', '')
const subjects = fc.array(
  fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.')),
  { minLength: 1, maxLength: 8 },
)
const stream = streamConfig({ name: 'S', subjects: ['s.>'] })

/** The first subject with which something is wrong, each held against all behind it. */
function plainProblem(asked: readonly string[]): string {
  for (const [i, subject] of asked.entries()) {
    if (!isValidSubject(subject)) return 'invalid subject'
    if (subject === '>') return 'capturing all subjects requires no-ack to be true'
    if (overlaps(subject, '$JS.>')) {
      return 'subjects that overlap with jetstream api require no-ack to be true'
    }
    const other = asked.slice(i + 1).find((candidate) => overlaps(candidate, subject))
    if (other !== undefined) return `subject "${subject}" overlaps with "${other}"`
  }
  return ''
}

function plainFilterProblem(filters: readonly string[]): number {
  for (const [i, filter] of filters.entries()) {
    if (!isValidSubject(filter)) return 10052
    if (filters.some((other, j) => i !== j && subsetOf(filter, other))) return 10138
  }
  return 0
}

function problemOf(make: () => unknown): { message: string; errCode: number } {
  try {
    make()
    return { message: '', errCode: 0 }
  } catch (error) {
    return error as { message: string; errCode: number }
  }
}

describe('many subjects in one request', () => {
  it(`are refused for the pair that comes first, seed=${SEED}`, () => {
    fc.assert(
      fc.property(subjects, (asked) => {
        const { message } = problemOf(() => streamConfig({ name: 'S', subjects: asked }))
        const expected = plainProblem(asked)
        if (expected === '') assert.equal(message, '')
        else assert.ok(message.includes(expected), `${message}: ${expected}`)
      }),
      { seed: SEED, numRuns: 2000 },
    )
  })

  it(`are refused as filters when one is within another, seed=${SEED}`, () => {
    const several = subjects.filter((them) => !them.includes(''))
    fc.assert(
      fc.property(several, (filters) => {
        const request = { ack_policy: 'none', filter_subjects: ['s.only', ...filters] } as const
        const { errCode } = problemOf(() => consumerConfig(request, 'c', stream))
        assert.equal(errCode, plainFilterProblem(['s.only', ...filters]))
      }),
      { seed: SEED, numRuns: 2000 },
    )
  })

  it('are refused when their wildcards would take minutes to compare', () => {
    const many = Array.from({ length: 10_000 }, (_, i) => (i % 2 === 0 ? `a${i}.x` : `*.b${i}`))
    const { errCode, message } = problemOf(() => streamConfig({ name: 'S', subjects: many }))
    assert.equal(errCode, 10052)
    assert.match(message, /subjects have too many wildcards to be compared/)
    const plain = many.map((subject) => subject.replace('*', 'a'))
    assert.equal(streamConfig({ name: 'S', subjects: plain }).subjects.length, many.length)
  })

  it('are refused when streams source each other in too many ways', () => {
    // Each of four streams has many sources of the next: all ways through them are far too many to go.
    const layer = (depth: number) => ({
      name: `L${depth}`,
      sources: Array.from({ length: 150 }, (_, i) => ({
        name: `L${depth + 1}`,
        filter_subject: `f.${i}`,
      })),
    })
    const configs = new Map([1, 2, 3, 4].map((depth) => [`L${depth}`, streamConfig(layer(depth))]))
    const { errCode, message } = problemOf(() =>
      streamConfig(layer(0), { ...NO_STREAM_RULES, stream: (name) => configs.get(name) }),
    )
    assert.equal(errCode, 10052)
    assert.match(message, /sources have too many sources to be followed/)
  })

  it('are followed around a circle of sources by what they filter', () => {
    const own = Array.from({ length: 100 }, (_, i) => `own.${i}.*`)
    const circle = (filter: string) => {
      const back = streamConfig({
        name: 'B',
        subjects: own,
        sources: [{ name: 'A', filter_subject: filter }],
      })
      const asked = { name: 'A', subjects: ['a'], sources: [{ name: 'B' }] }
      return problemOf(() => streamConfig(asked, { ...NO_STREAM_RULES, stream: () => back }))
    }
    assert.match(circle('own.*.x').message, /detected cycle/)
    assert.equal(circle('other.x').message, '')
  })
})
