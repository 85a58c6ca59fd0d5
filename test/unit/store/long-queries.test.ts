/** Questions about very many subjects are answered in steps, and right while the stream changes in between. */
import assert from 'node:assert/strict'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { Boots } from '../../../shared/store/boots.ts'
import {
  PLAN_RECORDS_MAX,
  PURGE_STEP_MESSAGES,
  SUBJECT_STEP_IDS,
} from '../../../shared/store/limits.ts'
import { countsInTurns, lastSeqsInTurns } from '../../../shared/store/long-queries.ts'
import { StreamIndex } from '../../../shared/store/stream-index.ts'
import { inMemory, type SubjectSpace } from '../../../shared/store/stream-subjects.ts'
import { SubjectFilter } from '../../../shared/subject/index.ts'
import { fewSubjects } from '../../support/few-subjects.ts'
import { bytes, noLimits, StoreFolder } from '../../support/opened-store.ts'
import { committedBarrier } from '../../support/store-commands.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const SUBJECTS = SUBJECT_STEP_IDS * 5
const SPACES: Readonly<Record<string, () => SubjectSpace>> = {
  'in memory': () => inMemory(seed),
  'on disk, 1,000 excepted': () => fewSubjects(1_000, { hashSeed: seed }),
  'all on disk': () => fewSubjects(0, { hashSeed: seed, cacheBytes: 256 * 1024 }),
}

/** A stream, and what is in it. */
class World {
  readonly index: StreamIndex
  readonly live = new Map<number, string>()
  turns = 0
  /** Subjects that were not there all the time while somebody asked, or changed. */
  readonly touched = new Set<string>()
  readonly #random = new SeededRandom(seed)

  constructor(space: SubjectSpace) {
    this.index = new StreamIndex(new Boots(), () => {}, space)
    for (let i = 0; i < SUBJECTS; i++) this.append(`s.${i % 7}.${i}`)
    for (let i = 0; i < SUBJECTS; i += 3) this.append(`s.${i % 7}.${i}`)
  }

  append(subject: string): void {
    const seq = this.index.lastSeq + 1
    const text = Buffer.from(subject)
    const record = { seq, offset: seq * 60, length: 60, hasHeaders: false, wallMs: 0, wrongBoot: 0 }
    this.index.add(1, record, text, 0, text.length)
    this.live.set(seq, subject)
    this.touched.add(subject)
  }

  remove(seq: number): void {
    const subject = this.live.get(seq)
    if (subject === undefined) return
    this.index.kill(seq)
    this.live.delete(seq)
    this.touched.add(subject)
  }

  /** Others have the loop: messages come and go, on subjects that are there and on new ones. */
  readonly turn = async (): Promise<void> => {
    this.turns++
    const random = this.#random
    for (let i = 0; i < 200; i++) this.remove(1 + random.below(this.index.lastSeq))
    for (let i = 0; i < 200; i++) {
      const number = random.below(SUBJECTS * 2)
      this.append(random.below(2) === 0 ? `s.${number % 7}.${number}` : `other.${number}`)
    }
  }

  counts(filter: SubjectFilter): Map<string, number> {
    const counts = new Map<string, number>()
    for (const subject of this.live.values()) {
      if (filter.matchesText(subject)) counts.set(subject, (counts.get(subject) ?? 0) + 1)
    }
    return counts
  }

  last(filter: SubjectFilter, throughSeq: number): Map<string, number> {
    const last = new Map<string, number>()
    for (const [seq, subject] of this.live) {
      if (seq <= throughSeq && filter.matchesText(subject)) last.set(subject, seq)
    }
    return last
  }
}

describe(`store, long questions about subjects: SEED=${seed}`, function () {
  this.timeout(60_000)

  for (const [where, space] of Object.entries(SPACES)) {
    for (const text of ['>', 's.*.*', 's.3.*', '*.*.17']) {
      const filter = new SubjectFilter(text)

      it(`count those of ${text} ${where} while others come and go`, async () => {
        const world = new World(space())
        const before = world.counts(filter)
        world.touched.clear()
        const found = await countsInTurns(world.index, filter, world.turn)
        const after = world.counts(filter)
        for (const [subject, count] of before) {
          if (!world.touched.has(subject)) assert.equal(found.get(subject), count, subject)
        }
        for (const subject of found.keys()) {
          assert.ok(before.has(subject) || world.touched.has(subject), subject)
          assert.ok(filter.matchesText(subject), subject)
        }
        for (const subject of after.keys()) {
          assert.ok(found.has(subject) || world.touched.has(subject), subject)
        }
        if (text === '>') assert.ok(world.turns >= SUBJECTS / SUBJECT_STEP_IDS - 1)
        world.index.subjects.release()
      })

      it(`tell the newest of ${text} ${where} up to where it was`, async () => {
        const world = new World(space())
        const throughSeq = SUBJECTS + 10
        const before = world.last(filter, throughSeq)
        world.touched.clear()
        const options = [throughSeq, Infinity, world.turn] as const
        const found = await lastSeqsInTurns(world.index, [filter], ...options)
        assert.ok(found)
        assert.deepEqual(
          found,
          [...new Set(found)].sort((a, b) => a - b),
        )
        const seqs = new Set(found)
        for (const [subject, seq] of before) {
          if (!world.touched.has(subject)) assert.ok(seqs.has(seq), `${subject} ${seq}`)
        }
        const newest = world.last(filter, throughSeq)
        for (const seq of found) {
          assert.ok(seq <= throughSeq)
          const subject = world.live.get(seq)
          if (subject !== undefined) assert.equal(seq, newest.get(subject), subject)
        }
        world.index.subjects.release()
      })
    }

    it(`end when the stream does, ${where}`, async () => {
      const world = new World(space())
      const gone = async (): Promise<void> => world.index.subjects.release()
      const found = await countsInTurns(world.index, new SubjectFilter('>'), gone)
      assert.ok(found.size < SUBJECTS)
    })
  }

  it('say that there are too many before they have gone through all', async () => {
    const world = new World(inMemory(seed))
    const filters = [new SubjectFilter('>')]
    const { index, turn } = world
    assert.equal(await lastSeqsInTurns(index, filters, index.lastSeq, 10, turn), undefined)
    assert.equal(world.turns, 0)
  })
})

describe('store, a purge of very many', function () {
  this.timeout(60_000)
  const folder = new StoreFolder()
  after(() => folder.remove())

  it('lets others go on, keeps what comes meanwhile, and leaves the newest that it is to keep', async () => {
    const store = await folder.open({ subjectsMax: 1_000 })
    const stream = store.createStream('s', bytes(''), noLimits)
    const append = (subject: string): number => stream.append(bytes(subject), bytes(''), bytes(''))
    const count = PLAN_RECORDS_MAX + PURGE_STEP_MESSAGES
    for (let i = 0; i < count; i++) append(i % 4 === 0 ? `keep.${i}` : `gone.${i % 5_000}`)
    await committedBarrier(store)
    let commits = 0
    let meanwhile = 0
    stream.onCommit(() => {
      commits++
      if (meanwhile < 3) append(`gone.new.${++meanwhile}`)
    })
    // One of them is deleted before its turn comes.
    const gone = stream.purge({ filter: new SubjectFilter('gone.>'), keep: 10 })
    stream.remove(count - 100)
    const matching = (count * 3) / 4
    assert.ok([matching - 10, matching - 11].includes(await gone))
    await committedBarrier(store)
    assert.ok(commits >= Math.floor(matching / PURGE_STEP_MESSAGES), `${commits} commits`)
    const left = stream.subjects(new SubjectFilter('gone.>'), 100)
    assert.equal(
      [...left.values()].reduce((sum, one) => sum + one, 0),
      10 + meanwhile,
    )
    assert.equal(stream.countFrom(1, new SubjectFilter('keep.>')), count / 4)
  })
})
