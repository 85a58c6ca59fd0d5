import type { Cancel, Clock } from '../../runtime/index.ts'

/** Finds out when nobody has used a consumer for its `inactive_threshold`. */
export class Inactivity {
  readonly #clock: Clock
  readonly #thresholdMs: () => number
  readonly #isInUse: () => boolean
  readonly #onInactive: () => void
  #activeMs: number
  #cancel: Cancel | undefined
  #isClosed = false

  /**
   * @param thresholdMs 0: it may stay unused for ever
   * @param isInUse somebody uses it without a word
   */
  constructor(
    clock: Clock,
    thresholdMs: () => number,
    isInUse: () => boolean,
    onInactive: () => void,
  ) {
    this.#clock = clock
    this.#thresholdMs = thresholdMs
    this.#isInUse = isInUse
    this.#onInactive = onInactive
    this.#activeMs = clock.monotonicMs()
  }

  /** It was used at that time, which is now. */
  active(nowMs = this.#clock.monotonicMs()): void {
    this.#activeMs = nowMs
  }

  /** Looks anew at what the threshold is, and waits for its end. */
  watch(): void {
    this.#cancel?.()
    const thresholdMs = this.#thresholdMs()
    if (thresholdMs === 0 || this.#isClosed) return
    const idleMs = this.#isInUse() ? 0 : this.#clock.monotonicMs() - this.#activeMs
    this.#cancel = this.#clock.after(Math.max(thresholdMs - idleMs, 1), () => {
      if (this.#clock.monotonicMs() - this.#activeMs >= this.#thresholdMs() && !this.#isInUse()) {
        this.#onInactive()
        // Still there after another while: the disk did not take its removal.
        this.active()
      }
      this.watch()
    })
  }

  close(): void {
    this.#isClosed = true
    this.#cancel?.()
  }
}
