/**
 * Reads a stream for one consumer, ahead of its delivery: one batch to deliver from and the next on
 * its way, so that consumers wait neither for the disk nor for each other. What has left the stream
 * since is not handed out: after a removal what was read is held against what the stream has.
 *
 * A `last_per_subject` start is a list of sequences that is read first.
 */
import type { Clock } from '../../runtime/index.ts'
import type { StoredMessage, StreamBatch, StreamStore } from '../../store/index.ts'
import type { SubjectFilter } from '../../subject/index.ts'
import { PENDING_RECOUNT_MS, READ_AHEAD_BYTES, READ_AHEAD_MESSAGES } from '../limits.ts'
import { PendingCount } from './pending-count.ts'
import type { Removals, RemovalsSeen } from './removals.ts'

const LISTED_AT_ONCE = 64

export class MessageReader {
  readonly #store: StreamStore
  readonly #clock: Clock
  readonly #unread: PendingCount
  readonly #removals: Removals
  #filters: readonly SubjectFilter[]
  /** Ascending; read before anything else. */
  #listed: readonly number[] = []
  #listedAt = 0
  /** The first sequence that no batch has covered yet. */
  #nextSeq = 1
  #batch: readonly StoredMessage[] = []
  #batchAt = 0
  /** What the batch was held against. */
  #seenCount = 0
  #seenHoles = 0
  #reading: Promise<StreamBatch> | undefined
  /** When the read that is on its way began. */
  #readSince: RemovalsSeen = { count: 0, holes: 0 }
  /** Messages that lie behind the batch; holds while `#isCounted` and nothing is appended. */
  #ahead = 0
  #isCounted = false
  #countedSeq = 0
  /** Some of what is listed may be gone. */
  #isListStale = false
  #listSiftedAtMs = Number.NEGATIVE_INFINITY
  /** Bumped by every seek: a read that began before it is thrown away. */
  #generation = 0

  constructor(
    store: StreamStore,
    clock: Clock,
    filters: readonly SubjectFilter[],
    removals: Removals,
  ) {
    this.#store = store
    this.#clock = clock
    this.#removals = removals
    this.#unread = new PendingCount(store, clock, filters)
    this.#filters = filters
  }

  /** Whether everything that is committed has been looked at and handed out. */
  get isAtEnd(): boolean {
    return (
      this.#batchAt >= this.#batch.length &&
      this.#listedAt >= this.#listed.length &&
      this.#nextSeq > this.#store.state.lastSeq
    )
  }

  /** Messages that it has still to hand out, of those that are committed. */
  get remaining(): number {
    if (this.#removals.count !== this.#seenCount) this.#sift()
    if (this.#isListStale) this.#siftListed()
    const { assignedSeq } = this.#store
    if (!this.#isCounted || assignedSeq !== this.#countedSeq) {
      this.#ahead = this.#listed.length - this.#listedAt + this.#unread.from(this.#nextSeq)
      this.#countedSeq = assignedSeq
      // What is on its way to the disk counts once it is there.
      this.#isCounted = !this.#unread.isStale && this.#store.state.lastSeq === assignedSeq
    }
    return this.#batch.length - this.#batchAt + this.#ahead
  }

  /** `remaining`, and right whatever was removed a moment ago: for who asks, not for each message. */
  get remainingNow(): number {
    this.#unread.recount()
    this.#listSiftedAtMs = Number.NEGATIVE_INFINITY
    return this.remaining
  }

  /** The first sequence that is neither handed out nor in the batch. */
  get nextSeq(): number {
    return this.#nextSeq
  }

  seek(seq: number, filters = this.#filters): void {
    this.#filters = filters
    this.#listed = []
    this.#listedAt = 0
    this.#restart(seq)
  }

  /** Hands out the messages with these sequences, then goes on at `seq`. */
  seekListed(listed: readonly number[], seq: number): void {
    this.#listed = listed
    this.#listedAt = 0
    this.#restart(seq)
  }

  /** The next message, which stays until `shift`; undefined: `fill` first, or it is the end. */
  peek(): StoredMessage | undefined {
    if (this.#removals.count !== this.#seenCount) this.#sift()
    return this.#batch[this.#batchAt]
  }

  shift(): void {
    this.#batchAt++
  }

  /** Something up to `last` is gone: what lies ahead is counted again. */
  removed(last: number): void {
    if (last < this.#nextSeq) return
    this.#unread.invalidate()
    this.#isCounted = false
  }

  /** Brings the next batch. May bring none: when what was read does not match the filters. */
  async fill(): Promise<void> {
    if (this.#listedAt < this.#listed.length) await this.#fillListed()
    else await this.#fillOn()
  }

  async #fillListed(): Promise<void> {
    const generation = this.#generation
    const since = this.#seenNow()
    const seqs = this.#listed.slice(this.#listedAt, this.#listedAt + LISTED_AT_ONCE)
    const listed = this.#listed
    const found = await this.#store.readAt(seqs)
    if (generation !== this.#generation) return
    // The list may have become shorter, by some of these too.
    const last = seqs[seqs.length - 1] as number
    if (listed === this.#listed) this.#listedAt += seqs.length
    else this.#listedAt = indexAbove(this.#listed, last)
    this.#take(found, since)
  }

  async #fillOn(): Promise<void> {
    const generation = this.#generation
    const read = this.#reading ?? this.#read()
    this.#reading = undefined
    const { messages, nextSeq } = await read
    if (generation !== this.#generation) return
    this.#nextSeq = Math.max(nextSeq, this.#nextSeq)
    const isPlain = this.#filters.length < 2
    const matching = isPlain ? messages : messages.filter((message) => this.#matches(message))
    this.#unread.taken(matching.length)
    this.#take(matching, this.#readSince)
    if (this.#nextSeq <= this.#store.state.lastSeq) {
      this.#reading = this.#read()
      // Whoever awaits it gets the error; until then nobody is told of it.
      this.#reading.catch(() => {})
    }
  }

  #seenNow(): RemovalsSeen {
    const { count, holes } = this.#removals
    return { count, holes }
  }

  /** Leaves of the batch what is in the stream still. */
  #sift(): void {
    const { count, holes } = this.#removals
    const hasHoles = holes !== this.#seenHoles
    this.#seenCount = count
    this.#seenHoles = holes
    const { firstSeq } = this.#store.state
    const batch = this.#batch
    while ((batch[this.#batchAt]?.seq ?? firstSeq) < firstSeq) this.#batchAt++
    if (this.#listedAt < this.#listed.length) this.#isListStale = true
    if (!hasHoles || this.#batchAt >= batch.length) return
    this.#batch = batch.slice(this.#batchAt).filter(({ seq }) => this.#store.has(seq))
    this.#batchAt = 0
  }

  /** The same of the list, which is long: it counts too much in the meantime, and is read right. */
  #siftListed(): void {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#listSiftedAtMs < PENDING_RECOUNT_MS) return
    this.#listSiftedAtMs = nowMs
    this.#isListStale = false
    this.#isCounted = false
    this.#listed = this.#listed.slice(this.#listedAt).filter((seq) => this.#store.has(seq))
    this.#listedAt = 0
  }

  /** @param since what had been removed when their read began */
  #take(messages: readonly StoredMessage[], since: RemovalsSeen): void {
    this.#isCounted = false
    this.#batch = messages
    this.#batchAt = 0
    this.#seenCount = since.count
    this.#seenHoles = since.holes
  }

  #restart(seq: number): void {
    this.#generation++
    this.#reading = undefined
    this.#nextSeq = seq
    this.#unread.reset(this.#filters)
    this.#isListStale = false
    this.#take([], this.#removals)
  }

  #read(): Promise<StreamBatch> {
    this.#readSince = this.#seenNow()
    const [filter] = this.#filters
    return this.#store.read({
      fromSeq: this.#nextSeq,
      messagesMax: READ_AHEAD_MESSAGES,
      bytesMax: READ_AHEAD_BYTES,
      ...(filter !== undefined && this.#filters.length === 1 ? { filter } : {}),
    })
  }

  #matches(message: StoredMessage): boolean {
    return this.#filters.some((filter) => filter.matches(message.subjectBytes))
  }
}

/** Index of the first that is greater. */
function indexAbove(rising: readonly number[], seq: number): number {
  let low = 0
  let high = rising.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((rising[middle] as number) <= seq) low = middle + 1
    else high = middle
  }
  return low
}
