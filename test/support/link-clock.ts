import type { Cancel, Clock } from '../../shared/runtime/index.ts'

/** Time that passes only when a test says so. */
export class LinkClock implements Clock {
  #nowMs = 0
  readonly #timers = new Set<{ readonly dueMs: number; readonly fn: () => void }>()

  wallMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, fn: () => void): Cancel {
    const timer = { dueMs: this.#nowMs + Math.max(0, delayMs), fn }
    this.#timers.add(timer)
    return () => {
      this.#timers.delete(timer)
    }
  }

  soon(fn: () => void): void {
    this.after(0, fn)
  }

  /** Lets time pass, timers in their order. */
  pass(ms: number): void {
    const end = this.#nowMs + ms
    for (;;) {
      const [next] = [...this.#timers].sort((a, b) => a.dueMs - b.dueMs)
      if (next === undefined || next.dueMs > end) break
      this.#timers.delete(next)
      this.#nowMs = next.dueMs
      next.fn()
    }
    this.#nowMs = end
  }
}
