import { ParserHold, TurnShare, Turns } from '../../shared/broker/index.ts'
import type { Clock } from '../../shared/runtime/index.ts'
import type { Channel } from '../../shared/transport/index.ts'

/** Why nothing is read from a device for a while: each reason is given and taken back by itself. */
export type Wait =
  /** It has sent as much as may be unanswered. */
  | 'full'
  /** Somebody is asked who it is; meanwhile it must be noticed when it gives up. */
  | 'login'
  /** Others have their turn of the loop. */
  | 'turn'
  /** It publishes faster than it may. */
  | 'rate'
  /** A long request of its own is being read. */
  | 'reading'
  /** A long request of its own is being done. */
  | 'request'
  /** Nothing that it sends is looked at any more. */
  | 'deaf'

/** For these nothing more is looked at of what was read already, either. */
const STOPPING: readonly Wait[] = ['login', 'deaf', 'rate', 'reading', 'request']

/** The input of one connection: open when nothing keeps it closed. */
export class InputGate {
  /** Set by the turn's share: what was read is not gone on with. */
  isHeld = false
  readonly turn: TurnShare
  readonly #clock: Clock
  readonly #channel: Channel
  readonly #onOpen: () => void
  readonly #waits = new Set<Wait>()

  /** @param onOpen called before reading goes on */
  constructor(clock: Clock, channel: Channel, onOpen: () => void) {
    this.#clock = clock
    this.#channel = channel
    this.#onOpen = onOpen
    const input = { pause: () => this.close('turn'), resume: () => this.open('turn') }
    this.turn = new TurnShare(clock, input, new ParserHold(this))
  }

  get isClosed(): boolean {
    return this.#waits.size > 0
  }

  isClosedFor(wait: Wait): boolean {
    return this.#waits.has(wait)
  }

  /** Whether the next packet may be looked at, when it has been read already. */
  get isPassing(): boolean {
    if (this.isHeld || this.#waits.size === 0) return !this.isHeld
    for (const wait of STOPPING) if (this.#waits.has(wait)) return false
    return true
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
    const wasOpen = this.#waits.size === 0
    this.#waits.add(wait)
    if (!wasOpen) return
    if (wait === 'login') this.#channel.hold()
    else this.#channel.pause()
  }

  open(wait: Wait): void {
    if (!this.#waits.delete(wait) || this.#waits.size > 0) return
    this.#onOpen()
    this.#channel.resume()
  }
}
