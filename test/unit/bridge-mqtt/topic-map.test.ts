import assert from 'node:assert/strict'
import fc from 'fast-check'
import { filterToSubjects, subjectToTopic, topicToSubject } from '../../../bridge-mqtt/topic-map.ts'
import { isLiteral, isValidSubject, SubjectFilter } from '../../../shared/subject/index.ts'

/** Topic and subject, each the other's image. Those without `/%` are nats-server's own table. */
const PAIRS: readonly (readonly [string, string])[] = [
  ['foo', 'foo'],
  ['foo/bar', 'foo.bar'],
  ['/foo', '/.foo'],
  ['/foo/bar', '/.foo.bar'],
  ['foo/', 'foo./'],
  ['foo/bar/', 'foo.bar./'],
  ['foo//bar', 'foo./.bar'],
  ['foo///bar', 'foo././.bar'],
  ['//foo', '/./.foo'],
  ['foo//', 'foo././'],
  ['/', '/./'],
  ['//', '/././'],
  ['///', '/./././'],
  ['/foo/', '/.foo./'],
  ['.', '//'],
  ['..', '////'],
  ['.foo', '//foo'],
  ['foo.', 'foo//'],
  ['foo.bar', 'foo//bar'],
  ['foo..bar', 'foo////bar'],
  ['foo/.bar', 'foo.//bar'],
  ['foo./bar', 'foo//.bar'],
  ['./.', '//.//'],
  ['/.', '/.//'],
  ['./', '//./'],
  ['v1.2/dev.3/temp', 'v1//2.dev//3.temp'],
  ['$SYS/broker/uptime', '$SYS.broker.uptime'],
  ['spBv1.0/plant/DDATA/edge/dev', 'spBv1//0.plant.DDATA.edge.dev'],
  ['größe/°C/温度', 'größe.°C.温度'],
  ['a b', 'a/%20b'],
  [' ', '/%20'],
  ['a/ /b', 'a./%20.b'],
  ['tab\there', 'tab/%09here'],
  ['line\r\nend', 'line/%0D/%0Aend'],
  ['del\u007f', 'del/%7F'],
  ['*', '/%2A'],
  ['>', '/%3E'],
  ['a/*/b', 'a./%2A.b'],
  ['a/>', 'a./%3E'],
  ['a*b/c>', 'a*b.c>'],
  ['**', '**'],
  ['. .', '///%20//'],
  ['100%', '100%'],
  ['%20', '%20'],
  ['.%20', '//%20'],
  ['/%20', '/.%20'],
]

/** Subjects that no MQTT client makes, and what MQTT subscribers see of them. */
const FROM_NATS: readonly (readonly [string, string | undefined])[] = [
  ['a.+', undefined],
  ['a.#b', undefined],
  ['/', undefined],
  ['a/b', 'ab'],
  ['a/%2', 'a%2'],
  ['a/%41', 'a%41'],
  ['a/%00', 'a%00'],
  ['a/%2a', 'a%2a'],
]

const FILTERS: readonly (readonly [string, readonly string[] | undefined])[] = [
  ['#', ['>']],
  ['+', ['*']],
  ['a/#', ['a.>', 'a']],
  ['/#', ['/.>', '/']],
  ['a//#', ['a./.>', 'a./']],
  ['+/#', ['*.>', '*']],
  ['a/+/b', ['a.*.b']],
  ['+/+', ['*.*']],
  ['/+', ['/.*']],
  ['+/', ['*./']],
  ['a/*', ['a./%2A']],
  ['a/>', ['a./%3E']],
  ['a b/+', ['a/%20b.*']],
  ['a.b/#', ['a//b.>', 'a//b']],
  ['$SYS/#', ['$SYS.>', '$SYS']],
  ['a/#/b', undefined],
  ['#/a', undefined],
  ['a#', undefined],
  ['a/b#', undefined],
  ['a+', undefined],
  ['+a/b', undefined],
  ['a/#b', undefined],
  ['##', undefined],
  ['++', undefined],
]

describe('topic map', () => {
  for (const [topic, subject] of PAIRS) {
    it(`${JSON.stringify(topic)} is ${JSON.stringify(subject)}, both ways`, () => {
      assert.equal(topicToSubject(Buffer.from(topic))?.toString(), subject)
      assert.equal(subjectToTopic(Buffer.from(subject))?.toString(), topic)
      assert.ok(isLiteral(subject))
    })
  }

  for (const [subject, topic] of FROM_NATS) {
    it(`the NATS subject ${JSON.stringify(subject)} is seen as ${JSON.stringify(topic)}`, () => {
      assert.equal(subjectToTopic(Buffer.from(subject))?.toString(), topic)
    })
  }

  for (const [filter, subjects] of FILTERS) {
    it(`the filter ${JSON.stringify(filter)} is ${JSON.stringify(subjects)}`, () => {
      assert.deepEqual(filterToSubjects(filter)?.subjects, subjects)
    })
  }

  it('refuses a topic name with a wildcard [MQTT-3.3.2-2]', () => {
    for (const topic of ['a/+', '#', 'a+b', 'a/b#']) {
      assert.equal(topicToSubject(Buffer.from(topic)), undefined)
    }
  })

  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

  it(`every legal topic comes back, through a valid subject (seed ${seed})`, () => {
    fc.assert(
      fc.property(topicName(), (topic) => {
        const subject = topicToSubject(Buffer.from(topic))
        assert.ok(subject !== undefined)
        assert.ok(isLiteral(subject.toString()), subject.toString())
        assert.ok(!/[\0-\x20\x7f]/.test(subject.toString('latin1')))
        assert.equal(subjectToTopic(subject)?.toString(), topic)
      }),
      { seed, numRuns: 3_000 },
    )
  })

  it(`a filter matches what MQTT says it matches (seed ${seed})`, () => {
    let matching = 0
    fc.assert(
      fc.property(topicFilter(), topicName(), (filter, topic) => {
        const mapped = filterToSubjects(filter)
        const subject = topicToSubject(Buffer.from(topic))
        assert.ok(mapped !== undefined && subject !== undefined)
        assert.ok(mapped.subjects.every(isValidSubject))
        const hits = mapped.subjects.filter((text) => new SubjectFilter(text).matches(subject))
        const isSkipped = mapped.skipsDollar && topic.startsWith('$')
        assert.equal(hits.length > 0 && !isSkipped, naiveMatch(filter, topic))
        assert.ok(hits.length <= 1, 'the subjects of one filter never match the same topic')
        if (hits.length > 0) matching++
      }),
      { seed, numRuns: 10_000 },
    )
    assert.ok(matching > 300, `only ${matching} matches`)
  })
})

/** MQTT 3.1.1, 4.7, in words: level by level. */
function naiveMatch(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false
  const want = filter.split('/')
  const have = topic.split('/')
  for (const [i, level] of want.entries()) {
    if (level === '#') return have.length >= i
    if (i >= have.length || (level !== '+' && level !== have[i])) return false
  }
  return want.length === have.length
}

/**
 * Mostly from a small alphabet of what is special on either side, so that filters do match.
 */
function level(): fc.Arbitrary<string> {
  const ascii = ['', 'a', 'b', '.', '*', '>', ' ', '$', 'a.', '%20', '..', '\t', '\v']
  const special = fc.constantFrom(...ascii, '\u00a0', '\u2028', '\ufeff')
  const any = fc
    .string({ unit: 'grapheme', maxLength: 4 })
    .map((text) => text.replaceAll(/[\0+#/]/g, 'x'))
  return fc.oneof({ weight: 5, arbitrary: special }, { weight: 1, arbitrary: any })
}

function topicName(): fc.Arbitrary<string> {
  return fc
    .array(level(), { minLength: 1, maxLength: 4 })
    .map((levels) => levels.join('/'))
    .filter((topic) => topic !== '')
}

function topicFilter(): fc.Arbitrary<string> {
  const levels = fc.array(fc.oneof(level(), fc.constant('+')), { minLength: 1, maxLength: 4 })
  return fc
    .tuple(levels, fc.boolean())
    .map(([parts, isDeep]) => [...parts, ...(isDeep ? ['#'] : [])].join('/'))
    .filter((filter) => filter !== '')
}
