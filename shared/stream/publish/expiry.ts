/**
 * Messages that have had their time: those with a `Nats-TTL`, and by `max_age` those of streams in
 * which age alone does not decide. With `subject_delete_marker_ttl` the last message of a subject
 * leaves a marker [ADR-43], which replaces it in one transaction; all others leave without a record of
 * their own, because after a crash they are due again.
 *
 * Time is that of the store's age limit: a wall clock that jumps ahead lets nothing expire early.
 */
import type { Log } from '../../log/index.ts'
import { type Cancel, type Clock, codeOf, messageOf, Tasks } from '../../runtime/index.ts'
import type { RetentionClock, StoredMessage, StreamStore } from '../../store/index.ts'
import { SubjectFilter } from '../../subject/index.ts'
import { isAgedByStream } from '../config/stored-config.ts'
import type { StreamConfig } from '../config/stream-config.ts'
import { headerValue, NO_BYTES, withHeaders } from '../headers.ts'
import { JetStreamError } from '../jetstream-error.ts'
import {
  DEADLINES_PRUNE_MIN,
  EXPIRY_CHECK_MAX_MS,
  EXPIRY_CHECK_MIN_MS,
  EXPIRY_MESSAGES,
  EXPIRY_RETRY_MS,
  NS_PER_MS,
} from '../limits.ts'
import { durationText } from '../timestamp.ts'
import type { Message } from './admission.ts'
import { Deadlines } from './deadlines.ts'
import { LASTING_KEPT_MAX } from './limits.ts'
import { NEVER, parseMessageTtl } from './message-ttl.ts'

const EVERYTHING = new SubjectFilter('>')

export interface ExpiringStream {
  readonly config: StreamConfig
  readonly store: StreamStore
  readonly consumers: { removed(first: number, last: number): void }
}

export interface ExpiryParts {
  readonly clock: Clock
  readonly retentionClock: RetentionClock
  readonly log: Log
  /** Whether nothing newer of this subject is there or on its way. */
  isLast(subject: string, seq: number): boolean
  /** Stores a message of the stream itself; resolves when it is on disk. */
  publish(message: Message): Promise<number>
}

export class Expiry {
  readonly #stream: ExpiringStream
  readonly #parts: ExpiryParts
  readonly #tasks: Tasks
  readonly #deadlines = new Deadlines()
  /** Messages that no age takes; when there are more of them it is read in each that is due. */
  readonly #lasting = new Set<number>()
  #areManyLasting = false
  /** Age has been seen to up to here. */
  #agedThrough = 0
  #isRecovered = false
  #pruneAt = DEADLINES_PRUNE_MIN
  #cancel: Cancel | undefined
  #dueMs = Number.POSITIVE_INFINITY
  #isRunning = false
  #isClosed = false

  constructor(stream: ExpiringStream, parts: ExpiryParts) {
    this.#stream = stream
    this.#parts = parts
    this.#tasks = new Tasks((_, error) => this.#failed(error))
  }

  /** How many messages have a deadline, those that are gone meanwhile too. */
  get size(): number {
    return this.#deadlines.size
  }

  /**
   * A message that lives so many seconds, or never ends.
   * @param timeMs when it was stored
   */
  add(seq: number, ttl: number, timeMs: number): void {
    this.#prune()
    if (ttl === NEVER) {
      if (this.#lasting.size < LASTING_KEPT_MAX) this.#lasting.add(seq)
      else this.#areManyLasting = true
      return
    }
    const dueMs = timeMs + ttl * 1000
    this.#deadlines.add(seq, dueMs)
    if (this.#isRecovered) this.#wakeAt(dueMs)
  }

  /** All that was there at the start was added; age may be looked at. */
  recovered(): void {
    this.#isRecovered = true
    this.configured()
  }

  /** The stream's configuration is another now. */
  configured(): void {
    this.#agedThrough = 0
    if (!this.#isRecovered || (this.#ageMs === 0 && this.#deadlines.size === 0)) return
    this.#wakeIn(EXPIRY_CHECK_MIN_MS)
  }

  /** Something was stored: age may have to be looked at for the first time. */
  stored(): void {
    if (this.#dueMs === Number.POSITIVE_INFINITY && this.#ageMs > 0 && this.#isRecovered) {
      this.#wakeIn(this.#ageMs)
    }
  }

  close(): void {
    this.#isClosed = true
    this.#cancel?.()
    this.#tasks.destroy().catch(() => {})
  }

  /** 0 when the store keeps the age limit, or there is none. */
  get #ageMs(): number {
    const { config } = this.#stream
    return isAgedByStream(config) ? config.max_age / NS_PER_MS : 0
  }

  #wakeAt(dueMs: number): void {
    if (dueMs >= this.#dueMs) return
    const nowMs = this.#parts.retentionClock.nowMs()
    this.#wakeIn(nowMs === undefined ? EXPIRY_CHECK_MAX_MS : dueMs - nowMs)
    this.#dueMs = dueMs
  }

  #wakeIn(delayMs: number): void {
    this.#cancel?.()
    if (this.#isClosed) return
    this.#dueMs = 0
    const waitMs = Math.min(Math.max(delayMs, EXPIRY_CHECK_MIN_MS), EXPIRY_CHECK_MAX_MS)
    this.#cancel = this.#parts.clock.after(waitMs, () => this.#run())
  }

  #run(): void {
    this.#cancel = undefined
    if (this.#isRunning || this.#isClosed) return
    this.#isRunning = true
    this.#tasks.run('expiry', async (signal) => {
      try {
        await this.#expire(signal)
      } finally {
        this.#isRunning = false
      }
      if (!this.#isClosed) await this.#wakeForNext()
    })
  }

  #failed(error: unknown): void {
    this.#parts.log.warn({ err: messageOf(error) }, 'messages not expired, it is tried again')
    this.#wakeIn(EXPIRY_RETRY_MS)
  }

  async #wakeForNext(): Promise<void> {
    const agedMs = await this.#agedNextMs()
    const nextMs = Math.min(agedMs, this.#deadlines.nextMs)
    this.#dueMs = Number.POSITIVE_INFINITY
    if (Number.isFinite(nextMs)) this.#wakeAt(nextMs)
  }

  async #expire(signal: AbortSignal): Promise<void> {
    for (;;) {
      const nowMs = this.#parts.retentionClock.nowMs()
      if (nowMs === undefined || signal.aborted) return
      const aged = await this.#takeAged(nowMs)
      const seqs = [...this.#takeDue(nowMs), ...aged.seqs]
      if (seqs.length === 0 && !aged.isCut) return
      try {
        await this.#remove(seqs.sort((a, b) => a - b))
      } catch (error) {
        for (const seq of seqs) this.#deadlines.add(seq, nowMs + EXPIRY_RETRY_MS)
        throw error
      }
      await new Promise<void>((resolve) => this.#parts.clock.soon(resolve))
    }
  }

  #takeDue(nowMs: number): number[] {
    const seqs: number[] = []
    while (seqs.length < EXPIRY_MESSAGES) {
      const seq = this.#deadlines.take(nowMs)
      if (seq === 0) break
      if (this.#stream.store.has(seq)) seqs.push(seq)
    }
    return seqs
  }

  /** Goes by what is stored: sequences may lie as far apart as they like. */
  async #takeAged(nowMs: number): Promise<{ readonly seqs: number[]; readonly isCut: boolean }> {
    const seqs: number[] = []
    const { store } = this.#stream
    if (this.#ageMs === 0) return { seqs, isCut: false }
    const end = await store.seqAtTime(nowMs - this.#ageMs + 1)
    for (let looked = 0; looked < EXPIRY_MESSAGES; looked++) {
      const seq = this.#storedFrom(this.#agedThrough + 1)
      if (seq === 0 || seq >= end) return { seqs, isCut: false }
      if (!(await this.#isLasting(seq))) seqs.push(seq)
      this.#agedThrough = Math.max(this.#agedThrough, seq)
    }
    return { seqs, isCut: true }
  }

  #storedFrom(seq: number): number {
    return this.#stream.store.firstSeqMatching(EVERYTHING, seq)
  }

  async #isLasting(seq: number): Promise<boolean> {
    if (this.#lasting.has(seq) || !this.#areManyLasting) return this.#lasting.has(seq)
    const message = await this.#stream.store.get(seq)
    const ttl = message && headerValue(message.headers, 'Nats-TTL')
    return ttl !== undefined && parseMessageTtl(ttl) === NEVER
  }

  /** When the first message that age takes is due. */
  async #agedNextMs(): Promise<number> {
    const { store } = this.#stream
    if (this.#ageMs === 0) return Number.POSITIVE_INFINITY
    let seq = this.#storedFrom(this.#agedThrough + 1)
    while (seq > 0) {
      const message = await store.get(seq)
      if (message !== undefined) return message.timeMs + this.#ageMs
      seq = this.#storedFrom(seq + 1)
    }
    return Number.POSITIVE_INFINITY
  }

  async #remove(seqs: readonly number[]): Promise<void> {
    const { store, config, consumers } = this.#stream
    if (!hasMarkers(config)) {
      for (const seq of seqs) store.removeLazily(seq)
    } else {
      const marked: Promise<unknown>[] = []
      for (const message of await store.readAt(seqs)) marked.push(this.#removeMarked(message))
      await Promise.all(marked)
    }
    const first = seqs[0]
    const last = seqs.at(-1)
    if (first !== undefined && last !== undefined) consumers.removed(first, last)
  }

  async #removeMarked({ seq, subject, subjectBytes, headers }: StoredMessage): Promise<void> {
    const { store, config } = this.#stream
    if (!isMarker(headers) && this.#parts.isLast(subject, seq)) {
      try {
        const ttl = config.subject_delete_marker_ttl ?? 0
        await this.#parts.publish({
          subject,
          subjectBytes,
          headers: withHeaders(NO_BYTES, [
            ['Nats-Marker-Reason', 'MaxAge'],
            ['Nats-TTL', durationText(ttl)],
            ['Nats-Rollup', 'sub'],
          ]),
          payload: NO_BYTES,
        })
        return
      } catch (error) {
        // A stream that is full must not keep for that reason what would make room in it.
        if (!isRefusal(error)) throw error
      }
    }
    store.removeLazily(seq)
  }

  /** Each time that there are twice as many as were left the last time. */
  #prune(): void {
    if (this.#deadlines.size + this.#lasting.size < this.#pruneAt) return
    const { store } = this.#stream
    const { lastSeq } = store.state
    const isKept = (seq: number): boolean => seq > lastSeq || store.has(seq)
    this.#deadlines.prune(isKept)
    for (const seq of this.#lasting) if (!isKept(seq)) this.#lasting.delete(seq)
    const left = this.#deadlines.size + this.#lasting.size
    this.#pruneAt = Math.max(DEADLINES_PRUNE_MIN, 2 * left)
  }
}

function hasMarkers({ subject_delete_marker_ttl = 0 }: StreamConfig): boolean {
  return subject_delete_marker_ttl > 0
}

/** What ends a subject already leaves nothing behind. */
function isMarker(headers: Uint8Array): boolean {
  if (headerValue(headers, 'Nats-Marker-Reason') !== undefined) return true
  return headerValue(headers, 'KV-Operation') === 'PURGE'
}

/** Not for want of a disk, but by the rules of the stream. */
function isRefusal(error: unknown): boolean {
  if (codeOf(error) === 'PETIOLE_STREAM_FULL') return true
  return error instanceof JetStreamError && error.errCode !== 10008
}
