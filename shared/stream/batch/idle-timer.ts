import type { Cancel, Clock } from '../../runtime/index.ts'

/** Calls once when nobody touched it for long enough; a touch costs no timer. */
export class IdleTimer {
  readonly #clock: Clock
  readonly #idleMs: number
  readonly #onIdle: () => void
  #touchedMs: number
  #cancel: Cancel

  constructor(clock: Clock, idleMs: number, onIdle: () => void) {
    this.#clock = clock
    this.#idleMs = idleMs
    this.#onIdle = onIdle
    this.#touchedMs = clock.monotonicMs()
    this.#cancel = clock.after(idleMs, () => this.#due())
  }

  touch(): void {
    this.#touchedMs = this.#clock.monotonicMs()
  }

  stop(): void {
    this.#cancel()
  }

  #due(): void {
    const leftMs = this.#touchedMs + this.#idleMs - this.#clock.monotonicMs()
    if (leftMs <= 0) this.#onIdle()
    else this.#cancel = this.#clock.after(leftMs, () => this.#due())
  }
}
