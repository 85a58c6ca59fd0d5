/** What the index says of subjects, against the naive way, with enough of them for every way to be gone. */
import assert from 'node:assert/strict'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { Boots } from '../../../shared/store/boots.ts'
import { lastSeqsInTurns } from '../../../shared/store/long-queries.ts'
import { StreamIndex } from '../../../shared/store/stream-index.ts'
import {
  countFrom,
  firstSeqMatching,
  lastSeqMatching,
  subjectCounts,
} from '../../../shared/store/stream-queries.ts'
import { inMemory, type SubjectSpace } from '../../../shared/store/stream-subjects.ts'
import { SubjectFilter } from '../../../shared/subject/index.ts'
import { type FewSubjects, fewSubjects } from '../../support/few-subjects.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const SUBJECTS = 5_000
const atOnce = async (): Promise<void> => {}
const FILTERS = [
  '>',
  'a.>',
  'a.b.>',
  'a.b.*',
  'a.*.7.>',
  'a.c.7.*',
  'a.c.7.>',
  'b.*',
  'b.>',
  'x.>',
  '*.b.>',
  'a.b.17',
  'long.1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.>',
  'long.1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.99.>',
  'a.b',
  'a..>',
]

function subjectOf(random: SeededRandom): string {
  const number = random.below(SUBJECTS)
  const kind = random.below(6)
  if (kind === 0) return `a.b.${number}`
  if (kind === 1) return `a.c.${number % 40}.${number}`
  if (kind === 2) return `b.${number % 3}`
  if (kind === 3) return `a.b.${number}.x`
  if (kind === 4) return `a..${number % 9}`
  return `long.1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.${number % 200}.${number}`
}

class Pair {
  readonly index: StreamIndex
  messages: { seq: number; subject: string }[] = []
  readonly random: SeededRandom
  #segment = 1

  constructor(random: SeededRandom, space: SubjectSpace) {
    this.random = random
    this.index = new StreamIndex(new Boots(), () => {}, space)
  }

  append(count: number): void {
    for (let i = 0; i < count; i++) {
      const seq = this.index.lastSeq + 1 + (this.random.below(50) === 0 ? 3 : 0)
      if (this.random.below(3_000) === 0) this.#segment++
      const subject = subjectOf(this.random)
      const bytes = Buffer.from(subject)
      const record = {
        seq,
        offset: seq * 60,
        length: 60,
        hasHeaders: false,
        wallMs: 0,
        wrongBoot: 0,
      }
      this.index.add(this.#segment, record, bytes, 0, bytes.length)
      this.messages.push({ seq, subject })
    }
  }

  remove(share: number): void {
    this.messages = this.messages.filter(({ seq }) => {
      if (this.random.below(100) >= share) return true
      this.index.kill(seq)
      return false
    })
  }

  async check(what: string): Promise<void> {
    for (const text of FILTERS) {
      const filter = new SubjectFilter(text)
      const all = this.messages.filter(({ subject }) => filter.matchesText(subject))
      const counts = new Map<string, number>()
      for (const { subject } of all) counts.set(subject, (counts.get(subject) ?? 0) + 1)
      const name = `${what} ${text}`
      const got = subjectCounts(this.index, filter, Infinity)
      assert.deepEqual([...got].sort(), [...counts].sort(), name)
      const some = subjectCounts(this.index, filter, 10)
      assert.deepEqual([...some], [...got].slice(0, 10), `${name}: order`)
      const isMatch = this.index.subjects.matching(filter)
      const ids = [...this.index.subjects.ids()].filter(isMatch)
      assert.equal(ids.length, counts.size, name)
      for (let i = 0; i < 4; i++) await this.#checkAt(filter, all, this.#someSeq(), name)
    }
  }

  #someSeq(): number {
    return this.random.below(this.index.lastSeq + 3)
  }

  async #checkAt(
    filter: SubjectFilter,
    all: Pair['messages'],
    at: number,
    name: string,
  ): Promise<void> {
    const before = all.filter(({ seq }) => seq <= at)
    const after = all.filter(({ seq }) => seq >= at)
    assert.equal(lastSeqMatching(this.index, filter, at), before.at(-1)?.seq ?? 0, `${name} ${at}`)
    assert.equal(firstSeqMatching(this.index, filter, at), after[0]?.seq ?? 0, `${name} ${at}`)
    assert.equal(countFrom(this.index, at, filter), after.length, `${name} ${at}`)
    const last = new Map(before.map(({ seq, subject }) => [subject, seq]))
    const expected = [...last.values()].sort((a, b) => a - b)
    const filters = [filter, filter]
    assert.deepEqual(
      await lastSeqsInTurns(this.index, filters, at, last.size, atOnce),
      expected,
      `${name} ${at}`,
    )
    if (last.size > 0) {
      assert.equal(await lastSeqsInTurns(this.index, filters, at, last.size - 1, atOnce), undefined)
    }
  }
}

describe('store, questions about subjects', function () {
  this.timeout(60_000)

  const spaces = {
    'in memory': () => inMemory(seed),
    'on disk, 50 excepted': () => fewSubjects(50, { hashSeed: seed }),
    'all on disk': () => fewSubjects(0, { hashSeed: seed, cacheBytes: 64 * 1024 }),
  }
  for (const [where, space] of Object.entries(spaces)) {
    it(`are answered as by looking at all: ${where} (seed=${seed})`, async () => {
      // Only in memory is there another way for many.
      await answersAll(space(), where === 'in memory' ? 1 : 3)
    })
  }

  async function answersAll(space: SubjectSpace, part: number): Promise<void> {
    const pair = new Pair(new SeededRandom(seed), space)
    await pair.check('empty')
    pair.append(400)
    await pair.check('few')
    pair.append(12_000 / part)
    for (let round = 0; round < 3; round++) {
      await pair.check(`round ${round}`)
      pair.remove(30 + round * 30)
      pair.append(1_500 / part)
    }
    pair.remove(100)
    await pair.check('nothing left')
    pair.append(9_000 / part)
    await pair.check('again')
    pair.index.subjects.release()
    assert.deepEqual([space.budget.subjects, space.budget.bytes], [0, 0])
    if ('used' in space) assert.equal((space as FewSubjects).used.size, 0)
  }

  it('know that all subjects begin alike, until one does not', () => {
    const index = new StreamIndex(new Boots(), () => {})
    const add = (subject: string): void => {
      const bytes = Buffer.from(subject)
      const record = {
        seq: index.lastSeq + 1,
        offset: 0,
        length: 60,
        hasHeaders: false,
        wallMs: 0,
        wrongBoot: 0,
      }
      index.add(1, record, bytes, 0, bytes.length)
      // The chunk of a commit is used again.
      bytes.fill(0)
    }
    const whole = (filter: string): boolean => index.subjects.isWhole(new SubjectFilter(filter))
    assert.equal(whole('a.>'), false)
    add('$KV.b.k1')
    add('$KV.b.k2')
    for (const filter of ['>', '$KV.>', '$KV.b.>']) assert.equal(whole(filter), true, filter)
    for (const filter of ['$KV.b.k.>', '$KV.c.>', '*.b.>', '$KV.b.*', 'b.>']) {
      assert.equal(whole(filter), false, filter)
    }
    add('$KV.c.k')
    assert.equal(whole('$KV.b.>'), false)
    assert.equal(whole('$KV.>'), true)
    add('$KV.')
    assert.equal(whole('$KV.>'), false)
    for (let seq = 1; seq <= 4; seq++) index.kill(seq)
    add('x.y')
    assert.equal(whole('x.>'), true)
    assert.equal(whole('$KV.>'), false)
  })
})
