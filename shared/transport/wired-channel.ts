import { type Cancel, type Clock, codeOf, invariant, PetioleError } from '../runtime/index.ts'
import { arenaBytes, READ_START } from './arena.ts'
import type { Channel, ChannelHandler } from './channel.ts'
import type { FlushQueue } from './flush-queue.ts'
import { CARRY_BYTES_MAX, END_LINGER_MS, OUTPUT_PENDING_BYTES_MAX } from './limits.ts'
import { Output, type OutputSink } from './output.ts'
import type { Wire, WireEvents } from './wire.ts'

/**
 * The channel over any wire: it carries the tail that a handler did not use, flushes the outputs
 * that a chunk has filled, and closes in order.
 *
 *     open ──end()──▶ ending ──all sent: FIN──▶ ┐
 *       │               │  linger over          ├─ wire closed ─▶ closed, onClose
 *       └──destroy()────┴──────▶ broken ──────▶ ┘
 */
export class WiredChannel implements Channel, WireEvents, OutputSink {
  readonly output: Output
  readonly #wire: Wire
  readonly #queue: FlushQueue
  readonly #clock: Clock
  #state: 'open' | 'ending' | 'broken' | 'closed' = 'open'
  #handler: ChannelHandler | undefined
  #carry: Uint8Array | undefined
  #error: PetioleError | undefined
  #cancelLinger: Cancel | undefined

  constructor(wire: Wire, queue: FlushQueue, clock: Clock) {
    this.#wire = wire
    this.#queue = queue
    this.#clock = clock
    this.output = new Output(this, queue)
    wire.attach(this)
  }

  get kind(): Wire['kind'] {
    return this.#wire.kind
  }

  get remoteAddress(): string {
    return this.#wire.remoteAddress
  }

  get remotePort(): number {
    return this.#wire.remotePort
  }

  get localAddress(): string {
    return this.#wire.localAddress
  }

  get localPort(): number {
    return this.#wire.localPort
  }

  get path(): string {
    return this.#wire.path
  }

  get pendingBytes(): number {
    return this.output.pendingBytes
  }

  get isClosed(): boolean {
    return this.#state !== 'open'
  }

  start(handler: ChannelHandler): void {
    invariant(this.#handler === undefined, 'a channel is started once')
    this.#handler = handler
    if (this.#state === 'open') this.#wire.resume()
    else if (this.#state === 'closed') this.#clock.soon(() => handler.onClose(this.#error))
  }

  write(bytes: Uint8Array): void {
    this.output.write(bytes)
  }

  reserve(size: number): number {
    return this.output.reserve(size)
  }

  commit(end: number): void {
    this.output.commit(end)
  }

  pause(): void {
    if (this.#state === 'open') this.#wire.pause()
  }

  resume(): void {
    if (this.#state === 'open' && this.#handler !== undefined) this.#wire.resume()
  }

  end(): void {
    if (this.#state !== 'open') return
    this.#state = 'ending'
    this.#carry = undefined
    this.#cancelLinger = this.#clock.after(END_LINGER_MS, () => this.#stopLingering())
    this.output.end()
    if (this.output.pendingBytes === 0) this.#wire.finish()
    // Unread input would turn our FIN into a reset, which may destroy what we sent last.
    this.#wire.resume()
  }

  destroy(error?: PetioleError): void {
    if (this.#state === 'broken' || this.#state === 'closed') return
    this.#state = 'broken'
    this.#error = error
    this.#carry = undefined
    this.#cancelLinger?.()
    this.output.close()
    this.#wire.abort()
  }

  received(size: number): void {
    if (this.#state !== 'open' || this.#handler === undefined) return
    const start = this.#restoreCarry()
    const end = READ_START + size
    this.#queue.beginChunk()
    const used = this.#handler.onChunk(start, end)
    if (used < end && !this.isClosed) this.#keepTail(used, end)
    this.#queue.endChunk()
  }

  ended(): void {
    this.end()
  }

  closed(error: Error | undefined): void {
    if (this.#state === 'closed') return
    const wasBroken = this.#state === 'broken'
    this.#state = 'closed'
    this.#carry = undefined
    this.#cancelLinger?.()
    this.output.close()
    this.output.sent()
    // Whoever destroyed the channel said why, or that there is no why; a late reset says less.
    if (error !== undefined && !wasBroken) this.#error = this.#lost(error)
    this.#handler?.onClose(this.#error)
  }

  sendNow(start: number, end: number): number {
    return this.#wire.sendNow(start, end)
  }

  send(bytes: Uint8Array): boolean {
    return this.#wire.send(bytes)
  }

  sent(): void {
    this.output.sent()
  }

  drained(): void {
    if (this.#state === 'open') this.#handler?.onDrain()
  }

  emptied(): void {
    if (this.#state === 'ending') this.#wire.finish()
  }

  overflowed(): void {
    this.destroy(
      new PetioleError(
        'PETIOLE_OUTPUT_OVERFLOW',
        `${this.remoteAddress}:${this.remotePort} left more than ${OUTPUT_PENDING_BYTES_MAX} bytes unread`,
      ),
    )
  }

  /** Puts the tail of the last chunk in front of the read region; returns where input begins. */
  #restoreCarry(): number {
    const carry = this.#carry
    if (carry === undefined) return READ_START
    this.#carry = undefined
    const start = READ_START - carry.length
    arenaBytes.set(carry, start)
    return start
  }

  #keepTail(used: number, end: number): void {
    if (end - used <= CARRY_BYTES_MAX) {
      this.#carry = Buffer.from(arenaBytes.subarray(used, end))
      return
    }
    this.destroy(
      new PetioleError(
        'PETIOLE_CARRY_OVERFLOW',
        `${end - used} bytes of input were left unused, more than ${CARRY_BYTES_MAX}`,
      ),
    )
  }

  #stopLingering(): void {
    const left = this.output.pendingBytes
    if (left === 0) {
      this.destroy()
      return
    }
    this.destroy(
      new PetioleError(
        'PETIOLE_END_TIMEOUT',
        `${this.remoteAddress}:${this.remotePort} took ${END_LINGER_MS} ms and left ${left} bytes unread`,
      ),
    )
  }

  #lost(error: Error): PetioleError {
    const peer = `${this.remoteAddress}:${this.remotePort}`
    const code =
      codeOf(error) === 'ECONNRESET' ? 'PETIOLE_CONNECTION_RESET' : 'PETIOLE_CONNECTION_LOST'
    return new PetioleError(code, `connection with ${peer} lost: ${error.message}`, {
      cause: error,
    })
  }
}
