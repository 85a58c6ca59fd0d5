import type { Clock } from '../../shared/runtime/index.ts'
import { TURN_MESSAGES, TURN_MESSAGES_MAX, TURN_MESSAGES_MIN } from './limits.ts'

/** Who may have more to send than one turn allows. */
export interface Sender {
  /** In the queue of those who go on in the next turn. */
  isQueued: boolean
  pump(): void
}

/**
 * The turns of sessions that have much to send: together they send a bounded number of messages, and then
 * sockets are read and written. Alone one session may send as fast as publishers bring; the more there are,
 * the less each has, and the longest waiting come first.
 */
export class DeliveryTurns {
  readonly #clock: Clock
  #queue: Sender[] = []
  #isPromised = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Messages that one session may send now. */
  get share(): number {
    const share = Math.floor(TURN_MESSAGES / (this.#queue.length + 1))
    return Math.min(Math.max(share, TURN_MESSAGES_MIN), TURN_MESSAGES_MAX)
  }

  /** It has sent its share, and goes on in a later turn. */
  enqueue(sender: Sender): void {
    if (sender.isQueued) return
    sender.isQueued = true
    this.#queue.push(sender)
    this.#promise()
  }

  #promise(): void {
    if (this.#isPromised) return
    this.#isPromised = true
    this.#clock.soon(() => this.#take())
  }

  #take(): void {
    this.#isPromised = false
    const turn = this.#queue.slice(0, TURN_MESSAGES / TURN_MESSAGES_MIN)
    this.#queue = this.#queue.slice(turn.length)
    for (const sender of turn) sender.isQueued = false
    for (const sender of turn) sender.pump()
    if (this.#queue.length > 0) this.#promise()
  }
}
