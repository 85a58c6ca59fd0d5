import type { Cancel, Clock } from '../../shared/runtime/index.ts'

/** A clock that a test moves: timers fire in `advance`, the next turn is a real one. */
export class StoreClock implements Clock {
  wall = Date.UTC(2030, 0, 1)
  #monotonic = 0
  readonly #timers = new Map<symbol, { readonly atMs: number; readonly fn: () => void }>()

  wallMs(): number {
    return this.wall
  }

  monotonicMs(): number {
    return this.#monotonic
  }

  after(delayMs: number, fn: () => void): Cancel {
    const key = Symbol('timer')
    this.#timers.set(key, { atMs: this.#monotonic + delayMs, fn })
    return () => this.#timers.delete(key)
  }

  soon(fn: () => void): void {
    setImmediate(fn)
  }

  /** Moves both clocks on and fires what became due, in order. */
  advance(ms: number): void {
    const untilMs = this.#monotonic + ms
    for (;;) {
      const due = [...this.#timers].sort(([, a], [, b]) => a.atMs - b.atMs)[0]
      if (due === undefined || due[1].atMs > untilMs) break
      this.#timers.delete(due[0])
      const stepMs = Math.max(0, due[1].atMs - this.#monotonic)
      this.#monotonic += stepMs
      this.wall += stepMs
      due[1].fn()
    }
    this.wall += untilMs - this.#monotonic
    this.#monotonic = untilMs
  }
}

/** Lets simulated disk operations go on until nothing more happens. */
export async function settle(turns = 60): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise<void>((resolve) => setImmediate(resolve))
}
