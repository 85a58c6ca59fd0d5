import type { Clock } from '../runtime/index.ts'

/** `allow_responses`: how many messages to one reply subject, and how long; 0 and less are no limit. */
export interface ResponseRule {
  readonly max: number
  readonly expiresMs: number
}

interface PermittedReply {
  readonly sinceMs: number
  /** Messages that were published to it. */
  count: number
}

/** Where requests that were delivered are to be answered: each is noted, for so many messages and so long. */
export class PermittedReplies {
  readonly #clock: Clock
  readonly #repliesMax: number
  readonly #replies = new Map<string, PermittedReply>()

  /** @param repliesMax so many are known at one time; the oldest gives way */
  constructor(clock: Clock, repliesMax: number) {
    this.#clock = clock
    this.#repliesMax = repliesMax
  }

  note(reply: string, rule: ResponseRule): void {
    this.#replies.delete(reply)
    if (this.#replies.size >= this.#repliesMax) this.#forget(rule)
    this.#replies.set(reply, { sinceMs: this.#clock.monotonicMs(), count: 0 })
  }

  /** Whether a message may be published there, which counts as published then. */
  take(subject: string, rule: ResponseRule): boolean {
    const reply = this.#replies.get(subject)
    if (reply === undefined) return false
    reply.count++
    const isSpent = rule.max > 0 && reply.count > rule.max
    if (!isSpent && !this.#isPast(reply, rule)) return true
    this.#replies.delete(subject)
    return false
  }

  #isPast({ sinceMs }: PermittedReply, { expiresMs }: ResponseRule): boolean {
    return expiresMs > 0 && this.#clock.monotonicMs() - sinceMs > expiresMs
  }

  /** They are in the order of their age: those that are past lead, and the oldest goes in any case. */
  #forget(rule: ResponseRule): void {
    for (const [subject, reply] of this.#replies) {
      if (this.#replies.size < this.#repliesMax && !this.#isPast(reply, rule)) return
      this.#replies.delete(subject)
    }
  }
}
