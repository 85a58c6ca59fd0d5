/**
 * The retained messages of one account of a server that has no store: as long as it runs, with the same
 * limits. Time is the monotonic clock's: nothing is read that another process wrote.
 */
import type { PublishCommitted } from '../../shared/broker/index.ts'
import type { Clock } from '../../shared/runtime/index.ts'
import type { SubjectFilter } from '../../shared/subject/index.ts'
import { beginsWithDollar } from '../topic-map.ts'
import { MESSAGE_OVERHEAD_BYTES, PAGE_BYTES, type RetainedLimits, STEPS_IN_TURN } from './limits.ts'
import { expiryOf, NEVER } from './message-expiry.ts'
import { RetainedExpiry } from './retained-expiry.ts'
import { retainedFull } from './retained-full.ts'
import {
  firstOf,
  type RetainedMessage,
  type RetainedReplay,
  type RetainedStore,
} from './retained-store.ts'
import { SubjectShelf } from './subject-shelf.ts'

interface Kept {
  readonly seq: number
  readonly subject: string
  readonly subjectBytes: Uint8Array
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  readonly storedMs: number
  /** The same by the monotonic clock. */
  readonly keptMs: number
  readonly expirySeconds: number
}

export class MemoryRetained implements RetainedStore {
  count = 0
  bytes = 0
  readonly #clock: Clock
  readonly #limits: RetainedLimits
  readonly #shelf = new SubjectShelf<Kept>()
  readonly #expiring = new Map<number, Kept>()
  readonly #expiry: RetainedExpiry
  #lastSeq = 0

  constructor(clock: Clock, limits: RetainedLimits) {
    this.#clock = clock
    this.#limits = limits
    this.#expiry = new RetainedExpiry(
      {
        has: (seq) => this.#expiring.has(seq),
        expire: (seqs) => this.#expire(seqs),
      },
      clock,
    )
  }

  set(
    subject: Uint8Array,
    headers: Uint8Array,
    payload: Uint8Array,
    committed?: PublishCommitted,
  ): void {
    const expirySeconds = expiryOf(headers)
    if (payload.length === 0 || expirySeconds === 0) {
      this.remove(subject, committed)
      return
    }
    const kept: Kept = {
      seq: ++this.#lastSeq,
      subject: Buffer.from(subject).toString(),
      subjectBytes: Buffer.from(subject),
      headers: Buffer.from(headers),
      payload: Buffer.from(payload),
      storedMs: this.#clock.wallMs(),
      keptMs: this.#clock.monotonicMs(),
      expirySeconds,
    }
    const before = this.#shelf.get(kept.subject)
    this.#checkRoom(kept, before)
    if (before !== undefined) this.#forget(before)
    this.#shelf.set(kept.subject, kept)
    this.count++
    this.bytes += costOf(kept)
    if (expirySeconds !== NEVER) {
      this.#expiring.set(kept.seq, kept)
      this.#expiry.add(kept.seq, expirySeconds)
    }
    committed?.(undefined)
  }

  remove(subject: Uint8Array, committed?: PublishCommitted): boolean {
    const kept = this.#shelf.get(Buffer.from(subject).toString())
    if (kept !== undefined) this.#take(kept)
    committed?.(undefined)
    return kept !== undefined
  }

  replay(filters: readonly SubjectFilter[], skipsDollar: boolean): RetainedReplay {
    const throughSeq = this.#lastSeq
    const found = this.#matching(filters)
    const isWanted = ({ seq, subject, subjectBytes }: Kept): boolean =>
      seq <= throughSeq &&
      this.#shelf.get(subject)?.seq === seq &&
      !(skipsDollar && beginsWithDollar(subjectBytes))
    return {
      next: (max) => this.#page(found, isWanted, max),
      isNewest: (seq, subject) => this.#shelf.get(Buffer.from(subject).toString())?.seq === seq,
    }
  }

  list(filter: SubjectFilter, max: number): Promise<readonly RetainedMessage[]> {
    return firstOf(this.replay([filter], false), max)
  }

  close(): void {
    this.#expiry.close()
  }

  /** A message takes the room of the one before it. */
  #checkRoom(kept: Kept, before: Kept | undefined): void {
    const { messagesMax, bytesMax } = this.#limits
    const count = this.count + (before === undefined ? 1 : 0)
    const grown = costOf(kept) - (before === undefined ? 0 : costOf(before))
    const isOver = count > messagesMax || (grown > 0 && this.bytes + grown > bytesMax)
    if (isOver) throw retainedFull(this.#limits)
  }

  #forget(kept: Kept): void {
    this.#expiring.delete(kept.seq)
    this.count--
    this.bytes -= costOf(kept)
  }

  #take(kept: Kept): void {
    this.#shelf.delete(kept.subject)
    this.#forget(kept)
  }

  #expire(seqs: readonly number[]): void {
    for (const seq of seqs) {
      const kept = this.#expiring.get(seq)
      if (kept !== undefined) this.#take(kept)
    }
  }

  *#matching(filters: readonly SubjectFilter[]): Generator<Kept | undefined> {
    for (const { subject } of filters) yield* this.#shelf.matching(subject)
  }

  async #page(
    found: Iterator<Kept | undefined>,
    isWanted: (kept: Kept) => boolean,
    max: number,
  ): Promise<readonly RetainedMessage[]> {
    // What is found now is sent in a moment: nothing may be published in between by whoever asked.
    await Promise.resolve()
    for (;;) {
      const page: RetainedMessage[] = []
      let bytes = 0
      for (let steps = STEPS_IN_TURN; steps > 0; steps--) {
        const { done, value: kept } = found.next()
        if (done === true) return page
        const message = kept !== undefined && isWanted(kept) ? this.#shown(kept) : undefined
        if (message === undefined) continue
        page.push(message)
        bytes += message.headers.length + message.payload.length
        if (page.length >= max || bytes >= PAGE_BYTES) return page
      }
      if (page.length > 0) return page
      await new Promise<void>((resolve) => this.#clock.soon(resolve))
    }
  }

  #shown(kept: Kept): RetainedMessage | undefined {
    if (kept.expirySeconds === NEVER) return kept
    const passedMs = this.#clock.monotonicMs() - kept.keptMs
    const expirySeconds = Math.ceil(kept.expirySeconds - passedMs / 1000)
    return expirySeconds <= 0 ? undefined : { ...kept, expirySeconds }
  }
}

function costOf({ subjectBytes, headers, payload }: Kept): number {
  return MESSAGE_OVERHEAD_BYTES + subjectBytes.length + headers.length + payload.length
}
