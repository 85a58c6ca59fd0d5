/**
 * Which messages of a stream its consumers still need, for streams that keep a message for their sake:
 *
 *   workqueue   a message goes when the consumer whose it is has acknowledged it
 *   interest    a message goes when every consumer that matches it has, and nobody stores it when none does
 *
 * A message that nobody needs any more is out of sight at once and leaves the disk lazily, while what
 * consumers acknowledged is written on its own. After a crash the one may be there without the other:
 * a message without its consumer's state is gone, and dropped from what that has pending; a state
 * without the removal is what `sweep` finds. So nothing acknowledged comes back, and nothing that was
 * not acknowledged is lost.
 */
import type { Log } from '../../log/index.ts'
import { type Clock, codeOf, messageOf } from '../../runtime/index.ts'
import type { StreamStore } from '../../store/index.ts'
import { SubjectFilter } from '../../subject/index.ts'
import type { StreamConfig } from '../config/stream-config.ts'
import { SUBJECT_CACHE_MAX, SWEEP_TURN_MESSAGES } from '../limits.ts'

/** A consumer, as far as it concerns what stays in its stream. */
export interface InterestedConsumer {
  /** Else it is gone after a restart, and what only it needed is to be swept. */
  readonly isStored: boolean
  /** None means every message. */
  readonly filters: readonly SubjectFilter[]
  /** The newest sequence that it is past, delivered or skipped. */
  readonly passedSeq: number
  /** What lies below it and matches was never its to acknowledge. */
  readonly sinceSeq: number
  /** Whether a message that matches is still to be delivered, or to be acknowledged. */
  needs(seq: number): boolean
}

export interface StreamInterestParts {
  readonly clock: Clock
  readonly log: Log
  readonly store: StreamStore
  readonly retention: () => StreamConfig['retention']
  /** All of them, also those that are on their way to the disk. */
  readonly consumers: () => Iterable<InterestedConsumer>
}

/** Which messages a sweep takes of those that nobody needs: what somebody is done with, or all. */
export type Sweep = 'acknowledged' | 'unwanted'

const EVERYTHING = new SubjectFilter('>')
/** In the stream's state table while a sweep of what is unwanted is owed. */
const OWED_KEY = 'interest/sweep'
const OWED = Buffer.from('1')

export class StreamInterest {
  readonly #parts: StreamInterestParts
  /** Who wants what is on a subject; the one who last still needed a message comes first. */
  readonly #bySubject = new Map<string, InterestedConsumer[]>()
  /** Whether there is one consumer only, as of most work queues; undefined when that is to be counted. */
  #isSole: boolean | undefined
  #sweeps = 0
  /** A sweep of what is unwanted has not come to its end. */
  #isUnwantedLeft = false
  #isClosed = false
  /** Whether it was said that the store cannot be read. */
  #isUnreadable = false

  constructor(parts: StreamInterestParts) {
    this.#parts = parts
  }

  /** Whether a message on this subject is to be stored. */
  wants(subject: string): boolean {
    return this.#parts.retention() !== 'interest' || this.#wanting(subject).length > 0
  }

  /** Consumers came or went, or have other filters. */
  changed(): void {
    this.#bySubject.clear()
    this.#isSole = undefined
  }

  /**
   * A consumer is done with a message. What it is on may lie on a disk that cannot be read: then the store has
   * failed and takes no removal any more, and who acknowledged has done his part. The sweep of the next start finds it.
   */
  done(seq: number): void {
    try {
      this.#done(seq)
    } catch (error) {
      if (codeOf(error) !== 'PETIOLE_STORE_FAILED') throw error
      if (!this.#isUnreadable) {
        this.#parts.log.error({ err: messageOf(error) }, 'acknowledged messages not removed')
      }
      this.#isUnreadable = true
    }
  }

  #done(seq: number): void {
    const { store, consumers } = this.#parts
    this.#isSole ??= countOf(consumers(), 2) === 1
    if (this.#isSole) {
      store.removeLazily(seq)
      return
    }
    const subject = store.subjectOf(seq)
    if (subject !== undefined && !this.#isNeeded(seq, subject)) store.removeLazily(seq)
  }

  /** Writes down, with what makes messages unwanted, that those are to be swept. */
  owe(): void {
    if (this.#parts.retention() === 'interest') this.#parts.store.states.set(OWED_KEY, OWED)
  }

  /** Goes on with what a stop interrupted. */
  recover(): void {
    if (this.#parts.retention() === 'limits') return
    const isOwed = this.#parts.store.states.get(OWED_KEY) !== undefined
    this.sweep(isOwed ? 'unwanted' : 'acknowledged')
  }

  /** Takes away what nobody needs any more, a little at a time. */
  sweep(what: Sweep): void {
    this.swept(what).catch(() => {})
  }

  /** The same for who waits for it; a failure is logged only. */
  async swept(what: Sweep): Promise<void> {
    try {
      await this.#sweep(what)
    } catch (error) {
      this.#parts.log.warn({ err: messageOf(error) }, 'messages without interest not removed')
    }
  }

  close(): void {
    this.#isClosed = true
  }

  async #sweep(what: Sweep): Promise<void> {
    const { store, consumers, retention } = this.#parts
    // One that begins later takes the place of this one.
    const turn = ++this.#sweeps
    if (what === 'unwanted') this.#isUnwantedLeft = true
    else if (this.#isUnwantedLeft) return this.#sweep('unwanted')
    const isEmpty = countOf(consumers(), 1) === 0
    if (isEmpty && what === 'acknowledged') return
    if (isEmpty && retention() === 'interest') await store.purge({})
    else if (!(await this.#walk(what, turn))) return
    if (what === 'unwanted') this.#isUnwantedLeft = false
    const isOwed = store.states.get(OWED_KEY) !== undefined
    if (what === 'unwanted' && isOwed && this.#areAllStored) store.states.remove(OWED_KEY)
  }

  get #areAllStored(): boolean {
    for (const { isStored } of this.#parts.consumers()) if (!isStored) return false
    return true
  }

  /** Returns false when it did not come to the end. */
  async #walk(what: Sweep, turn: number): Promise<boolean> {
    const { store, clock } = this.#parts
    const end = this.#sweepEnd(what)
    let seq = store.firstSeqMatching(EVERYTHING, 1)
    for (let seen = 1; seq > 0 && seq <= end; seen++) {
      this.#sweepOne(seq, what)
      if (seen % SWEEP_TURN_MESSAGES === 0) {
        await new Promise<void>((resolve) => clock.soon(resolve))
        if (this.#isClosed || turn !== this.#sweeps) return false
      }
      seq = store.firstSeqMatching(EVERYTHING, seq + 1)
    }
    return true
  }

  #sweepOne(seq: number, what: Sweep): void {
    const { store } = this.#parts
    const subject = store.subjectOf(seq)
    if (subject === undefined || this.#isNeeded(seq, subject)) return
    const isTaken = (it: InterestedConsumer): boolean => seq >= it.sinceSeq && seq <= it.passedSeq
    if (what === 'acknowledged' && !this.#wanting(subject).some(isTaken)) return
    store.removeLazily(seq)
  }

  /** Nothing behind it is to be swept. */
  #sweepEnd(what: Sweep): number {
    let end = what === 'unwanted' ? this.#parts.store.state.lastSeq : 0
    for (const { filters, passedSeq } of this.#parts.consumers()) {
      if (what === 'acknowledged') end = Math.max(end, passedSeq)
      else if (filters.length === 0) end = Math.min(end, passedSeq)
    }
    return end
  }

  #isNeeded(seq: number, subject: string): boolean {
    const wanting = this.#wanting(subject)
    for (let i = 0; i < wanting.length; i++) {
      const consumer = wanting[i] as InterestedConsumer
      if (!consumer.needs(seq)) continue
      // Who is behind now is likely to be behind at the next message too.
      if (i > 0) {
        wanting[i] = wanting[0] as InterestedConsumer
        wanting[0] = consumer
      }
      return true
    }
    return false
  }

  #wanting(subject: string): InterestedConsumer[] {
    const known = this.#bySubject.get(subject)
    if (known !== undefined) return known
    const wanting: InterestedConsumer[] = []
    for (const consumer of this.#parts.consumers()) {
      const { filters } = consumer
      if (filters.length === 0 || filters.some((filter) => filter.matchesText(subject))) {
        wanting.push(consumer)
      }
    }
    if (this.#bySubject.size >= SUBJECT_CACHE_MAX) this.#bySubject.clear()
    this.#bySubject.set(subject, wanting)
    return wanting
  }
}

/** How many there are, up to `max`. */
function countOf(consumers: Iterable<unknown>, max: number): number {
  let count = 0
  for (const _ of consumers) if (++count === max) break
  return count
}
