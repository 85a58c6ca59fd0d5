import type { StoredMessage } from '../../store/index.ts'
import { REPLAY_LATENESS_MS } from '../limits.ts'

/** Delivers at the pace of the stored times what was there when the consumer began: `replay_policy: original`. */
export class ReplayPace {
  readonly #throughSeq: number
  #lastTimeMs = 0
  #lastAtMs = 0

  constructor(throughSeq: number) {
    this.#throughSeq = throughSeq
  }

  /** How long the next message has to wait yet; undefined: the past is over. */
  delayMs({ seq, timeMs }: StoredMessage, nowMs: number): number | undefined {
    if (seq > this.#throughSeq) return undefined
    if (this.#lastTimeMs === 0) return 0
    return this.#lastAtMs + (timeMs - this.#lastTimeMs) - nowMs
  }

  delivered({ timeMs }: StoredMessage, nowMs: number): void {
    // Counted from when the one before was due, or a timer's lateness would add up; but who was held
    // up for longer than that does not get it all at once.
    const dueMs = this.#lastAtMs + (timeMs - this.#lastTimeMs)
    const isLate = this.#lastTimeMs === 0 || nowMs - dueMs > REPLAY_LATENESS_MS
    this.#lastAtMs = isLate ? nowMs : dueMs
    this.#lastTimeMs = timeMs
  }
}
