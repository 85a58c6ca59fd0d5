import type { Cancel, Clock } from '../../shared/runtime/index.ts'

/** A clock that stands still until the test moves it. */
export class ManualClock implements Clock {
  /** Wall time when it was made. */
  wallBeginMs = Date.UTC(2030, 0, 1)
  #nowMs = 0
  #timers: { readonly atMs: number; readonly fn: () => void }[] = []

  get timers(): number {
    return this.#timers.length
  }

  wallMs(): number {
    return this.wallBeginMs + this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, fn: () => void): Cancel {
    const timer = { atMs: this.#nowMs + delayMs, fn }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  soon(fn: () => void): void {
    this.after(0, fn)
  }

  /** Moves on by `ms`, firing what is due on the way, in order. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms
    for (;;) {
      const due = this.#timers.filter((timer) => timer.atMs <= endMs)
      const next = due.sort((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined) break
      this.#timers = this.#timers.filter((timer) => timer !== next)
      this.#nowMs = next.atMs
      next.fn()
    }
    this.#nowMs = endMs
  }
}
