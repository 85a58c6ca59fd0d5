import { type Cancel, type Clock, SystemClock } from '../../shared/runtime/index.ts'

interface Timer {
  readonly dueMs: number
  readonly fire: () => void
}

/** The machine's clock, which a test moves on by hours: what is due by then fires, once and in its order. */
export class SkippingClock implements Clock {
  readonly #clock = new SystemClock()
  readonly #timers = new Set<Timer>()
  #skippedMs = 0

  wallMs(): number {
    return this.#clock.wallMs() + this.#skippedMs
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs() + this.#skippedMs
  }

  after(delayMs: number, fn: () => void): Cancel {
    const cancel = (): void => {
      stop()
      this.#timers.delete(timer)
    }
    const fire = (): void => {
      cancel()
      fn()
    }
    const timer = { dueMs: this.monotonicMs() + Math.max(delayMs, 0), fire }
    const stop = this.#clock.after(delayMs, fire)
    this.#timers.add(timer)
    return cancel
  }

  soon(fn: () => void): void {
    this.#clock.soon(fn)
  }

  /** What fires finds itself at the end already, as after a machine has slept. */
  skip(ms: number): void {
    this.#skippedMs += ms
    const nowMs = this.monotonicMs()
    const due = [...this.#timers].filter(({ dueMs }) => dueMs <= nowMs)
    for (const timer of due.sort((a, b) => a.dueMs - b.dueMs)) {
      if (this.#timers.has(timer)) timer.fire()
    }
  }
}
