import { type Cancel, type Clock, codeOf, invariant, PetioleError } from '../runtime/index.ts'
import { READ_START } from './arena.ts'
import { CarriedTail } from './carried-tail.ts'
import type { Channel, ChannelHandler, ChannelSecurity, EndStatus } from './channel.ts'
import type { DialSecurity } from './dial-security.ts'
import type { FlushQueue } from './flush-queue.ts'
import { CARRY_BYTES_MAX, END_LINGER_MS, OUTPUT_PENDING_BYTES_MAX, READ_BYTES } from './limits.ts'
import { Output, type OutputSink } from './output.ts'
import { SecuredWire } from './secured-wire.ts'
import type { TlsFacts } from './tls-facts.ts'
import { dialTls } from './tls-handshake.ts'
import type { Wire, WireEvents } from './wire.ts'

/** What fits in front of and into the read region. */
const TAIL_BYTES_MAX = CARRY_BYTES_MAX + READ_BYTES

/** What the kernel says of it when it is asked. */
const BROKEN_OFF = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })

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
  #wire: Wire
  readonly #queue: FlushQueue
  readonly #clock: Clock
  #state: 'open' | 'ending' | 'broken' | 'closed' = 'open'
  #handler: ChannelHandler | undefined
  /** Made with the first tail. */
  #carry: CarriedTail | undefined
  #isPaused = false
  /** Paused for the handler only: the wire is read on, up to a limit. */
  #isHolding = false
  /** The carried tail was left by a paused handler and comes again without new input. */
  #isTailOwed = false
  #hasEnded = false
  /** The wire is closed already, and `onClose` is behind the tail. */
  #gone: { readonly error: Error | undefined } | undefined
  #endStatus: EndStatus | undefined
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

  get forwardedFor(): string | undefined {
    return this.#wire.forwardedFor
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

  get cookies(): Readonly<Record<string, string>> {
    return this.#wire.cookies
  }

  get security(): ChannelSecurity {
    return this.#wire.security
  }

  get tls(): TlsFacts | undefined {
    return this.#wire.tls
  }

  get pendingBytes(): number {
    return this.output.pendingBytes
  }

  isBehind(bytes: number): boolean {
    return this.output.isBehind(bytes)
  }

  get isClosed(): boolean {
    return this.#state !== 'open'
  }

  get hasEnded(): boolean {
    return this.#hasEnded || this.isClosed
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
    if (this.#state !== 'open') return
    this.#isPaused = true
    this.#isHolding = false
    this.#wire.pause()
  }

  hold(): void {
    if (this.#state !== 'open' || this.#isPaused) return
    this.#isPaused = true
    this.#isHolding = true
  }

  resume(): void {
    if (this.#state !== 'open' || this.#handler === undefined) return
    this.#isPaused = false
    this.#isHolding = false
    if (this.#isTailOwed) this.#clock.soon(() => this.#presentTail())
    else this.#goOn()
  }

  async secure(security: DialSecurity): Promise<void> {
    const isIdle = (this.#carry?.size ?? 0) === 0 && this.output.pendingBytes === 0
    const socket = isIdle && this.#state === 'open' ? this.#wire.surrender?.() : undefined
    if (socket === undefined) {
      throw new PetioleError('PETIOLE_TLS_FAILED', 'TLS cannot begin on this connection')
    }
    const handshake = dialTls(socket, security, this.#clock)
    try {
      this.replaced(new SecuredWire(await handshake.secured))
    } catch (error) {
      this.closed(error instanceof Error ? error : undefined)
      throw error
    }
  }

  end(status?: EndStatus): void {
    if (this.#state !== 'open') return
    this.#state = 'ending'
    this.#endStatus = status
    this.#carry?.drop()
    if (this.#gone !== undefined) {
      this.#clock.soon(() => this.#over())
      return
    }
    this.#cancelLinger = this.#clock.after(END_LINGER_MS, () => this.#stopLingering())
    this.output.end()
    if (this.output.pendingBytes === 0) this.#wire.finish(this.#endStatus)
    // Unread input would turn our FIN into a reset, which may destroy what we sent last.
    this.#wire.resume()
  }

  destroy(error?: PetioleError): void {
    if (this.#state === 'broken' || this.#state === 'closed') return
    this.#state = 'broken'
    this.#error = error
    this.#carry?.drop()
    this.#cancelLinger?.()
    this.output.close()
    if (this.#gone === undefined) this.#wire.abort()
    else this.#clock.soon(() => this.#over())
  }

  received(size: number): void {
    if (this.#state !== 'open' || this.#handler === undefined) return
    if (this.#isTailOwed || this.#isHolding) this.#extendTail(size)
    else this.#present(this.#carry?.restore() ?? READ_START, READ_START + size, size === READ_BYTES)
  }

  replaced(wire: Wire): void {
    this.#wire = wire
    wire.attach(this)
    if (this.#state === 'broken') wire.abort()
    else if (this.#state === 'ending' || !this.#isPaused || this.#isHolding) wire.resume()
    if (this.#state === 'ending' && this.output.pendingBytes === 0) wire.finish(this.#endStatus)
  }

  plainRefused(error: PetioleError): void {
    if (this.#state !== 'open') return
    this.#handler?.onPlainRefused?.()
    this.#error = error
    this.end()
  }

  /** What was sent before the end is still presented to a handler that is paused. */
  ended(): void {
    if (this.#state === 'open' && this.#isTailOwed) this.#hasEnded = true
    else this.end()
  }

  closed(error: Error | undefined): void {
    if (this.#state === 'closed') return
    const isOrderly = this.#hasEnded || error === undefined
    if (this.#state === 'open' && this.#isTailOwed && isOrderly) {
      this.#hasEnded = true
      this.#gone = { error }
      this.output.close()
      this.output.sent()
      return
    }
    const wasBroken = this.#state === 'broken'
    this.#state = 'closed'
    this.#carry?.drop()
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
    if (this.#state === 'ending') this.#wire.finish(this.#endStatus)
  }

  overflowed(): void {
    this.destroy(
      new PetioleError(
        'PETIOLE_OUTPUT_OVERFLOW',
        `${this.remoteAddress}:${this.remotePort} left more than ${OUTPUT_PENDING_BYTES_MAX} bytes unread`,
      ),
    )
  }

  /** @param isFull the read region was filled: the kernel has more, which is read at once */
  #present(start: number, end: number, isFull: boolean): void {
    this.#queue.beginChunk()
    const used = this.#handler?.onChunk(start, end) ?? end
    if (used < end && !this.isClosed) this.#keepTail(used, end)
    this.#queue.endChunk(isFull)
  }

  /**
   * As a chunk of its own; reading goes on when the handler is not paused again. Who broke the connection off
   * meanwhile waits for nothing: what he left may be much, and would cost others their turns.
   */
  #presentTail(): void {
    const carry = this.#carry
    if (this.#state !== 'open' || this.#isPaused || !this.#isTailOwed) return
    if (carry === undefined || carry.size === 0) return
    if (!this.#hasEnded && this.#wire.isReset === true) {
      this.destroy(this.#lost(BROKEN_OFF))
      return
    }
    this.#isTailOwed = false
    const { size } = carry
    const start = carry.restore()
    this.#present(start, start + size, false)
    if (this.#state === 'open' && !this.#isPaused) this.#goOn()
  }

  #goOn(): void {
    if (this.#hasEnded) this.end()
    else this.#wire.resume()
  }

  #over(): void {
    this.closed(this.#gone?.error)
  }

  /** A wire may still hand out what it had read when it was paused, and is read on for a handler that holds. */
  #extendTail(size: number): void {
    this.#carry ??= new CarriedTail()
    const carry = this.#carry
    carry.extend(READ_START, READ_START + size)
    this.#isTailOwed = true
    if (carry.size > TAIL_BYTES_MAX) this.#refuseTail(carry.size)
    else if (carry.size > CARRY_BYTES_MAX) this.#wire.pause()
  }

  #keepTail(used: number, end: number): void {
    if (end - used > CARRY_BYTES_MAX && !this.#isPaused) {
      this.#refuseTail(end - used)
      return
    }
    this.#carry ??= new CarriedTail()
    this.#carry.keep(used, end)
    this.#isTailOwed = this.#isPaused
    if (end - used > CARRY_BYTES_MAX) this.#wire.pause()
  }

  #refuseTail(size: number): void {
    this.destroy(
      new PetioleError('PETIOLE_CARRY_OVERFLOW', `${size} bytes of input were left unused`),
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
    if (error instanceof PetioleError) return error
    const peer = `${this.remoteAddress}:${this.remotePort}`
    const code =
      codeOf(error) === 'ECONNRESET' ? 'PETIOLE_CONNECTION_RESET' : 'PETIOLE_CONNECTION_LOST'
    return new PetioleError(code, `connection with ${peer} lost: ${error.message}`, {
      cause: error,
    })
  }
}
