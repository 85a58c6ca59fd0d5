import type { Random } from '../runtime/index.ts'

/**
 * Decorrelated jitter: each wait is drawn between the base and three times the last one. Thousands
 * of leaves that lost one hub at the same moment come back spread out, and stay spread out. Source:
 * "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
const GROWTH = 3

export class Backoff {
  readonly #random: Random
  readonly #baseMs: number
  readonly #maxMs: number
  #lastMs: number

  constructor(random: Random, baseMs: number, maxMs: number) {
    this.#random = random
    this.#baseMs = baseMs
    this.#maxMs = maxMs
    this.#lastMs = baseMs
  }

  nextMs(): number {
    const upperMs = Math.min(this.#lastMs * GROWTH, this.#maxMs)
    this.#lastMs = this.#baseMs + this.#random.float() * Math.max(0, upperMs - this.#baseMs)
    return this.#lastMs
  }

  reset(): void {
    this.#lastMs = this.#baseMs
  }
}
