/**
 * What the consumers of a process may deliver in one turn of the loop, all of them together: then sockets have
 * theirs, and whoever has more to deliver stands in line. So the others wait as long beside a thousand
 * consumers that read a whole stream as beside one.
 *
 *     turn      one in line, up to DELIVERY_TURN_BYTES ──▶ whoever is woken, a little at least ──▶ next
 *
 * A turn begins with a first delivery, and no more follow when nobody stands in line.
 */
import type { Clock } from '../../runtime/index.ts'
import { DELIVERY_SHARE_BYTES, DELIVERY_TURN_BYTES } from '../limits.ts'

export class DeliveryTurns {
  /** Of the turn: who remembers it knows whether he has had some of this one. */
  number = 0
  readonly #clock: Clock
  /** One entry for each consumer at most: those wait for it. */
  readonly #line: (() => void)[] = []
  #bytes = 0
  #isRunning = false

  /** Those who share a clock share its turns. */
  static of(clock: Clock): DeliveryTurns {
    const known = TURNS.get(clock)
    if (known !== undefined) return known
    const made = new DeliveryTurns(clock)
    TURNS.set(clock, made)
    return made
  }

  private constructor(clock: Clock) {
    this.#clock = clock
  }

  get isOver(): boolean {
    return this.#bytes >= DELIVERY_TURN_BYTES
  }

  spend(bytes: number): void {
    this.#bytes += bytes
    this.#begin()
  }

  /** Resolves when one may go on. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#line.push(resolve)
      this.#begin()
    })
  }

  #begin(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    this.#clock.soon(this.#turn)
  }

  readonly #turn = (): void => {
    this.number++
    this.#bytes = 0
    const first = this.#line.shift()
    this.#isRunning = first !== undefined
    if (first === undefined) return
    this.#clock.soon(this.#turn)
    first()
  }
}

/**
 * One consumer's share. In a turn that others have used up it still has a little, so that who has a message
 * now and then does not stand in line behind those who read all.
 */
export class DeliveryShare {
  readonly #turns: DeliveryTurns
  #turn = 0
  #bytes = 0

  constructor(clock: Clock) {
    this.#turns = DeliveryTurns.of(clock)
  }

  /** Whether it has to wait for its next turn. */
  get isOver(): boolean {
    const { isOver, number } = this.#turns
    return isOver && this.#turn === number && this.#bytes >= DELIVERY_SHARE_BYTES
  }

  spend(bytes: number): void {
    const { number } = this.#turns
    this.#bytes = this.#turn === number ? this.#bytes + bytes : bytes
    this.#turn = number
    this.#turns.spend(bytes)
  }

  /** Resolves when its turn has come. */
  next(): Promise<void> {
    return this.#turns.next()
  }
}

const TURNS = new WeakMap<Clock, DeliveryTurns>()
