/**
 * Reads a stream for one consumer, ahead of its delivery: one batch to deliver from and the next on
 * its way, so that consumers wait neither for the disk nor for each other. What is removed from the
 * stream meanwhile is dropped from the batches too.
 *
 * A `last_per_subject` start is a list of sequences that is read first.
 */
import type { Clock } from '../../runtime/index.ts'
import type { StoredMessage, StreamBatch, StreamStore } from '../../store/index.ts'
import type { SubjectFilter } from '../../subject/index.ts'
import { READ_AHEAD_BYTES, READ_AHEAD_MESSAGES } from '../limits.ts'
import { PendingCount } from './pending-count.ts'

const LISTED_AT_ONCE = 64
/** More removals than this during one read, and the read is begun again. */
const REMOVALS_MAX = 1024

interface Removal {
  readonly first: number
  readonly last: number
  readonly filter: SubjectFilter | undefined
}

export class MessageReader {
  readonly #store: StreamStore
  readonly #unread: PendingCount
  #filters: readonly SubjectFilter[]
  /** Ascending; read before anything else. */
  #listed: readonly number[] = []
  #listedAt = 0
  /** The first sequence that no batch has covered yet. */
  #nextSeq = 1
  #batch: readonly StoredMessage[] = []
  #batchAt = 0
  #reading: Promise<StreamBatch> | undefined
  /** Messages that lie behind the batch; holds while `#isCounted` and nothing is appended. */
  #ahead = 0
  #isCounted = false
  #countedSeq = 0
  #isFilling = false
  /** What left the stream since the reads that are on their way began. */
  #goneMeanwhile: Removal[] = []
  /** Bumped by every seek: a read that began before it is thrown away. */
  #generation = 0

  constructor(store: StreamStore, clock: Clock, filters: readonly SubjectFilter[]) {
    this.#store = store
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
    const { assignedSeq } = this.#store
    if (!this.#isCounted || assignedSeq !== this.#countedSeq) {
      this.#ahead = this.#listed.length - this.#listedAt + this.#unread.from(this.#nextSeq)
      this.#countedSeq = assignedSeq
      // What is on its way to the disk counts once it is there.
      this.#isCounted = !this.#unread.isStale && this.#store.state.lastSeq === assignedSeq
    }
    return this.#batch.length - this.#batchAt + this.#ahead
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
    return this.#batch[this.#batchAt]
  }

  shift(): void {
    this.#batchAt++
  }

  /**
   * Sequences [first, last] are gone, or those of them that match. Reads that are on their way are
   * sifted when they arrive: throwing them away would let a busy writer starve a reader.
   */
  drop(first: number, last: number, filter?: SubjectFilter): void {
    const gone = { first, last, filter }
    const rest = this.#batch.slice(this.#batchAt)
    const kept = rest.filter((message) => !isWithin(message, gone))
    if (kept.length !== rest.length) this.#take(kept)
    if (last >= this.#nextSeq) this.recount()
    if (this.#reading === undefined && !this.#isFilling) return
    if (this.#goneMeanwhile.length < REMOVALS_MAX) this.#goneMeanwhile.push(gone)
    else this.#restart(this.#nextSeq, this.#batch.slice(this.#batchAt))
  }

  /** Reads again what was read ahead and not handed out: part of it is gone, and not known which. */
  reload(): void {
    const head = this.peek()
    const wasListed = head !== undefined && this.#listedAt > 0
    const listed = wasListed ? this.#listed.lastIndexOf(head.seq, this.#listedAt - 1) : -1
    if (listed >= 0) this.#listedAt = listed
    this.#restart(head === undefined || listed >= 0 ? this.#nextSeq : head.seq)
  }

  /** Some of what lies ahead may be gone; what was read is handed out still. */
  recount(): void {
    this.#unread.invalidate()
    this.#isCounted = false
  }

  /** Brings the next batch. May bring none: when what was read does not match the filters. */
  async fill(): Promise<void> {
    this.#isFilling = true
    try {
      if (this.#listedAt < this.#listed.length) await this.#fillListed()
      else await this.#fillOn()
    } finally {
      this.#isFilling = false
    }
  }

  async #fillListed(): Promise<void> {
    const generation = this.#generation
    const seqs = this.#listed.slice(this.#listedAt, this.#listedAt + LISTED_AT_ONCE)
    const found = await this.#store.readAt(seqs)
    if (generation !== this.#generation) return
    this.#listedAt += seqs.length
    this.#take(this.#sifted(found))
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
    this.#take(this.#sifted(matching))
    if (this.#nextSeq <= this.#store.state.lastSeq) {
      this.#reading = this.#read()
      // Whoever awaits it gets the error; until then nobody is told of it.
      this.#reading.catch(() => {})
    }
  }

  #sifted(messages: readonly StoredMessage[]): readonly StoredMessage[] {
    const gone = this.#goneMeanwhile
    if (gone.length === 0) return messages
    this.#goneMeanwhile = []
    return messages.filter((message) => !gone.some((removal) => isWithin(message, removal)))
  }

  #take(messages: readonly StoredMessage[]): void {
    this.#isCounted = false
    this.#batch = messages
    this.#batchAt = 0
  }

  #restart(seq: number, batch: readonly StoredMessage[] = []): void {
    this.#generation++
    this.#reading = undefined
    this.#goneMeanwhile = []
    this.#nextSeq = seq
    this.#unread.reset(this.#filters)
    this.#take(batch)
  }

  #read(): Promise<StreamBatch> {
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

function isWithin({ seq, subjectBytes }: StoredMessage, { first, last, filter }: Removal): boolean {
  return seq >= first && seq <= last && (filter === undefined || filter.matches(subjectBytes))
}
