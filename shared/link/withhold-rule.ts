import type { Message } from '../broker/index.ts'
import { WITHHOLD_CACHE_MAX } from './limits.ts'

/**
 * "One subject, one road": a message that a buffer captures crosses by sync alone, so the live link
 * must not carry it as well. The rule is asked once per subject and its answers are remembered, up to
 * WITHHOLD_CACHE_MAX of them. What came from a hub is not born here: no buffer captures it.
 */
export class WithholdRule {
  readonly #rule: (subject: string) => boolean
  readonly #answers = new Map<string, boolean>()

  constructor(rule: (subject: string) => boolean) {
    this.#rule = rule
  }

  applies(message: Message): boolean {
    if (message.origin.kind === 'uplink') return false
    const { subject } = message
    const known = this.#answers.get(subject)
    if (known !== undefined) return known
    if (this.#answers.size >= WITHHOLD_CACHE_MAX) this.#answers.clear()
    const answer = this.#rule(subject)
    this.#answers.set(subject, answer)
    return answer
  }

  /** The rule has changed. */
  forget(): void {
    this.#answers.clear()
  }
}
