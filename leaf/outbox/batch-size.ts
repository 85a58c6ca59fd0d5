import type { Clock } from '../../shared/runtime/index.ts'
import { BATCH_BYTES_MAX, BATCH_BYTES_MIN } from '../../shared/sync/index.ts'
import { BATCH_RAISE_MS } from './limits.ts'

/**
 * How large a batch may be on the way to the home. Something between may take less than the home
 * says, and drop what is larger without a word: after a batch without an answer the next ones are half
 * as large, and after a while larger ones are tried again.
 */
export class BatchSize {
  readonly #clock: Clock
  #bytes = BATCH_BYTES_MAX
  #changedMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get bytes(): number {
    const nowMs = this.#clock.monotonicMs()
    if (this.#bytes < BATCH_BYTES_MAX && nowMs - this.#changedMs >= BATCH_RAISE_MS) {
      this.#bytes = Math.min(BATCH_BYTES_MAX, 2 * this.#bytes)
      this.#changedMs = nowMs
    }
    return this.#bytes
  }

  /** A batch of this size had no answer in time. */
  unanswered(bytes: number): void {
    this.#bytes = Math.max(BATCH_BYTES_MIN, Math.min(this.#bytes, Math.floor(bytes / 2)))
    this.#changedMs = this.#clock.monotonicMs()
  }
}
