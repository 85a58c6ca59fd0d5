import type { Clock } from '../runtime/index.ts'
import { PIECES_AT_ONCE, PIECES_PER_LOOK, TURN_MS } from './limits.ts'
import { TurnLine, type Waiting } from './turn-line.ts'
import { work } from './work.ts'

/**
 * Turns of the event loop, and who has one. Whatever takes long stops when the turn is over and
 * stands in line; each turn is one of those, so that they alternate however many there are: the
 * accounts in turn (see TurnLine), and every second turn a link's, which stands for all who are behind it. Everybody
 * else is served in each turn: they wait no longer than one turn takes, and those who only come to take long share
 * what is left of it.
 *
 *     turn      one in line, up to TURN_MS ──▶ sockets that have something, up to their first look ──▶ next
 *
 * A turn begins when somebody takes long, and no more follow when nobody stands in line: a server with
 * little to do has none.
 */
export class Turns {
  /** Of the turn: who remembers it knows whether he has had some of this one. */
  number = 0
  readonly #clock: Clock
  #endsMs = 0
  #isRunning = false
  readonly #clients = new TurnLine()
  readonly #links = new TurnLine()
  /** By owner: what is done in pieces, each by its next one. */
  readonly #unfinished = new Map<string, Set<() => boolean>>()
  #wasLink = false
  #favoured: Waiting | undefined

  /** Those who share a clock share its turns: a process has one. */
  static of(clock: Clock): Turns {
    const known = TURNS.get(clock)
    if (known !== undefined) return known
    const made = new Turns(clock)
    TURNS.set(clock, made)
    return made
  }

  private constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether the turn is over, since so long; begins one when there is none. */
  isOver(sinceMs = 0): boolean {
    if (!this.#isRunning) this.#begin()
    return this.#clock.monotonicMs() - sinceMs >= this.#endsMs
  }

  /** Whether the turn is that of `one`: it lasts from now on, since what was before it belonged to others. */
  favours(one: Waiting): boolean {
    if (one !== this.#favoured) return false
    this.#favoured = undefined
    this.#endsMs = this.#clock.monotonicMs() + TURN_MS
    return true
  }

  wait(one: Waiting): void {
    if (one.isLink) this.#links.push(one)
    else this.#clients.push(one)
    if (!this.#isRunning) this.#begin()
  }

  /**
   * Does one piece after another until `next` says that there is none: some at once, and the rest in
   * turns of the loop. It counts for nobody: whoever it is done for has gone, or waits for its end. All that an owner
   * has to be done in pieces stands in line as one: when a thousand clients have gone, who is still there waits for
   * one turn and not for a thousand.
   *
   * @param atOnce pieces that are done though the turn is over: none where very many begin in one turn
   */
  doInPieces(owner: string, next: () => boolean, atOnce = PIECES_AT_ONCE): void {
    if (this.#isDone(next, atOnce)) return
    const unfinished = this.#unfinished.get(owner)
    if (unfinished !== undefined) {
      unfinished.add(next)
      return
    }
    const begun = new Set([next])
    this.#unfinished.set(owner, begun)
    this.#waitForRest(owner, begun)
  }

  #waitForRest(owner: string, unfinished: Set<() => boolean>): void {
    const goOn = (): boolean => {
      // Who is not done with this turn comes behind all others.
      for (const next of unfinished) {
        unfinished.delete(next)
        if (!this.#isDone(next, PIECES_PER_LOOK)) unfinished.add(next)
        if (this.isOver()) break
      }
      if (unfinished.size > 0) this.#waitForRest(owner, unfinished)
      else this.#unfinished.delete(owner)
      return true
    }
    this.wait({ owner, isLink: false, goOn })
  }

  #isDone(next: () => boolean, atLeast: number): boolean {
    const { units } = work
    const isDone = this.#doPieces(next, atLeast)
    work.units = units
    return isDone
  }

  #doPieces(next: () => boolean, atLeast: number): boolean {
    for (let count = atLeast; ; count = PIECES_PER_LOOK) {
      for (let i = 0; i < count; i++) if (!next()) return true
      if (this.isOver()) return false
    }
  }

  #begin(): void {
    this.#isRunning = true
    this.#startTurn()
    this.#clock.soon(this.#next)
  }

  #startTurn(): void {
    this.number++
    this.#endsMs = this.#clock.monotonicMs() + TURN_MS
  }

  readonly #next = (): void => {
    this.#favoured = undefined
    const waiting = this.#clients.size + this.#links.size
    if (waiting === 0) {
      this.#isRunning = false
      return
    }
    this.#startTurn()
    // No more than there are now: who stands in line again mostly has to wait for the next turn.
    for (let left = waiting; left > 0; left--) {
      this.#favoured = this.#take()
      const isFree = this.#favoured?.goOn() ?? true
      if (!isFree || this.isOver()) break
    }
    this.#clock.soon(this.#next)
  }

  #take(): Waiting | undefined {
    const link = this.#wasLink && this.#clients.size > 0 ? undefined : this.#links.shift()
    this.#wasLink = link !== undefined
    return link ?? this.#clients.shift()
  }
}

const TURNS = new WeakMap<Clock, Turns>()
