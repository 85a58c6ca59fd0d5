import assert from 'node:assert/strict'
import fc from 'fast-check'
import { SeededRandom } from '../../shared/runtime/index.ts'
import {
  isLiteral,
  numberWildcards,
  SubjectMappings,
  SubjectTransform,
  subsetOf,
} from '../../shared/subject/index.ts'

const token = fc.stringMatching(/^[a-zé$*>{}-]{1,4}$/).filter((text) => !/^[*>]$|^\$\d/.test(text))

/** A source, a destination that uses each wildcard once in any order, and a subject that matches. */
const mapped = fc
  .record({
    tokens: fc.array(fc.oneof(token, fc.constant('*')), { minLength: 1, maxLength: 6 }),
    extra: fc.array(token, { maxLength: 3 }),
    texts: fc.array(token, { minLength: 6, maxLength: 6 }),
    tail: fc.option(fc.array(token, { minLength: 1, maxLength: 3 })),
    order: fc.array(fc.nat(1_000), { minLength: 12, maxLength: 12 }),
    isBraced: fc.boolean(),
  })
  .map(({ tokens, extra, texts, tail, order, isBraced }) => {
    const count = tokens.filter((it) => it === '*').length
    const holders = Array.from({ length: count }, (_, i) =>
      isBraced ? `{{wildcard(${i + 1})}}` : `$${i + 1}`,
    )
    const to = [...holders, ...extra, ...(count + extra.length === 0 ? ['x'] : [])]
      .map((text, i) => ({ text, at: order[i] ?? 0 }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ text }) => text)
    const more = tail === null ? [] : ['>']
    return {
      source: [...tokens, ...more].join('.'),
      destination: [...to, ...more].join('.'),
      subject: [...tokens.map((it, i) => (it === '*' ? texts[i] : it)), ...(tail ?? [])].join('.'),
    }
  })

describe('subject transforms, by properties', () => {
  const random = new SeededRandom(1)

  it('lead there and back again', () => {
    fc.assert(
      fc.property(mapped, ({ source, destination, subject }) => {
        const there = new SubjectTransform(source, destination, true)
        const result = there.match(subject, random)
        assert.ok(result !== undefined && isLiteral(result), result)
        assert.equal(there.reverse().match(result, random), subject)
        const keep = new SubjectTransform(source, numberWildcards(source))
        assert.equal(keep.match(subject, random), subject)
      }),
    )
  })

  it('take any destination, or refuse it as nats-server does', () => {
    const argument = fc.oneof(fc.integer({ min: -3, max: 12 }).map(String), token, fc.constant(''))
    const call = fc
      .record({
        name: fc.constantFrom(
          'wildcard',
          'partition',
          'Split',
          'left',
          'sliceFromRight',
          'random',
          'x',
        ),
        args: fc.array(argument, { maxLength: 3 }),
      })
      .map(({ name, args }) => `{{${name}(${args.join(',')})}}`)
    const any = fc.oneof(token, call, fc.constantFrom('*', '>', '$1', '$9', '', ' '))
    const subjects = fc.array(any, { minLength: 1, maxLength: 5 }).map((it) => it.join('.'))
    fc.assert(
      fc.property(subjects, subjects, mapped, (source, destination, { subject }) => {
        let transform: SubjectTransform
        try {
          transform = new SubjectTransform(source, destination)
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'PETIOLE_MAPPING_INVALID')
          return
        }
        const result = transform.match(subject, random)
        if (result === undefined) assert.ok(!subsetOf(subject, source))
        else assert.equal(typeof result, 'string')
      }),
    )
  })

  it('are shared by weight', () => {
    const weights = fc.array(fc.integer({ min: 0, max: 33 }), { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(weights, fc.integer(), (list, seed) => {
        const destinations = list.map((weight, i) => ({ subject: `to${i}`, weight, cluster: '' }))
        const mappings = new SubjectMappings([{ subject: 'a', destinations }], '')
        const chance = new SeededRandom(seed)
        const counts = new Map<string, number>()
        const draws = 4_000
        for (let i = 0; i < draws; i++) {
          const to = mappings.map('a', chance) ?? 'a'
          counts.set(to, (counts.get(to) ?? 0) + 1)
        }
        const expected = [
          ...destinations.map(({ subject, weight }) => [subject, weight] as const),
          ['a', 100 - list.reduce((sum, weight) => sum + weight, 0)] as const,
        ]
        for (const [to, weight] of expected) {
          const share = ((counts.get(to) ?? 0) / draws) * 100
          assert.ok(Math.abs(share - weight) < 5, `${to}: ${share} % for ${weight} %`)
          if (weight === 0) assert.equal(share, 0)
        }
      }),
      { numRuns: 25 },
    )
  })
})
