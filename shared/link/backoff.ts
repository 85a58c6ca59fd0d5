import type { Random } from '../runtime/index.ts'

/**
 * Decorrelated jitter: the first wait is at most the base, and each later one is drawn between the base
 * and three times the last. Thousands of leaves that lost one hub at the same moment come back spread
 * out, and stay spread out. Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
const GROWTH = 3
const FIRST_LEAST = 0.5

export class Backoff {
  readonly #random: Random
  readonly #baseMs: number
  readonly #maxMs: number
  /** 0: nothing has been waited for yet. */
  #lastMs = 0

  constructor(random: Random, baseMs: number, maxMs: number) {
    this.#random = random
    this.#baseMs = baseMs
    this.#maxMs = maxMs
  }

  nextMs(): number {
    const drawn = this.#random.float()
    if (this.#lastMs === 0) {
      this.#lastMs = this.#baseMs
      return this.#baseMs * (FIRST_LEAST + drawn * (1 - FIRST_LEAST))
    }
    const upperMs = Math.min(this.#lastMs * GROWTH, this.#maxMs)
    this.#lastMs = this.#baseMs + drawn * Math.max(0, upperMs - this.#baseMs)
    return this.#lastMs
  }

  reset(): void {
    this.#lastMs = 0
  }
}
