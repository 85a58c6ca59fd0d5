import { SWEEP_CANDIDATES_MAX } from './limits.ts'

const PLACES_MIN = 256

/**
 * Sequences that gather, each of them any number of times: thousands of sessions are done with the same message.
 * Adding one costs next to nothing; how many there are is bounded by how many different ones there are.
 */
export class SeqPile {
  #seqs = new Float64Array(PLACES_MIN)
  #size = 0
  #last = 0
  /** Most are done with in the order in which they were stored. */
  #isRising = true
  #tidyAt = 2 * SWEEP_CANDIDATES_MAX

  /** Those that are there more than once are counted so. */
  get size(): number {
    return this.#size
  }

  push(seq: number): void {
    if (seq === this.#last) return
    if (seq < this.#last) this.#isRising = false
    this.#last = seq
    if (this.#size === this.#tidyAt) this.#tidy()
    if (this.#size === this.#seqs.length) this.#grow()
    this.#seqs[this.#size++] = seq
  }

  clear(): void {
    this.#seqs = new Float64Array(PLACES_MIN)
    this.#size = 0
    this.#last = 0
    this.#isRising = true
  }

  /** All of them, once each, rising; none are left. */
  take(): Float64Array {
    this.#size = this.#sortOut(this.#seqs.subarray(0, this.#size))
    const seqs = this.#seqs.subarray(0, this.#size)
    this.clear()
    return seqs
  }

  #tidy(): void {
    this.#size = this.#sortOut(this.#seqs.subarray(0, this.#size))
    this.#tidyAt = 2 * Math.max(SWEEP_CANDIDATES_MAX, this.#size)
  }

  #grow(): void {
    const grown = new Float64Array(2 * this.#seqs.length)
    grown.set(this.#seqs)
    this.#seqs = grown
  }

  /** Brings them into order, once each; returns how many there are. */
  #sortOut(seqs: Float64Array): number {
    if (this.#isRising) return seqs.length
    let count = 0
    for (const seq of seqs.sort()) {
      if (count === 0 || seq !== seqs[count - 1]) seqs[count++] = seq
    }
    return count
  }
}
