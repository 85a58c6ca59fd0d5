/**
 * Streams on more subjects than memory holds, against arrays: publishes, roll-ups, deletes, purges by filter, limits
 * per subject, removals of whole streams, restarts and crashes. What is asked are the questions of the API above.
 */
import assert from 'node:assert/strict'
import { silentLog } from '../../shared/log/index.ts'
import { codeOf, SeededRandom } from '../../shared/runtime/index.ts'
import { openStore, type Store, type StreamStore } from '../../shared/store/index.ts'
import { SubjectFilter } from '../../shared/subject/index.ts'
import { SimDisk } from '../sim/index.ts'
import { bytes, noLimits } from '../support/opened-store.ts'
import { StoreClock, settle } from '../support/store-clock.ts'
import { committedBarrier } from '../support/store-commands.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const RUNS = Number(process.env['RUNS'] ?? 15)
const SUBJECTS_IN_MEMORY = 50
const SUBJECTS = 600
const FILTERS = ['>', 'kv.>', 'kv.*', 'kv.7', 'plant.*.temp', 'plant.3.>', '*.1', 'x.>', 'plant.>']
/** `kv` keeps the newest two of a subject, `once` refuses a second one, `log` keeps all. */
const LIMITS = {
  kv: { ...noLimits, messagesPerSubjectMax: 2 },
  once: {
    ...noLimits,
    messagesPerSubjectMax: 1,
    discard: 'new' as const,
    discardNewPerSubject: true,
  },
  log: noLimits,
}
type Name = keyof typeof LIMITS
const NAMES = Object.keys(LIMITS) as Name[]

interface Kept {
  readonly seq: number
  readonly subject: string
}

class Run {
  readonly random: SeededRandom
  readonly clock = new StoreClock()
  readonly kept: Record<Name, Kept[]> = { kv: [], once: [], log: [] }
  /** What was appended to a stream since its last commit. */
  staged: Kept[] = []
  disk: SimDisk
  store!: Store

  constructor(runSeed: number) {
    this.random = new SeededRandom(runSeed)
    this.disk = new SimDisk({ random: this.random.fork() })
  }

  async open(): Promise<void> {
    this.store = await openStore({
      directory: '/data',
      clock: this.clock,
      random: this.random.fork(),
      disk: this.disk,
      log: silentLog,
      segmentBytes: 16_000,
      subjectsMax: SUBJECTS_IN_MEMORY,
      subjectCacheBytes: this.random.below(4) * 8_192,
    })
    for (const name of NAMES) if (!this.store.streams.has(name)) this.#create(name)
    await committedBarrier(this.store)
  }

  async step(): Promise<void> {
    const roll = this.random.below(100)
    const name = NAMES[this.random.below(NAMES.length)]!
    if (roll < 60) for (let i = this.random.below(60); i > 0; i--) this.append(name)
    else if (roll < 70) this.rollUp(name)
    else if (roll < 80) this.remove(name)
    else if (roll < 86) await this.purge(name)
    else if (roll < 88) this.recreate(name)
    else if (roll < 94) this.clock.advance(1_500)
    else await this.restart(roll)
    await committedBarrier(this.store)
    this.staged = []
    await settle(2)
  }

  append(name: Name): void {
    const stream = this.stream(name)
    const subject = this.#subject()
    const kept = this.kept[name]
    const others = kept.filter((one) => one.subject === subject)
    try {
      const seq = stream.append(bytes(subject), bytes(''), bytes(`of ${subject}`))
      assert.ok(name !== 'once' || others.length === 0, `${subject} has its message already`)
      kept.push({ seq, subject })
      this.staged.push({ seq, subject })
    } catch (error) {
      if (name !== 'once' || codeOf(error) !== 'PETIOLE_STREAM_FULL') throw error
      assert.equal(others.length, 1, `${subject} has none yet`)
    }
    const oldest = others[0]
    if (name === 'kv' && others.length === 2) kept.splice(kept.indexOf(oldest!), 1)
  }

  /** One that comes with the same commit as what it takes, and as what comes after it. */
  rollUp(name: Name): void {
    for (let i = this.random.below(60); i > 0; i--) this.append(name)
    const stream = this.stream(name)
    const subject = this.#subject()
    const isOfAll = this.random.below(2) === 0
    const staged = this.staged.filter((one) => one.subject === subject).map(({ seq }) => seq)
    this.store.transaction(() => {
      const at = [bytes(subject), bytes(''), bytes(`of ${subject}`)] as const
      const seq = stream.append(...at, undefined, undefined, false, true)
      stream.rollUp(seq, isOfAll ? undefined : bytes(subject), staged)
      const left = this.kept[name].filter((one) => !isOfAll && one.subject !== subject)
      this.kept[name] = [...left, { seq, subject }]
      this.staged.push({ seq, subject })
    })
    // Who refuses does so by what is stored, and the roll-up is not yet.
    if (name !== 'once') for (let i = this.random.below(20); i > 0; i--) this.append(name)
  }

  remove(name: Name): void {
    const kept = this.kept[name]
    for (let i = this.random.below(30); i > 0 && kept.length > 0; i--) {
      const [one] = kept.splice(this.random.below(kept.length), 1)
      const stream = this.stream(name)
      const isLazy = this.random.below(2) === 0
      assert.ok(isLazy ? stream.removeLazily(one!.seq) : stream.remove(one!.seq))
    }
  }

  async purge(name: Name): Promise<void> {
    const filter = new SubjectFilter(FILTERS[this.random.below(FILTERS.length)]!)
    const throughSeq = this.random.below(this.stream(name).state.lastSeq + 1)
    const isGone = (one: Kept): boolean => one.seq <= throughSeq && filter.matchesText(one.subject)
    const gone = this.kept[name].filter(isGone)
    assert.equal(await this.stream(name).purge({ filter, throughSeq }), gone.length)
    this.kept[name] = this.kept[name].filter((one) => !isGone(one))
  }

  recreate(name: Name): void {
    this.store.removeStream(name)
    this.kept[name] = []
    this.#create(name)
  }

  async restart(roll: number): Promise<void> {
    // Lazy removals are on disk with the next barrier.
    await committedBarrier(this.store)
    if (roll < 96) await this.store.drain()
    else if (roll < 98) this.disk = this.disk.kill()
    else this.disk = this.disk.powerCut(this.random.fork())
    await this.open()
  }

  async check(what: string): Promise<void> {
    for (const name of NAMES) {
      const stream = this.stream(name)
      const kept = this.kept[name]
      const newest = new Map(kept.map(({ seq, subject }) => [subject, seq]))
      assert.equal(stream.state.messages, kept.length, `${what} ${name}`)
      assert.equal(stream.state.subjects, newest.size, `${what} ${name}`)
      for (let i = 0; i < 20; i++) {
        const subject = this.#subject()
        assert.equal(stream.lastSeqOf(subject), newest.get(subject) ?? 0, `${what} ${subject}`)
      }
      for (const { seq, subject } of kept.slice(0, 20)) assert.equal(stream.subjectOf(seq), subject)
      // What is known of a few filters is kept, as long as there are not many.
      const filters = this.random.below(2) === 0 ? FILTERS.slice(4, 7) : FILTERS
      for (const text of filters)
        await this.#checkFilter(stream, text, kept, `${what} ${name} ${text}`)
    }
  }

  async #checkFilter(
    stream: StreamStore,
    text: string,
    kept: readonly Kept[],
    what: string,
  ): Promise<void> {
    const filter = new SubjectFilter(text)
    const all = kept.filter(({ subject }) => filter.matchesText(subject))
    const at = this.random.below(stream.state.lastSeq + 2)
    const before = all.filter(({ seq }) => seq <= at)
    const after = all.filter(({ seq }) => seq >= at)
    const counts = new Map<string, number>()
    for (const { subject } of all) counts.set(subject, (counts.get(subject) ?? 0) + 1)
    const last = new Map(before.map(({ seq, subject }) => [subject, seq]))
    assert.deepEqual([...stream.subjects(filter, 1e6)].sort(), [...counts].sort(), what)
    assert.equal(stream.countFrom(at, filter), after.length, what)
    assert.equal(stream.countFrom(0, filter), all.length, what)
    assert.equal(stream.firstSeqMatching(filter, at), after[0]?.seq ?? 0, what)
    assert.equal(stream.lastSeqMatching(filter, at), before.at(-1)?.seq ?? 0, what)
    assert.deepEqual(
      await stream.lastSeqsInTurns([filter], { throughSeq: at, max: 1e6 }),
      [...last.values()].sort((a, b) => a - b),
      what,
    )
  }

  async checkRead(what: string): Promise<void> {
    for (const name of NAMES) {
      const filter = new SubjectFilter('plant.>')
      const seqs: number[] = []
      for (let fromSeq = 1; fromSeq <= this.stream(name).state.lastSeq; ) {
        const options = { fromSeq, messagesMax: 200, bytesMax: 1 << 20, filter }
        const batch = await this.stream(name).read(options)
        for (const { seq, subject, payload } of batch.messages) {
          assert.equal(Buffer.from(payload).toString(), `of ${subject}`)
          seqs.push(seq)
        }
        fromSeq = batch.nextSeq
      }
      const expected = this.kept[name].filter(({ subject }) => filter.matchesText(subject))
      assert.deepEqual(
        seqs,
        expected.map(({ seq }) => seq),
        `${what} ${name}`,
      )
    }
  }

  stream(name: Name): StreamStore {
    return this.store.streams.get(name)!
  }

  #create(name: Name): void {
    this.store.createStream(name, bytes(name), LIMITS[name])
  }

  #subject(): string {
    const number = this.random.below(SUBJECTS)
    if (number < 20) return `plant.${number}.${'long'.repeat(number * 60)}`
    return number % 2 === 0 ? `kv.${number}` : `plant.${number % 50}.temp.${number}`
  }
}

describe('store on more subjects than memory holds', function () {
  this.timeout(120_000)

  it(`answers as arrays do (seed=${seed})`, async () => {
    for (let runSeed = seed; runSeed < seed + RUNS; runSeed++) {
      const run = new Run(runSeed)
      const what = `SEED=${runSeed}`
      await run.open()
      for (let i = 0; i < 80; i++) {
        await run.step()
        if (i % 10 === 9) await run.check(`${what} step ${i}`)
      }
      await run.checkRead(what)
      await run.restart(90)
      await run.check(`${what} at the end`)
      await run.store.drain()
    }
  })
})
