import type { Cancel, Clock } from '../../../runtime/index.ts'

/** Calls `beat` whenever nothing was sent for a while. Sending costs no timer, only a time noted. */
export class IdleHeartbeat {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #beat: () => void
  #sentMs: number
  #cancel: Cancel | undefined
  #isStopped = false

  constructor(clock: Clock, intervalMs: number, beat: () => void) {
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.#beat = beat
    this.#sentMs = clock.monotonicMs()
    this.#arm(intervalMs)
  }

  sent(): void {
    this.#sentMs = this.#clock.monotonicMs()
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
  }

  #arm(delayMs: number): void {
    this.#cancel = this.#clock.after(delayMs, () => {
      const nowMs = this.#clock.monotonicMs()
      const leftMs = this.#sentMs + this.#intervalMs - nowMs
      // A timer may come a fraction early.
      if (leftMs < 1) {
        this.#sentMs = nowMs
        this.#beat()
      }
      if (!this.#isStopped) this.#arm(leftMs < 1 ? this.#intervalMs : leftMs)
    })
  }
}
