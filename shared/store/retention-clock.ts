/**
 * The time by which messages age. A wall clock that jumps must not delete a stream:
 *
 * - a wall clock before 2024 has not learned the time: nothing ages;
 * - a jump forward against the monotonic clock is believed when it has lasted for ten minutes; until
 *   then time goes on from where it was;
 * - at start there is only the newest record to compare with, so a clock that is more than 30 days
 *   ahead of it must last in the same way;
 * - a jump back is believed at once: it deletes less, not more.
 */
import type { Clock } from '../runtime/index.ts'
import { PLAUSIBLE_WALL_MS } from '../runtime/index.ts'
import { CLOCK_JUMP_MS, CLOCK_SETTLE_MS, CLOCK_START_JUMP_MS } from './limits.ts'

interface Reading {
  readonly wallMs: number
  readonly monotonicMs: number
}

export class RetentionClock {
  readonly #clock: Clock
  readonly #newestMs: () => number
  #trusted: Reading | undefined
  /** The first reading after a jump that is not believed yet. */
  #jump: Reading | undefined

  /** @param newestMs the time of the newest record in the store, 0 when there is none */
  constructor(clock: Clock, newestMs: () => number) {
    this.#clock = clock
    this.#newestMs = newestMs
  }

  /** undefined while no time can be trusted. */
  nowMs(): number | undefined {
    const now = { wallMs: this.#clock.wallMs(), monotonicMs: this.#clock.monotonicMs() }
    if (now.wallMs < PLAUSIBLE_WALL_MS) return this.#hold(now)
    const leadMs = now.wallMs - this.#expectedMs(now)
    const jumpMs = this.#trusted === undefined ? CLOCK_START_JUMP_MS : CLOCK_JUMP_MS
    if (leadMs <= jumpMs || this.#hasSettled(now)) {
      this.#trusted = now
      this.#jump = undefined
      return now.wallMs
    }
    return this.#hold(now)
  }

  #hold(now: Reading): number | undefined {
    return this.#trusted === undefined ? undefined : this.#expectedMs(now)
  }

  #expectedMs(now: Reading): number {
    if (this.#trusted !== undefined) {
      return this.#trusted.wallMs + (now.monotonicMs - this.#trusted.monotonicMs)
    }
    const newestMs = this.#newestMs()
    return newestMs < PLAUSIBLE_WALL_MS ? now.wallMs : newestMs
  }

  /** A second jump starts the wait anew. */
  #hasSettled(now: Reading): boolean {
    const jump = this.#jump
    const elapsedMs = jump === undefined ? 0 : now.monotonicMs - jump.monotonicMs
    const isSteady =
      jump !== undefined && Math.abs(now.wallMs - jump.wallMs - elapsedMs) <= CLOCK_JUMP_MS
    if (!isSteady) this.#jump = now
    return isSteady && elapsedMs >= CLOCK_SETTLE_MS
  }
}
