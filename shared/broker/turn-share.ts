import type { Clock } from '../runtime/index.ts'
import { HEAVY_LOOKS, OVERTIME_MS } from './limits.ts'
import type { Waiting } from './turn-line.ts'
import { Turns } from './turns.ts'
import { UNITS_PER_LOOK, work } from './work.ts'

/** Where a connection's bytes come from. */
export interface Pausable {
  pause(): void
  resume(): void
}

/** Keeps from being understood what was read already. */
export interface InputHold {
  take(): void
  release(): void
}

/** Keeps a parser from understanding what was read, for as long as anybody wants that. */
export class ParserHold implements InputHold {
  readonly #parser: { isHeld: boolean }
  #count = 0

  constructor(parser: { isHeld: boolean }) {
    this.#parser = parser
  }

  take(): void {
    this.#count++
    this.#parser.isHeld = true
  }

  release(): void {
    this.#count--
    this.#parser.isHeld = this.#count > 0
  }
}

/**
 * One connection's share of a turn of the loop. A socket that is full is read again and again before any
 * other, and few bytes may ask for much: a change of interest costs microseconds, a message to 200,000
 * receivers milliseconds. So work is counted as it is done, the clock is looked at now and then, and who
 * finds the turn over reads no further until his own comes, and after OVERTIME_MS does not go on with
 * what he has read either. Nothing of one connection is reordered.
 *
 * One operation is never split. In a turn that others have used up a connection still has its first
 * look free, so that who does little is not stopped for what others do.
 */
export class TurnShare implements Waiting {
  /** '' until it is known whose connection it is: who has not logged in is one of many strangers. */
  owner: unknown = ''
  readonly isLink: boolean
  readonly #turns: Turns
  readonly #input: Pausable
  readonly #hold: InputHold
  #turn = 0
  #isWaiting = false
  #hasWaited = false
  #isHeld = false

  constructor(clock: Clock, input: Pausable, hold: InputHold, isLink = false) {
    this.isLink = isLink
    this.#turns = Turns.of(clock)
    this.#input = input
    this.#hold = hold
  }

  /** Called behind whatever was done for the connection; between its operations, where it can stop. */
  look(): void {
    if (work.units >= UNITS_PER_LOOK) this.#look()
  }

  spend(units: number): void {
    work.units += units
    if (work.units >= UNITS_PER_LOOK) this.#look()
  }

  /** Whether nothing was read for a while since this was asked last: silence then proves nothing. */
  hasWaited(): boolean {
    const had = this.#hasWaited
    this.#hasWaited = this.#isWaiting
    return had
  }

  goOn(): boolean {
    this.#isWaiting = false
    if (this.#isHeld) this.#hold.release()
    this.#isHeld = false
    this.#input.resume()
    return false
  }

  #look(): void {
    const isHeavy = work.units >= HEAVY_LOOKS * UNITS_PER_LOOK
    work.units = 0
    if (this.#isHeld) return
    if (!this.#isWaiting) {
      const isOver = this.#turns.isOver()
      const isFirst = this.#turn !== this.#turns.number
      this.#turn = this.#turns.number
      if (isFirst && (this.#turns.favours(this) || !isHeavy)) return
      if (!isOver) return
      this.#isWaiting = true
      this.#hasWaited = true
      this.#input.pause()
      this.#turns.wait(this)
    }
    if (!isHeavy && !this.#turns.isOver(OVERTIME_MS)) return
    this.#isHeld = true
    this.#hold.take()
  }
}
