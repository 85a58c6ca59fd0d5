import { type InputHold, type Pausable, TurnShare, Turns } from '../../shared/broker/index.ts'
import type { Clock } from '../../shared/runtime/index.ts'
import type { Channel } from '../../shared/transport/index.ts'

/** Why nothing is read from a device for a while: each reason is given and taken back by itself. */
const WAITS = {
  /** It has sent as much as may be unanswered. */
  full: 1,
  /** Somebody is asked who it is; meanwhile it must be noticed when it gives up. */
  login: 2,
  /** Others have their turn of the loop. */
  turn: 4,
  /** It publishes faster than it may. */
  rate: 8,
  /** A long request of its own is being read. */
  reading: 16,
  /** A long request of its own is being done. */
  request: 32,
  /** Nothing that it sends is looked at any more. */
  deaf: 64,
} as const

export type Wait = keyof typeof WAITS

/** For these nothing more is looked at of what was read already, either. */
const STOPPING = WAITS.login | WAITS.rate | WAITS.reading | WAITS.request | WAITS.deaf

export interface GateOwner {
  /** Reading is about to go on. */
  inputOpened(): void
}

/** The input of one connection: open when nothing keeps it closed. Its turn's share closes it too. */
export class InputGate implements Pausable, InputHold {
  readonly turn: TurnShare
  readonly #clock: Clock
  readonly #channel: Channel
  readonly #owner: GateOwner
  /** Those of `WAITS` that keep it closed. */
  #waits = 0
  #isHeld = false

  constructor(clock: Clock, channel: Channel, owner: GateOwner) {
    this.#clock = clock
    this.#channel = channel
    this.#owner = owner
    this.turn = new TurnShare(clock, this, this)
  }

  get isClosed(): boolean {
    return this.#waits > 0
  }

  /** Asked behind each acknowledgement, as `isDeaf` is: by its own name, which is quicker than by a table. */
  get isFull(): boolean {
    return (this.#waits & WAITS.full) !== 0
  }

  /** Whatever comes is not looked at any more; answers still leave. */
  get isDeaf(): boolean {
    return (this.#waits & WAITS.deaf) !== 0
  }

  /** Whether the next packet may be looked at, when it has been read already. */
  get isPassing(): boolean {
    return !this.#isHeld && (this.#waits & STOPPING) === 0
  }

  /**
   * Does what one packet asks for piece by piece: a SUBSCRIBE may name a hundred thousand filters, and each is work.
   * Few are done at once. For more the loop goes on to others in between, and what the client sends next waits,
   * so that its packets are done in their order. True when all is done as this returns.
   *
   * @param owner the account, which shares its turns
   * @param next does one piece; false: that was the last
   */
  inTurns(owner: string, wait: Wait, next: () => boolean): boolean {
    let isDone = false
    Turns.of(this.#clock).doInPieces(owner, () => {
      if (next()) return true
      isDone = true
      this.open(wait)
      return false
    })
    if (!isDone) this.close(wait)
    return isDone
  }

  close(wait: Wait): void {
    const wasOpen = this.#waits === 0
    this.#waits |= WAITS[wait]
    if (!wasOpen) return
    if (wait === 'login') this.#channel.hold()
    else this.#channel.pause()
  }

  open(wait: Wait): void {
    if ((this.#waits & WAITS[wait]) === 0) return
    this.#waits &= ~WAITS[wait]
    if (this.#waits !== 0) return
    this.#owner.inputOpened()
    this.#channel.resume()
  }

  pause(): void {
    this.close('turn')
  }

  resume(): void {
    this.open('turn')
  }

  take(): void {
    this.#isHeld = true
  }

  release(): void {
    this.#isHeld = false
  }
}
