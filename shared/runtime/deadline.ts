import type { Cancel, Clock } from './clock.ts'

/** One timer for many times: set to the earliest of them, and set again when that has come. */
export class Deadline {
  readonly #clock: Clock
  readonly #nextMs: () => number
  readonly #onDue: (nowMs: number) => void
  #atMs = Number.POSITIVE_INFINITY
  #cancel: Cancel | undefined
  #isClosed = false

  /** @param nextMs when something may fall due at the earliest, monotonic; Infinity for never */
  constructor(clock: Clock, nextMs: () => number, onDue: (nowMs: number) => void) {
    this.#clock = clock
    this.#nextMs = nextMs
    this.#onDue = onDue
  }

  /** There may be an earlier time. Cheap when there is not. */
  arm(): void {
    const nextMs = this.#nextMs()
    if (nextMs >= this.#atMs || this.#isClosed) return
    this.#cancel?.()
    this.#atMs = nextMs
    const delayMs = Math.max(1, nextMs - this.#clock.monotonicMs())
    this.#cancel = this.#clock.after(delayMs, () => {
      this.#atMs = Number.POSITIVE_INFINITY
      this.#onDue(this.#clock.monotonicMs())
      this.arm()
    })
  }

  /** Nothing is waited for until the next `arm`. */
  disarm(): void {
    this.#cancel?.()
    this.#atMs = Number.POSITIVE_INFINITY
  }

  close(): void {
    this.#isClosed = true
    this.disarm()
  }
}
