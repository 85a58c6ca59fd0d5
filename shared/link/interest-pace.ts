import { Turns } from '../broker/index.ts'
import type { Clock } from '../runtime/index.ts'
import {
  INTEREST_PER_JOB,
  INTEREST_PER_LOOK,
  INTEREST_PER_TURN,
  PUMP_INTERVAL_MS,
} from './limits.ts'

/** Tells one link of one account's interest, or ends what it asked for, piece by piece. */
export interface Telling {
  /** It can do nothing for now: its link holds as much as it should, or what it tells is being counted. */
  readonly isBusy: boolean
  /** Does so much, and returns how much that was: less when there is no more. */
  tell(count: number): number
}

/**
 * The order in which links that have just come up hear of what there is, and those that are gone are
 * forgotten. A link may have to be told of a million subscriptions, and a thousand links may come at
 * once: so much is told in one turn of the loop over all links together, each in its turn and no longer
 * than the turn lasts, and none of it to a link that is full. Small interest is told at once.
 */
export class InterestPace {
  readonly #clock: Clock
  readonly #turns: Turns
  readonly #perTurn: number
  readonly #perJob: number
  #tellings: Telling[] = []
  /** What may still be told in this turn of the loop. */
  #room: number
  #isScheduled = false

  constructor(clock: Clock, perTurn = INTEREST_PER_TURN, perJob = INTEREST_PER_JOB) {
    this.#clock = clock
    this.#turns = Turns.of(clock)
    this.#perTurn = perTurn
    this.#perJob = perJob
    this.#room = perTurn
  }

  add(telling: Telling): void {
    if (this.#room === 0 || telling.isBusy || this.#give(telling)) this.#tellings.push(telling)
    this.#schedule()
  }

  /** False: it has been told all. */
  #give(telling: Telling): boolean {
    const count = Math.min(this.#room, this.#perJob)
    for (let told = 0; told < count; ) {
      const part = Math.min(count - told, INTEREST_PER_LOOK)
      const done = telling.tell(part)
      told += done
      this.#room -= done
      if (done < part) return false
      if (this.#turns.isOver()) break
    }
    return true
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    const isWaiting = this.#tellings.length > 0 && this.#tellings.every(({ isBusy }) => isBusy)
    const turn = (): boolean => {
      this.#isScheduled = false
      this.#turn()
      return true
    }
    if (isWaiting) this.#clock.after(PUMP_INTERVAL_MS, turn)
    else this.#turns.wait({ owner: this, isLink: true, goOn: turn })
  }

  #turn(): void {
    this.#room = this.#perTurn
    const waiting = this.#tellings
    this.#tellings = []
    let next = 0
    for (; next < waiting.length && this.#room > 0; next++) {
      const telling = waiting[next]
      if (telling === undefined) continue
      if (next > 0 && this.#turns.isOver()) break
      if (telling.isBusy || this.#give(telling)) this.#tellings.push(telling)
    }
    // Those who had nothing this time are the first of the next.
    this.#tellings = [...waiting.slice(next), ...this.#tellings]
    if (this.#tellings.length > 0) this.#schedule()
  }
}
