/**
 * Feeds ask their origins a few in each turn of the event loop, those of all streams of a store together: a
 * stream may have thousands of sources, and an origin that is here answers within the call.
 */
import type { Cancel, Clock } from '../../runtime/index.ts'
import type { Store } from '../../store/index.ts'
import { ASKS_PER_TURN } from './limits.ts'

export class AskLine {
  readonly #clock: Clock
  readonly #waiting = new Set<() => void>()
  #left = ASKS_PER_TURN
  #isArmed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Calls `ask` at once while there is room in this turn, else in one that comes. */
  enter(ask: () => void): Cancel {
    this.#arm()
    if (this.#left > 0 && this.#waiting.size === 0) {
      this.#left--
      ask()
      return () => {}
    }
    this.#waiting.add(ask)
    return () => this.#waiting.delete(ask)
  }

  #arm(): void {
    if (this.#isArmed) return
    this.#isArmed = true
    this.#clock.soon(() => this.#next())
  }

  #next(): void {
    this.#isArmed = false
    this.#left = ASKS_PER_TURN
    for (const ask of this.#waiting) {
      if (this.#left-- <= 0) break
      this.#waiting.delete(ask)
      ask()
    }
    this.#left = Math.max(0, this.#left)
    if (this.#left < ASKS_PER_TURN || this.#waiting.size > 0) this.#arm()
  }
}

/** One for all streams of a store. */
export function askLineOf(root: Store, clock: Clock): AskLine {
  const line = LINES.get(root) ?? new AskLine(clock)
  LINES.set(root, line)
  return line
}

const LINES = new WeakMap<Store, AskLine>()
