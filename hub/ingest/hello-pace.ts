import type { Clock } from '../../shared/runtime/index.ts'
import { HELLOS_PER_SECOND_MAX } from './limits.ts'

/** Spreads the hellos of a fleet that comes back at once: a bucket that refills with time. */
export class HelloPace {
  readonly #clock: Clock
  #tokens = HELLOS_PER_SECOND_MAX
  #filledAtMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#filledAtMs = clock.monotonicMs()
  }

  /** False when the leaf should come back later. */
  take(): boolean {
    const nowMs = this.#clock.monotonicMs()
    const refill = ((nowMs - this.#filledAtMs) / 1_000) * HELLOS_PER_SECOND_MAX
    this.#tokens = Math.min(HELLOS_PER_SECOND_MAX, this.#tokens + refill)
    this.#filledAtMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
