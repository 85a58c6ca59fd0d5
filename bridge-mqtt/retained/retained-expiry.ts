import type { Cancel, Clock } from '../../shared/runtime/index.ts'
import { Deadlines } from '../../shared/stream/index.ts'
import { DEADLINES_PRUNE_MIN, EXPIRED_AT_ONCE, EXPIRY_CHECK_MIN_MS } from './limits.ts'

/** What expires, by sequence. */
export interface ExpiringMessages {
  has(seq: number): boolean
  /** Their time is over. Never throws. */
  expire(seqs: readonly number[]): void
}

/**
 * Messages that go when their time is over: some at a time, by themselves. Time is the monotonic clock's, so
 * that nothing goes early, or stays, because a wall clock jumps while the server runs.
 */
export class RetainedExpiry {
  readonly #messages: ExpiringMessages
  readonly #clock: Clock
  #deadlines = new Deadlines()
  #pruneAt = DEADLINES_PRUNE_MIN
  #cancel: Cancel | undefined
  /** When it is looked next. */
  #wakesMs = Number.POSITIVE_INFINITY
  #isClosed = false

  constructor(messages: ExpiringMessages, clock: Clock) {
    this.#messages = messages
    this.#clock = clock
  }

  /** How many messages have a deadline, those that are gone meanwhile too. */
  get size(): number {
    return this.#deadlines.size
  }

  add(seq: number, seconds: number): void {
    if (this.#deadlines.size >= this.#pruneAt) this.#prune()
    const dueMs = this.#clock.monotonicMs() + seconds * 1000
    this.#deadlines.add(seq, dueMs)
    if (dueMs < this.#wakesMs) this.#wakeAt(dueMs)
  }

  /** The sequences are other messages' now. */
  clear(): void {
    this.#cancel?.()
    this.#deadlines = new Deadlines()
    this.#wakesMs = Number.POSITIVE_INFINITY
  }

  close(): void {
    this.#isClosed = true
    this.#cancel?.()
  }

  #wakeAt(dueMs: number): void {
    this.#cancel?.()
    if (this.#isClosed) return
    this.#wakesMs = dueMs
    const delayMs = Math.max(dueMs - this.#clock.monotonicMs(), EXPIRY_CHECK_MIN_MS)
    this.#cancel = this.#clock.after(delayMs, () => this.#expire())
  }

  /** As many as others can wait for; the rest is due at once. */
  #expire(): void {
    const nowMs = this.#clock.monotonicMs()
    const seqs: number[] = []
    while (seqs.length < EXPIRED_AT_ONCE) {
      const seq = this.#deadlines.take(nowMs)
      if (seq === 0) break
      if (this.#messages.has(seq)) seqs.push(seq)
    }
    this.#messages.expire(seqs)
    this.#wakesMs = Number.POSITIVE_INFINITY
    const { nextMs } = this.#deadlines
    if (Number.isFinite(nextMs)) this.#wakeAt(nextMs)
  }

  #prune(): void {
    this.#deadlines.prune((seq) => this.#messages.has(seq))
    this.#pruneAt = Math.max(DEADLINES_PRUNE_MIN, 2 * this.#deadlines.size)
  }
}
