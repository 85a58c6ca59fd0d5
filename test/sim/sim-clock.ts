import type { Cancel, Clock } from '../../shared/runtime/index.ts'
import type { SimLoop } from './sim-loop.ts'

/** A plausible wall time for the beginning of a run. */
const BEGIN_WALL_MS = Date.UTC(2030, 0, 1)

/** The battery-backed part of a machine's clock: it survives a crash, and may be wrong. */
export class SimWallClock {
  readonly #loop: SimLoop
  #offsetMs = BEGIN_WALL_MS

  constructor(loop: SimLoop) {
    this.#loop = loop
  }

  get nowMs(): number {
    return Math.floor(this.#loop.nowMs + this.#offsetMs)
  }

  /** Steps the clock, as NTP or an operator does; negative goes back. */
  jump(byMs: number): void {
    this.#offsetMs += byMs
  }

  set(wallMs: number): void {
    this.#offsetMs = wallMs - this.#loop.nowMs
  }
}

/** One incarnation's clock: when it dies, nothing that it was asked for happens any more. */
export class SimClock implements Clock {
  readonly #loop: SimLoop
  readonly #wall: SimWallClock
  readonly #source: string
  readonly #bornMs: number
  #isDead = false

  constructor(loop: SimLoop, wall: SimWallClock, source: string) {
    this.#loop = loop
    this.#wall = wall
    this.#source = source
    this.#bornMs = loop.nowMs
  }

  wallMs(): number {
    return this.#wall.nowMs
  }

  monotonicMs(): number {
    return this.#loop.nowMs - this.#bornMs
  }

  /** As Node's timers: no delay is shorter than 1 ms. */
  after(delayMs: number, fn: () => void): Cancel {
    return this.#loop.after(Math.max(1, delayMs), `${this.#source} timer`, () => {
      if (!this.#isDead) fn()
    })
  }

  soon(fn: () => void): void {
    this.#loop.after(0, `${this.#source} soon`, () => {
      if (!this.#isDead) fn()
    })
  }

  die(): void {
    this.#isDead = true
  }
}
