import type { Clock } from '../../shared/runtime/index.ts'
import { BATCH_BYTES_MAX, BATCH_BYTES_MIN } from '../../shared/sync/index.ts'
import { BATCH_RAISE_MS } from './limits.ts'

/**
 * How large a batch may be on the way to the home. Something between may take less than the home
 * says, and drop what is larger without a word. So after a batch without an answer that was larger than any
 * that was answered the next ones are half as large, and after a while larger ones are tried again. A
 * batch of a size that was answered before says that the link was dead, not that it was too large; when
 * the same happens again there may be another road, which takes less.
 */
export class BatchSize {
  readonly #clock: Clock
  #bytes = BATCH_BYTES_MAX
  #answeredMax = 0
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

  /** A batch of this size got through. */
  answered(bytes: number): void {
    this.#answeredMax = Math.max(this.#answeredMax, bytes)
  }

  /** A batch of this size had no answer in time. */
  unanswered(bytes: number): void {
    // Small ones get through anywhere.
    if (bytes <= BATCH_BYTES_MIN) return
    if (bytes <= this.#answeredMax) {
      this.#answeredMax = 0
      return
    }
    this.#bytes = Math.max(BATCH_BYTES_MIN, Math.min(this.#bytes, Math.floor(bytes / 2)))
    this.#changedMs = this.#clock.monotonicMs()
  }
}
