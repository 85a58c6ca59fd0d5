import { type Cancel, type Clock, PLAUSIBLE_WALL_MS } from '../shared/runtime/index.ts'

/**
 * The clock of a gateway that may have none: it boots in 1970 and no time server is in sight. Once
 * the hub has told the time, wall time is the hub's from there on, so that the store can repair the
 * times of what was stored before. A clock that knows the time itself is believed, whatever it says.
 */
export class HubTaughtClock implements Clock {
  readonly #clock: Clock
  #shiftMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Returns what this clock is off the hub's, in ms; 0 when it has just been set by it. */
  learn(hubWallMs: number): number {
    if (this.#clock.wallMs() >= PLAUSIBLE_WALL_MS) return hubWallMs - this.#clock.wallMs()
    this.#shiftMs = hubWallMs - this.#clock.wallMs()
    return 0
  }

  wallMs(): number {
    const wallMs = this.#clock.wallMs()
    return wallMs >= PLAUSIBLE_WALL_MS ? wallMs : wallMs + this.#shiftMs
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs()
  }

  after(delayMs: number, fn: () => void): Cancel {
    return this.#clock.after(delayMs, fn)
  }

  soon(fn: () => void): void {
    this.#clock.soon(fn)
  }
}
