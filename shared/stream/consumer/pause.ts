/**
 * `pause_until` of a consumer: until that time, by the wall clock, it delivers nothing. Heartbeats and
 * expiries go on meanwhile.
 */
import type { Cancel, Clock } from '../../runtime/index.ts'
import { durationNs, parseTime } from '../timestamp.ts'

export class Pause {
  readonly #clock: Clock
  readonly #onEnd: () => void
  #untilMs = 0
  #cancel: Cancel | undefined

  /** @param onEnd called when its time is over, not when it is lifted */
  constructor(clock: Clock, onEnd: () => void) {
    this.#clock = clock
    this.#onEnd = onEnd
  }

  get isPaused(): boolean {
    return this.#clock.wallMs() < this.#untilMs
  }

  /** 0: none. */
  get untilMs(): number {
    return this.#untilMs
  }

  get remainingMs(): number {
    return Math.max(0, this.#untilMs - this.#clock.wallMs())
  }

  /** @param until RFC 3339. Returns whether that is another time than before. */
  set(until: string | undefined): boolean {
    const untilMs = until === undefined ? 0 : (parseTime(until) ?? 0)
    if (untilMs === this.#untilMs) return false
    this.#untilMs = untilMs
    this.#wait()
    return true
  }

  close(): void {
    this.#cancel?.()
  }

  /** As CONSUMER.INFO shows it. */
  info(): { readonly paused?: true; readonly pause_remaining?: number } {
    if (!this.isPaused) return {}
    return { paused: true, pause_remaining: durationNs(this.remainingMs) }
  }

  #wait(): void {
    this.#cancel?.()
    this.#cancel = undefined
    if (!this.isPaused) return
    this.#cancel = this.#clock.after(this.remainingMs, () => {
      // The wall clock may have been set back meanwhile.
      if (this.isPaused) this.#wait()
      else this.#onEnd()
    })
  }
}
