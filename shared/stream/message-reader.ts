/**
 * Reads a stream for one consumer, ahead of its delivery: one batch to deliver from and the next on
 * its way, so that consumers wait neither for the disk nor for each other. What is removed from the
 * stream meanwhile is dropped from the batches too.
 *
 * A `last_per_subject` start is a list of sequences that is read first.
 */
import type { Clock } from '../runtime/index.ts'
import type { StoredMessage, StreamBatch, StreamStore } from '../store/index.ts'
import type { SubjectFilter } from '../subject/index.ts'
import { READ_AHEAD_BYTES, READ_AHEAD_MESSAGES } from './limits.ts'
import { PendingCount } from './pending-count.ts'

const LISTED_AT_ONCE = 64

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
  #ahead: Promise<StreamBatch> | undefined
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
    const inHand = this.#batch.length - this.#batchAt + this.#listed.length - this.#listedAt
    return inHand + this.#unread.from(this.#nextSeq)
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

  /** Sequences [first, last] are gone, or those of them that match. */
  drop(first: number, last: number, filter?: SubjectFilter): void {
    const isGone = ({ seq, subjectBytes }: StoredMessage): boolean =>
      seq >= first && seq <= last && (filter === undefined || filter.matches(subjectBytes))
    const rest = this.#batch.slice(this.#batchAt)
    const kept = rest.filter((message) => !isGone(message))
    if (kept.length !== rest.length) this.#take(kept)
    if (last < this.#nextSeq) return
    this.#unread.invalidate()
    this.#ahead = undefined
    this.#generation++
  }

  /** Brings the next batch. May bring none: when what was read does not match the filters. */
  async fill(): Promise<void> {
    const generation = this.#generation
    if (this.#listedAt < this.#listed.length) {
      const seqs = this.#listed.slice(this.#listedAt, this.#listedAt + LISTED_AT_ONCE)
      const found = await Promise.all(seqs.map((seq) => this.#store.get(seq)))
      if (generation !== this.#generation) return
      this.#listedAt += seqs.length
      this.#take(found.filter((message) => message !== undefined))
      return
    }
    const read = this.#ahead ?? this.#read()
    this.#ahead = undefined
    const { messages, nextSeq } = await read
    if (generation !== this.#generation) return
    this.#nextSeq = Math.max(nextSeq, this.#nextSeq)
    this.#take(this.#filters.length > 1 ? messages.filter((m) => this.#matches(m)) : messages)
    this.#unread.taken(this.#batch.length)
    if (this.#nextSeq <= this.#store.state.lastSeq) {
      this.#ahead = this.#read()
      // Whoever awaits it gets the error; until then nobody is told of it.
      this.#ahead.catch(() => {})
    }
  }

  #take(messages: readonly StoredMessage[]): void {
    this.#batch = messages
    this.#batchAt = 0
  }

  #restart(seq: number): void {
    this.#generation++
    this.#ahead = undefined
    this.#nextSeq = seq
    this.#unread.reset(this.#filters)
    this.#take([])
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
