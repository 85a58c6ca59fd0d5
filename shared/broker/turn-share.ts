import type { Clock } from '../runtime/index.ts'
import { HEAVY_LOOKS } from './limits.ts'
import { Turns, type Waiting } from './turns.ts'
import { UNITS_PER_LOOK, work } from './work.ts'

/** Stops and restarts what a client says, or another server over a link. */
export interface Pausable {
  pause(): void
  resume(): void
}

/**
 * One connection's share of a turn of the loop. A socket that is full is read again and again before any
 * other, and few bytes may ask for much: a change of interest costs microseconds, a message to 200,000
 * receivers milliseconds. So work is counted as it is done, the clock is looked at now and then, and who
 * finds the turn over reads no further until his own comes: nothing of one connection is reordered.
 *
 * One operation is never split. In a turn that others have used up a connection still has its first
 * look free, so that who does little is not stopped for what others do.
 */
export class TurnShare implements Waiting {
  readonly #turns: Turns
  readonly #connection: Pausable
  #turn = 0
  #isWaiting = false

  constructor(clock: Clock, connection: Pausable) {
    this.#turns = Turns.of(clock)
    this.#connection = connection
  }

  /** Called behind whatever was done for the connection; between its operations, where it can stop. */
  look(): void {
    if (work.units >= UNITS_PER_LOOK) this.#look()
  }

  spend(units: number): void {
    work.units += units
    if (work.units >= UNITS_PER_LOOK) this.#look()
  }

  goOn(): boolean {
    this.#isWaiting = false
    this.#connection.resume()
    return false
  }

  #look(): void {
    const isHeavy = work.units >= HEAVY_LOOKS * UNITS_PER_LOOK
    work.units = 0
    if (this.#isWaiting) return
    const isOver = this.#turns.isOver()
    const isFirst = this.#turn !== this.#turns.number
    this.#turn = this.#turns.number
    if (isFirst && (this.#turns.favours(this) || !isHeavy)) return
    if (!isOver) return
    this.#isWaiting = true
    this.#connection.pause()
    this.#turns.wait(this)
  }
}
