import type { Cancel, Clock } from '../../shared/runtime/index.ts'
import { KEEP_ALIVE_GRACE } from '../limits.ts'

/**
 * Closes a client from which nothing came for one and a half keep-alive intervals [MQTT-3.1.2-24].
 * A packet only notes the time; the one timer looks at it when it fires and waits for the rest.
 */
export class KeepAlive {
  readonly #clock: Clock
  readonly #limitMs: number
  readonly #expired: () => void
  #lastMs = 0
  #cancel: Cancel | undefined

  constructor(clock: Clock, keepAliveSeconds: number, expired: () => void) {
    this.#clock = clock
    this.#limitMs = keepAliveSeconds * 1_000 * KEEP_ALIVE_GRACE
    this.#expired = expired
  }

  /** Does nothing for a keep-alive of 0, which turns the mechanism off. */
  start(): void {
    if (this.#limitMs === 0) return
    this.noteActivity()
    this.#arm(this.#limitMs)
  }

  /** When the last packet came; undefined while the mechanism is off. */
  get lastMs(): number | undefined {
    return this.#limitMs === 0 ? undefined : this.#lastMs
  }

  noteActivity(): void {
    if (this.#limitMs !== 0) this.#lastMs = this.#clock.monotonicMs()
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  #arm(delayMs: number): void {
    this.#cancel = this.#clock.after(delayMs, () => {
      const restMs = this.#lastMs + this.#limitMs - this.#clock.monotonicMs()
      if (restMs > 0) this.#arm(restMs)
      else this.#expired()
    })
  }
}
