/**
 * What one consumer has delivered and what of it is acknowledged. Pure bookkeeping: no clock, no
 * I/O; times come in as monotonic milliseconds.
 *
 *   delivered   the newest first delivery
 *   passed      the same, or what lies behind it and does not match: nothing up to there is left to deliver
 *   pending     delivered and not acknowledged, by stream sequence, in ascending order. Each keeps
 *               the consumer sequence of its first delivery, so consumer sequences ascend as well
 *   redelivery  pending messages that wait to be delivered again, in the order they fell due
 *   ack floor   just below the first pending message; all below it is done with. It is derived
 *               from `pending`, hence the two can not disagree
 *
 *   exhausted   delivered as often as allowed and never acknowledged: out of `pending`, but not done with
 *
 * Messages enter `pending` once, in stream order, and leave it by ack, term, exhaustion or removal
 * from the stream. A consumer without acknowledgements keeps nothing pending.
 */
import { invariant } from '../../runtime/index.ts'
import type { AckPolicy } from '../config/consumer-config.ts'
import { EXHAUSTED_RUNS_MAX } from '../limits.ts'
import { SeqRuns } from './seq-runs.ts'

const DUE_SLACK = 1_024

export interface AckRules {
  readonly policy: AckPolicy
  /** Infinity: what is delivered waits for ever. */
  readonly ackWaitMs: number
  /** Takes the place of `ackWaitMs`: one wait for each delivery, the last one for all further. */
  readonly backoffMs: readonly number[]
  /** -1: no limit. */
  readonly maxDeliver: number
}

export interface Pending {
  readonly consumerSeq: number
  deliveries: number
  /** When it falls due for redelivery; meaningless while it is queued for that. */
  deadlineMs: number
  isDue: boolean
}

export interface SequencePair {
  readonly consumerSeq: number
  readonly streamSeq: number
}

/** A message that was delivered as often as it may be: out of `pending`, never delivered again. */
export interface Exhausted {
  readonly streamSeq: number
  readonly deliveries: number
}

export class AckLedger {
  #rules: AckRules
  #consumerSeq: number
  /** Of the newest first delivery. */
  #streamSeq: number
  #passedSeq: number
  readonly #pending = new Map<number, Pending>()
  #due: number[] = []
  #dueHead = 0
  #dueCount = 0
  #redelivered = 0
  #nextDeadlineMs = Number.POSITIVE_INFINITY
  readonly #exhausted = new SeqRuns(EXHAUSTED_RUNS_MAX)
  /** Called for each message that the consumer is done with; not for what left the stream otherwise. */
  onDone: ((streamSeq: number) => void) | undefined

  /** @param startSeq the first stream sequence to be delivered */
  constructor(rules: AckRules, startSeq: number) {
    this.#rules = rules
    this.#consumerSeq = 0
    this.#streamSeq = startSeq - 1
    this.#passedSeq = startSeq - 1
  }

  get delivered(): SequencePair {
    return { consumerSeq: this.#consumerSeq, streamSeq: this.#streamSeq }
  }

  get passed(): SequencePair {
    return { consumerSeq: this.#consumerSeq, streamSeq: this.#passedSeq }
  }

  /** The stream sequence of `passed`. */
  get passedSeq(): number {
    return this.#passedSeq
  }

  /** The consumer sequence of `delivered`. */
  get consumerSeq(): number {
    return this.#consumerSeq
  }

  get ackFloor(): SequencePair {
    for (const [streamSeq, { consumerSeq }] of this.#pending) {
      return { consumerSeq: consumerSeq - 1, streamSeq: streamSeq - 1 }
    }
    return this.delivered
  }

  get pending(): ReadonlyMap<number, Readonly<Pending>> {
    return this.#pending
  }

  /** Pending messages that wait to be delivered again. */
  get dueCount(): number {
    return this.#dueCount
  }

  /** Messages that were delivered more than once, or as often as allowed, and are not done with. */
  get redelivered(): number {
    return this.#rules.maxDeliver === 1 ? 0 : this.#redelivered + this.#exhausted.size
  }

  get exhausted(): SeqRuns {
    return this.#exhausted
  }

  /** Whether the message is still to be delivered, or to be acknowledged. */
  needs(streamSeq: number): boolean {
    return (
      streamSeq > this.#passedSeq || this.#pending.has(streamSeq) || this.#exhausted.has(streamSeq)
    )
  }

  /** Milliseconds since its last delivery, or since its time was set anew. */
  heldMs(streamSeq: number, nowMs: number): number {
    const pending = this.#pending.get(streamSeq)
    if (pending === undefined || !Number.isFinite(pending.deadlineMs)) return 0
    return Math.max(0, nowMs - (pending.deadlineMs - this.#waitMs(pending.deliveries)))
  }

  /** A lower bound of when something falls due; Infinity when nothing can. */
  get nextDeadlineMs(): number {
    return this.#nextDeadlineMs
  }

  set rules(rules: AckRules) {
    this.#rules = rules
  }

  /** Records a first delivery; returns its consumer sequence. */
  deliver(streamSeq: number, nowMs: number): number {
    // The text is made for who needs it: for each message it takes longer than all else here.
    if (streamSeq <= this.#passedSeq) {
      invariant(false, `delivery of ${streamSeq} after ${this.#passedSeq}`)
    }
    this.#streamSeq = streamSeq
    this.#passedSeq = streamSeq
    const consumerSeq = ++this.#consumerSeq
    if (this.#rules.policy !== 'none') {
      const deadlineMs = nowMs + this.#waitMs(1)
      this.#pending.set(streamSeq, { consumerSeq, deliveries: 1, deadlineMs, isDue: false })
      this.#nextDeadlineMs = Math.min(this.#nextDeadlineMs, deadlineMs)
    } else this.onDone?.(streamSeq)
    return consumerSeq
  }

  /** Nothing below `streamSeq + 1` is left to deliver for the first time. */
  skipTo(streamSeq: number): void {
    if (streamSeq > this.#passedSeq) this.#passedSeq = streamSeq
  }

  /** The next message to deliver again, undefined when none is due. It stays queued. */
  peekDue(): number | undefined {
    for (;;) {
      const streamSeq = this.#due[this.#dueHead]
      if (streamSeq === undefined) {
        if (this.#dueHead > 0) this.#due = []
        this.#dueHead = 0
        return undefined
      }
      if (this.#pending.get(streamSeq)?.isDue) return streamSeq
      this.#dueHead++
    }
  }

  /** Records that a due message was delivered again. */
  redeliver(streamSeq: number, nowMs: number): { consumerSeq: number; deliveries: number } {
    const pending = this.#pending.get(streamSeq)
    invariant(pending?.isDue, `redelivery of ${streamSeq}, which is not due`)
    if (this.#due[this.#dueHead] === streamSeq) this.#dueHead++
    pending.isDue = false
    this.#dueCount--
    pending.deliveries++
    if (pending.deliveries === 2) this.#redelivered++
    this.#setDeadline(pending, nowMs + this.#waitMs(pending.deliveries))
    return { consumerSeq: ++this.#consumerSeq, deliveries: pending.deliveries }
  }

  /** Returns whether anything was pending under it. */
  ack(streamSeq: number): boolean {
    const { policy } = this.#rules
    if (policy !== 'all' && policy !== 'flow_control') return this.finish(streamSeq)
    let isAny = false
    for (const seq of this.#pending.keys()) {
      if (seq > streamSeq) break
      isAny = this.finish(seq) || isAny
    }
    return this.finish(streamSeq) || isAny
  }

  /** Done with one message, without touching others: term. An exhausted one may still be handled. */
  finish(streamSeq: number): boolean {
    if (!this.forget(streamSeq) && !this.#exhausted.delete(streamSeq)) return false
    this.onDone?.(streamSeq)
    return true
  }

  /** Takes one message out, without touching others: gone from the stream. */
  forget(streamSeq: number): boolean {
    const pending = this.#pending.get(streamSeq)
    if (pending === undefined) return false
    if (pending.deliveries > 1) this.#redelivered--
    if (pending.isDue) this.#dueCount--
    return this.#pending.delete(streamSeq)
  }

  /**
   * Takes out what left the stream: all below its first message, and of [from, through] what `isThere`
   * denies. Returns whether there was any.
   */
  forgetGone(
    gone: { readonly belowSeq: number; readonly from: number; readonly through: number },
    isThere: (streamSeq: number) => boolean,
    nextThere: (streamSeq: number) => number,
    onGone?: (streamSeq: number, pending: Readonly<Pending>) => void,
  ): boolean {
    const { belowSeq, from, through } = gone
    let isAny = false
    for (const [seq, pending] of this.#pending) {
      if (seq >= belowSeq && seq > through) break
      if (seq >= belowSeq && (seq < from || isThere(seq))) continue
      onGone?.(seq, pending)
      isAny = this.forget(seq) || isAny
    }
    const exhausted = this.#exhausted
    if (exhausted.size === 0) return isAny
    const before = exhausted.size
    exhausted.deleteBelow(belowSeq)
    exhausted.retain(from, through, nextThere)
    return isAny || exhausted.size !== before
  }

  /** Asks for it again, at once or after `delayMs`. Returns what that exhausted, if it did. */
  nak(streamSeq: number, delayMs: number, nowMs: number): Exhausted | undefined {
    const pending = this.#pending.get(streamSeq)
    if (pending === undefined) return undefined
    if (delayMs <= 0) return pending.isDue ? undefined : this.#fallDue(streamSeq, pending)
    if (pending.isDue) {
      pending.isDue = false
      this.#dueCount--
    }
    this.#setDeadline(pending, nowMs + delayMs)
    return undefined
  }

  /** Work goes on: the wait starts anew. */
  progress(streamSeq: number, nowMs: number): void {
    const pending = this.#pending.get(streamSeq)
    if (pending === undefined || pending.isDue) return
    pending.deadlineMs = nowMs + this.#waitMs(pending.deliveries)
  }

  /** Queues what fell due by `nowMs`; returns what must not be delivered again. O(pending). */
  expire(nowMs: number): readonly Exhausted[] {
    const exhausted: Exhausted[] = []
    let nextMs = Number.POSITIVE_INFINITY
    for (const [streamSeq, pending] of this.#pending) {
      if (pending.isDue) continue
      if (pending.deadlineMs > nowMs) {
        nextMs = Math.min(nextMs, pending.deadlineMs)
        continue
      }
      const dropped = this.#fallDue(streamSeq, pending)
      if (dropped !== undefined) exhausted.push(dropped)
    }
    this.#nextDeadlineMs = nextMs
    return exhausted
  }

  /** Puts back what was written down before a restart; both in ascending order. */
  restore(
    delivered: SequencePair,
    pending: Iterable<readonly [number, Pending]>,
    exhausted: readonly (readonly [first: number, last: number])[] = [],
  ): void {
    this.#exhausted.restore(exhausted)
    this.#consumerSeq = delivered.consumerSeq
    this.#streamSeq = delivered.streamSeq
    this.#passedSeq = delivered.streamSeq
    this.#pending.clear()
    this.#due = []
    this.#dueHead = 0
    this.#dueCount = 0
    this.#redelivered = 0
    this.#nextDeadlineMs = Number.POSITIVE_INFINITY
    for (const [streamSeq, entry] of pending) {
      this.#pending.set(streamSeq, { ...entry, isDue: false })
      if (entry.deliveries > 1) this.#redelivered++
      this.#nextDeadlineMs = Math.min(this.#nextDeadlineMs, entry.deadlineMs)
    }
  }

  #fallDue(streamSeq: number, pending: Pending): Exhausted | undefined {
    const { maxDeliver } = this.#rules
    if (maxDeliver > 0 && pending.deliveries >= maxDeliver) {
      this.forget(streamSeq)
      this.#exhausted.add(streamSeq)
      return { streamSeq, deliveries: pending.deliveries }
    }
    pending.isDue = true
    this.#dueCount++
    // Who asks again and again for the same message, later each time, leaves old entries behind.
    if (this.#due.length > 2 * this.#pending.size + DUE_SLACK) this.#pruneDue()
    this.#due.push(streamSeq)
    return undefined
  }

  #pruneDue(): void {
    const waiting = new Set(this.#due.slice(this.#dueHead))
    this.#due = [...waiting].filter((seq) => this.#pending.get(seq)?.isDue)
    this.#dueHead = 0
  }

  #setDeadline(pending: Pending, deadlineMs: number): void {
    pending.deadlineMs = deadlineMs
    this.#nextDeadlineMs = Math.min(this.#nextDeadlineMs, deadlineMs)
  }

  #waitMs(deliveries: number): number {
    const { backoffMs, ackWaitMs } = this.#rules
    if (backoffMs.length === 0) return ackWaitMs
    return backoffMs[Math.min(deliveries, backoffMs.length) - 1] ?? ackWaitMs
  }
}
