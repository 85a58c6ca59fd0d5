import type { Random } from '../../shared/runtime/index.ts'
import { arenaBytes, NO_COOKIES, type Wire, type WireEvents } from '../../shared/transport/index.ts'
import type { SimLoop } from './sim-loop.ts'
import type { PipeReceiver, PipeSender, SimPipe } from './sim-pipe.ts'

export interface WireEnd {
  readonly kind: 'tcp' | 'websocket'
  readonly path: string
  readonly local: string
  readonly localPort: number
  readonly remote: string
  readonly remotePort: number
}

export interface WireSurroundings {
  isMachineOn(): boolean
  /** Tells the other side, if the link lets it, that this side reset the connection. */
  resetPeer(): void
}

/**
 * One end of a simulated connection. `#state` as TCP has it: `open`, `aborted` (this side closed
 * hard, `closed` is on its way), `closed`, and `dead`: the machine crashed, and nobody is told.
 */
export class SimWire implements Wire, PipeReceiver, PipeSender {
  readonly kind: 'tcp' | 'websocket'
  readonly path: string
  readonly cookies = NO_COOKIES
  readonly security = 'plain'
  readonly tls = undefined
  readonly localAddress: string
  readonly localPort: number
  readonly remoteAddress: string
  readonly remotePort: number
  readonly #loop: SimLoop
  readonly #random: Random
  readonly #incoming: SimPipe
  readonly #outgoing: SimPipe
  readonly #surroundings: WireSurroundings
  #events: WireEvents | undefined
  #state: 'open' | 'aborted' | 'closed' | 'dead' = 'open'
  #isPaused = true
  #held: Uint8Array | undefined
  #error: Error | undefined

  constructor(
    loop: SimLoop,
    random: Random,
    end: WireEnd,
    pipes: { readonly incoming: SimPipe; readonly outgoing: SimPipe },
    surroundings: WireSurroundings,
  ) {
    this.#loop = loop
    this.#random = random
    this.kind = end.kind
    this.path = end.path
    this.localAddress = end.local
    this.localPort = end.localPort
    this.remoteAddress = end.remote
    this.remotePort = end.remotePort
    this.#incoming = pipes.incoming
    this.#outgoing = pipes.outgoing
    this.#surroundings = surroundings
  }

  get isReading(): boolean {
    return this.#state === 'open' && !this.#isPaused
  }

  get isReachable(): boolean {
    return this.#surroundings.isMachineOn()
  }

  get isGone(): boolean {
    return this.#state !== 'open'
  }

  get isOver(): boolean {
    return this.#state === 'closed' || this.#state === 'dead'
  }

  attach(events: WireEvents): void {
    this.#events = events
    if (this.#state === 'closed') this.#report()
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#incoming.pump()
  }

  sendNow(start: number, end: number): number {
    if (this.#state !== 'open' || this.#held !== undefined) return 0
    const size = Math.min(this.#outgoing.room, end - start)
    if (size > 0) this.#outgoing.push(copied(arenaBytes, start, size))
    return Math.max(0, size)
  }

  send(bytes: Uint8Array): boolean {
    this.#held = bytes
    return this.#pushHeld()
  }

  finish(): void {
    if (this.#state === 'open') this.#outgoing.finish()
  }

  /** As close(2): what the kernel has may still arrive, or a reset overtakes it. */
  abort(): void {
    if (this.#state !== 'open') return
    this.#state = 'aborted'
    if (this.#random.below(2) === 0) {
      this.#outgoing.finish()
    } else {
      this.#outgoing.kill()
      this.#surroundings.resetPeer()
    }
    this.#loop.after(0, `${this.localAddress} close`, () => this.#close())
  }

  /** The connection is lost, from this side's view. */
  reset(): void {
    if (this.#state !== 'open') return
    this.#error = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    this.#incoming.kill()
    this.#outgoing.kill()
    this.#close()
  }

  /** The machine crashed: no callback any more. */
  die(): void {
    this.#state = 'dead'
    this.#events = undefined
    this.#held = undefined
    this.#outgoing.kill()
  }

  received(size: number): void {
    this.#events?.received(size)
  }

  ended(): void {
    this.#events?.ended()
    this.#closeIfDone()
  }

  roomMade(): void {
    if (this.#held === undefined || this.#state !== 'open') return
    if (this.#pushHeld())
      this.#loop.after(0, `${this.localAddress} sent`, () => this.#events?.sent())
  }

  finDelivered(): void {
    this.#loop.after(0, `${this.localAddress} fin`, () => this.#closeIfDone())
  }

  refused(): void {
    this.reset()
  }

  #pushHeld(): boolean {
    const held = this.#held
    if (held === undefined || this.#state !== 'open') return false
    const size = Math.min(this.#outgoing.room, held.length)
    this.#held = size < held.length ? held.subarray(size) : undefined
    if (size > 0) this.#outgoing.push(copied(held, 0, size))
    return this.#held === undefined
  }

  #closeIfDone(): void {
    if (this.#state !== 'open') return
    if (this.#incoming.isFinDelivered && this.#outgoing.isFinDelivered) this.#close()
  }

  #close(): void {
    if (this.isOver) return
    this.#state = 'closed'
    this.#held = undefined
    if (this.#events !== undefined) this.#report()
  }

  #report(): void {
    this.#loop.after(0, `${this.localAddress} closed`, () => this.#events?.closed(this.#error))
  }
}

/** A copy, whatever the class: `slice` of a Buffer would be a view. */
function copied(bytes: Uint8Array, start: number, size: number): Uint8Array {
  return Uint8Array.prototype.slice.call(bytes, start, start + size)
}
