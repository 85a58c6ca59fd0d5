import type { Clock } from '../runtime/index.ts'
import { RESPONSES_MAX } from './limits.ts'

/**
 * `allow_responses` of a leaf's user: what was delivered to the leaf with a reply subject may be
 * answered, so often and for so long, also where the user may not publish. The oldest permission goes
 * when there are too many.
 */
export class LinkResponses {
  readonly #clock: Clock
  readonly #max: number
  readonly #expiresMs: number
  readonly #replies = new Map<string, { left: number; readonly untilMs: number }>()

  constructor(clock: Clock, rule: { readonly max: number; readonly expiresMs: number }) {
    this.#clock = clock
    this.#max = rule.max
    this.#expiresMs = rule.expiresMs
  }

  /** A message with this reply subject goes to the leaf. */
  delivered(reply: string): void {
    if (reply === '') return
    const untilMs =
      this.#expiresMs > 0 ? this.#clock.monotonicMs() + this.#expiresMs : Number.POSITIVE_INFINITY
    const left = this.#max < 0 ? Number.POSITIVE_INFINITY : this.#max
    this.#replies.delete(reply)
    this.#replies.set(reply, { left, untilMs })
    if (this.#replies.size <= RESPONSES_MAX) return
    const [oldest = ''] = this.#replies.keys()
    this.#replies.delete(oldest)
  }

  /** Whether the leaf may publish to `subject`; counts as one answer. */
  takes(subject: Uint8Array): boolean {
    const key = Buffer.from(subject).toString('latin1')
    const reply = this.#replies.get(key)
    if (reply === undefined) return false
    reply.left--
    const isLate = this.#clock.monotonicMs() > reply.untilMs
    if (isLate || reply.left <= 0) this.#replies.delete(key)
    return !isLate
  }
}
