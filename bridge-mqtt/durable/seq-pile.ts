import { SWEEP_CANDIDATES_MAX } from './limits.ts'

/**
 * Sequences that gather, each of them any number of times: thousands of sessions are done with the same message.
 * Adding one costs next to nothing; how many there are is bounded by how many different ones there are.
 */
export class SeqPile {
  #seqs: number[] = []
  #last = 0
  #tidyAt = 2 * SWEEP_CANDIDATES_MAX

  /** Those that are there more than once are counted so. */
  get size(): number {
    return this.#seqs.length
  }

  push(seq: number): void {
    if (seq === this.#last) return
    this.#last = seq
    this.#seqs.push(seq)
    if (this.#seqs.length < this.#tidyAt) return
    this.#seqs = [...rising(this.#seqs)]
    this.#tidyAt = 2 * Math.max(SWEEP_CANDIDATES_MAX, this.#seqs.length)
  }

  clear(): void {
    this.#seqs = []
    this.#last = 0
  }

  /** All of them, once each, rising; none are left. */
  take(): Iterable<number> {
    const seqs = this.#seqs
    this.clear()
    return rising(seqs)
  }
}

function* rising(seqs: readonly number[]): Generator<number> {
  let last = 0
  for (const seq of Float64Array.from(seqs).sort()) {
    if (seq !== last) yield seq
    last = seq
  }
}
