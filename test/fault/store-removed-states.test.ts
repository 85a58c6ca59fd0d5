/**
 * Keys are put, put again and removed, segments between them are rewritten and unlinked in any order, indexes get lost, and
 * the process ends at any point. A key that was removed must not come back, one that was not must not go, and
 * nothing is remembered of removals in the end.
 */
import assert from 'node:assert/strict'
import { silentLog } from '../../shared/log/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { openStore, type Store, type StreamStore } from '../../shared/store/index.ts'
import type { JournalStream } from '../../shared/store/journal-stream.ts'
import { Chunk, RecordFlag, RecordType } from '../../shared/store/record.ts'
import { Segment } from '../../shared/store/segment.ts'
import { decodeSegmentHeader } from '../../shared/store/segment-header.ts'
import { scanSegment } from '../../shared/store/segment-scan.ts'
import type { JournalTable } from '../../shared/store/state-table.ts'
import { SimDisk } from '../sim/index.ts'
import { assertWhole } from '../support/checked-store.ts'
import { bytes, noLimits } from '../support/opened-store.ts'
import { StoreClock, settle } from '../support/store-clock.ts'
import { committedBarrier } from '../support/store-commands.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const RUNS = Number(process.env['RUNS'] ?? 40)

const ROUNDS = 8
const STREAMS = ['a', 'b', 'lazy']
const LAZY_SYNC_MS = 400
/** Some are used again and again, most once. */
const KEYS_USED_AGAIN = 6

/** What a key was given in turn, undefined for removed; the first `synced` of it are on disk. */
interface History {
  values: (string | undefined)[]
  synced: number
}

class Run {
  readonly random: SeededRandom
  disk: SimDisk
  clock = new StoreClock()
  store!: Store
  readonly #segmentBytes: number
  readonly #histories = new Map<string, History>()
  #serial = 0

  constructor(runSeed: number) {
    this.random = new SeededRandom(runSeed)
    this.disk = new SimDisk({ random: this.random.fork() })
    this.#segmentBytes = 600 + this.random.below(1_500)
  }

  async open(): Promise<void> {
    this.store = await openStore({
      directory: '/data',
      clock: this.clock,
      random: this.random.fork(),
      disk: this.disk,
      log: silentLog,
      segmentBytes: this.#segmentBytes,
      earlyCommitBytes: 1 + this.random.below(1_000),
    })
  }

  async begin(): Promise<void> {
    await this.open()
    for (const name of STREAMS) {
      const sync = name === 'lazy' ? { everyMs: LAZY_SYNC_MS } : ('always' as const)
      this.store.createStream(name, bytes(name), noLimits, undefined, { sync })
    }
    await committedBarrier(this.store)
  }

  async work(): Promise<void> {
    for (let i = 10 + this.random.below(90); i > 0; i--) {
      const roll = this.random.below(100)
      if (roll < 30) this.#change(`new ${this.#serial++}`, true)
      else if (roll < 50) this.#change(this.#someKey(), false)
      else if (roll < 60) this.#change(`again ${this.random.below(KEYS_USED_AGAIN)}`, true)
      else if (roll < 76) this.#append()
      else if (roll < 88) await this.#takeMessages()
      else if (roll < 93) await committedBarrier(this.store)
      else if (roll < 95) await this.tidy(1 + this.random.below(3))
      else if (roll < 97) this.clock.advance(1_200)
      else await settle(this.random.below(12))
      if (this.random.below(4) === 0) await settle(1)
    }
    if (this.random.below(2) === 0) {
      await committedBarrier(this.store)
      await settle(120)
      this.checkFiles(await this.files(), 'while it runs')
    }
    await settle(this.random.below(20))
  }

  async tidy(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      this.clock.advance(1_200)
      await settle(40)
    }
  }

  /** The process ends, and so may indexes: a segment says the same without, also one that is older than what it says of it. */
  async crash(): Promise<void> {
    const roll = this.random.below(5)
    if (roll === 0) await this.store.drain()
    else if (roll === 1) this.disk = this.disk.kill()
    else this.disk = this.disk.powerCut(this.random.fork())
    if (this.random.below(2) === 0) {
      const names = await this.disk.list('/data/journal')
      for (const name of names.filter((one) => one.endsWith('.idx'))) {
        if (this.random.below(2) === 0) await this.disk.remove(`/data/journal/${name}`)
      }
    }
    await assertWhole(this.disk, new StoreClock(), '/data', 'before a start')
    this.clock = new StoreClock()
    await this.open()
  }

  check(what: string): void {
    for (const [name, history] of this.#histories) {
      const [table, key] = name.split('/') as [string, string]
      const found = this.#table(table).get(key)
      const value = found === undefined ? undefined : Buffer.from(found).toString()
      const isKnown = history.synced > 0
      const possible = isKnown
        ? history.values.slice(history.synced - 1)
        : [undefined, ...history.values]
      assert.ok(possible.includes(value), `${what}: ${name} is ${value}, not of ${possible}`)
      history.values = [value]
      history.synced = 1
    }
    assert.equal(this.store.stats.damagedRecords, 0, what)
  }

  /** When all messages and keys are gone, so are older records of any key, and what is in memory of removals. */
  async end(): Promise<void> {
    for (const [name, history] of this.#histories) {
      const [table, key] = name.split('/') as [string, string]
      if (this.#table(table).get(key) === undefined) continue
      this.#table(table).remove(key)
      history.values = [undefined]
    }
    for (let i = 0; i < 4; i++) {
      // The last segment goes with the others when another one was begun.
      for (let left = 3; left > 0; left--) {
        this.#stream('a').append(bytes('s'), bytes(''), bytes('m'.repeat(2_100)))
        await committedBarrier(this.store)
      }
      for (const name of STREAMS) {
        const stream = this.#stream(name)
        await stream.purge({ throughSeq: stream.state.lastSeq, keep: 0 })
      }
      await this.tidy(4)
    }
    await this.checkRemembered()
  }

  /**
   * Whatever segment were the only one left, with its index lost: what it would bring back, memory must know to have
   * an older record there.
   */
  checkFiles(segments: ReadonlyMap<number, Uint8Array>, what: string): void {
    const streams = [...this.store.streams.values()] as JournalStream[]
    const tables = new Map([[0, this.store.marks as JournalTable]])
    for (const { id, states } of streams) tables.set(id, states)
    for (const [id, content] of segments) {
      const header = decodeSegmentHeader(content, `${id}`)
      if (header === undefined) continue
      const chunk = new Chunk(content)
      const puts = new Map<string, { streamId: number; key: string; offset: number }>()
      scanSegment(chunk, new Segment(header, content.length, undefined), true, (record, offset) => {
        if (record.type !== RecordType.state) return
        const key = Buffer.from(record.subject).toString()
        const name = `${record.streamId}/${key}`
        if ((record.flags & RecordFlag.removed) !== 0) puts.delete(name)
        else puts.set(name, { streamId: record.streamId, key, offset })
      })
      for (const { streamId, key, offset } of puts.values()) {
        const entry = tables.get(streamId)?.committed.get(key)
        const isNewest = entry?.segmentId === id && entry.offset === offset
        const isKnown = entry !== undefined && entry.since <= id && id < entry.until
        const told = JSON.stringify({ ...entry, value: entry?.value?.length })
        assert.ok(isNewest || isKnown, `${what}: ${key} lies in ${id} at ${offset}: ${told}`)
      }
    }
  }

  /** The segments as they lie there, when nothing is under way. */
  async files(): Promise<ReadonlyMap<number, Uint8Array>> {
    const names = (await this.disk.list('/data/journal')).filter((name) => name.endsWith('.log'))
    const path = (name: string): string => `/data/journal/${name}`
    return new Map(names.map((name) => [Number.parseInt(name, 10), this.disk.bytesOf(path(name))]))
  }

  /** What is remembered of removals must be. */
  async checkRemembered(): Promise<void> {
    const ids = [...(await this.files()).keys()]
    for (const name of ['marks', ...STREAMS]) {
      for (const [key, { value, since, until }] of (this.#table(name) as JournalTable).committed) {
        if (value !== undefined) continue
        const isOlder = ids.some((id) => id >= since && id < until)
        assert.ok(isOlder, `${name}/${key} is remembered for ${since} to ${until}, of ${ids}`)
      }
    }
  }

  #change(key: string, isPut: boolean): void {
    const table = this.random.below(3) === 0 ? 'marks' : this.#pick(STREAMS)
    const known = [...this.#histories.keys()].find((name) => name.endsWith(`/${key}`))
    const name = known ?? `${table}/${key}`
    const history = this.#histories.get(name) ?? { values: [], synced: 0 }
    this.#histories.set(name, history)
    const value = isPut ? `${this.#serial++}`.padEnd(this.random.below(80), '.') : undefined
    history.values.push(value)
    const count = history.values.length
    const isLazy = name.startsWith('lazy/')
    const committed = (error: Error | undefined): void => {
      if (error === undefined && !isLazy) history.synced = Math.max(history.synced, count)
    }
    const at = this.#table(name.split('/')[0]!)
    if (value === undefined) at.remove(key, committed)
    else at.set(key, bytes(value), committed)
  }

  #someKey(): string {
    const names = [...this.#histories.keys()]
    return names.length === 0 ? 'nobody' : this.#pick(names).split('/')[1]!
  }

  #append(): void {
    const stream = this.#stream(this.#pick(STREAMS))
    stream.append(bytes('s'), bytes(''), bytes('m'.repeat(this.random.below(300))))
  }

  /** One, or the oldest of a stream, and with them what segments are kept for. */
  async #takeMessages(): Promise<void> {
    const stream = this.#stream(this.#pick(STREAMS))
    const { firstSeq, lastSeq } = stream.state
    const seq = firstSeq + this.random.below(Math.max(1, lastSeq - firstSeq + 1))
    const roll = this.random.below(6)
    if (roll === 0) await stream.purge({ throughSeq: seq, keep: 0 })
    else if (roll < 3) stream.removeLazily(seq)
    else stream.remove(seq)
  }

  #stream(name: string): StreamStore {
    const stream = this.store.streams.get(name)
    assert.ok(stream)
    return stream
  }

  #table(name: string): StreamStore['states'] {
    return name === 'marks' ? this.store.marks : this.#stream(name).states
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.random.below(items.length)]!
  }
}

describe('store, removed states', function () {
  this.timeout(180_000)

  it(`do not come back, and are forgotten (seed=${seed})`, async () => {
    for (let runSeed = seed; runSeed < seed + RUNS; runSeed++) {
      const run = new Run(runSeed)
      try {
        await run.begin()
        for (let round = 0; round < ROUNDS; round++) {
          await run.work()
          await run.crash()
          run.check(`round ${round}`)
          await run.checkRemembered()
          run.checkFiles(await run.files(), `round ${round}`)
        }
        await run.end()
        await run.crash()
        run.check('end')
        await run.store.destroy()
      } catch (error) {
        throw new Error(`SEED=${runSeed} failed`, { cause: error })
      }
    }
  })
})
