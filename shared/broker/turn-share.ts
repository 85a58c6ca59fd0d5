import type { Clock } from '../runtime/index.ts'
import { INTEREST_CHANGES_PER_TURN } from './limits.ts'

/** Stops and restarts what a client says, or another server over a link. */
export interface Pausable {
  pause(): void
  resume(): void
}

/**
 * One client's share of a turn of the loop. A change of interest costs microseconds, and a socket that
 * is full is read again and again before any other: a client with a million subscriptions would keep
 * everybody else waiting for seconds, and so would a link that tells of them. After so many changes it waits
 * until the others had their turn.
 */
export class TurnShare {
  readonly #clock: Clock
  readonly #client: Pausable
  #left = INTEREST_CHANGES_PER_TURN

  constructor(clock: Clock, client: Pausable) {
    this.#clock = clock
    this.#client = client
  }

  spend(): void {
    if (--this.#left > 0) return
    this.#left = INTEREST_CHANGES_PER_TURN
    this.#client.pause()
    this.#clock.soon(() => this.#client.resume())
  }
}
