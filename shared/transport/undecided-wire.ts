import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { type Cancel, type Clock, PetioleError } from '../runtime/index.ts'
import { arenaBytes, READ_START } from './arena.ts'
import type { ChannelSecurity } from './channel.ts'
import { writeDirectly } from './direct-write.ts'
import { PROXY_TIMEOUT_MS, READ_BYTES } from './limits.ts'
import type { ListenOptions } from './network.ts'
import { parseProxyHeader } from './proxy-header.ts'
import { SecuredWire } from './secured-wire.ts'
import { SharedReadSocket } from './shared-read.ts'
import { holdReads, type TcpRoads, TcpWire } from './tcp-wire.ts'
import { acceptTls, type Handshake, TLS_FIRST_BYTE } from './tls-handshake.ts'
import { NO_COOKIES, type Wire, type WireEvents } from './wire.ts'
import { endsOf, lostBy, type WireEnds } from './wire-ends.ts'

export interface UndecidedOptions {
  readonly tls: ListenOptions['tls']
  readonly proxyProtocol: boolean
  readonly roads: TcpRoads
  readonly clock: Clock
  /** Called once, with this wire or with the one that it has become; never when `onLost` is. */
  readonly onWire: (wire: Wire) => void
  /** The connection failed before there was a wire to tell. */
  readonly onLost: (error: PetioleError) => void
}

const THROTTLED = Buffer.from("-ERR 'Connection throttling is active. Please try again later.'\r\n")

/**
 * An accepted TCP connection of which it is not known yet what comes: a PROXY header, a TLS
 * handshake, or plain bytes. Servers speak first in NATS, so a channel may write its INFO meanwhile.
 * The first bytes decide, and the wire gives way to the one that carries the stream from then on, so
 * that nothing of this stands in the way of later chunks.
 *
 *     reading ─PROXY header─▶ reading ─┬─ 0x16 ─▶ securing ─▶ over: a SecuredWire
 *                                      ├─ other bytes, or none in time, where plain will do ─▶ over: a TcpWire
 *                                      └─ other bytes where TLS must come ─▶ refusing: last words, and the end
 *
 * TLS-first listeners do not hand it out (`#isHeld`) before it is secured, or the delay of `auto` has
 * passed in silence.
 */
export class UndecidedWire implements Wire {
  readonly kind = 'tcp'
  readonly path = ''
  readonly cookies = NO_COOKIES
  readonly tls = undefined
  readonly #socket: Socket
  readonly #options: UndecidedOptions
  readonly #cancels: Cancel[] = []
  #ends: WireEnds
  #state: 'reading' | 'securing' | 'refusing' | 'over' = 'reading'
  #isHeld: boolean
  #mayBeProxied: boolean
  #early: Buffer = Buffer.alloc(0)
  #handshake: Handshake | undefined
  /** It counts among those under way. */
  #isShakingHands = false
  #events: WireEvents | undefined
  #error: Error | undefined
  /** Given to us during a handshake: it belongs to the wire that follows. */
  #unsent: Uint8Array | undefined

  constructor(socket: Socket, options: UndecidedOptions) {
    this.#socket = socket
    this.#options = options
    this.#ends = endsOf(socket)
    this.#mayBeProxied = options.proxyProtocol
    this.#isHeld = options.tls !== undefined && firstOf(options.tls) !== 'no'
    if (socket instanceof SharedReadSocket) socket.reader = { received: this.#onRead }
    else socket.on('data', this.#onData)
    socket.on('error', this.#onError)
    socket.on('end', this.#onEnd)
    socket.on('close', this.#onClose)
  }

  begin(): void {
    const { tls, clock, proxyProtocol } = this.#options
    if (tls === undefined) {
      this.#after(PROXY_TIMEOUT_MS, () => this.#lateHeader())
      this.#handOut(this)
      return
    }
    const { timeout, handshake_first_delay: delay } = tls.settings.config
    if (firstOf(tls) === 'always' && !proxyProtocol) {
      clock.soon(() => this.#secure(Buffer.alloc(0)))
      return
    }
    this.#after(timeout, () => this.#lateHandshake())
    if (!this.#isHeld) {
      this.#handOut(this)
      return
    }
    if (firstOf(tls) === 'auto') this.#after(delay, () => this.#giveUpOnFirst())
    this.resume()
  }

  get remoteAddress(): string {
    return this.#ends.remoteAddress
  }

  get remotePort(): number {
    return this.#ends.remotePort
  }

  get localAddress(): string {
    return this.#ends.localAddress
  }

  get localPort(): number {
    return this.#ends.localPort
  }

  get security(): ChannelSecurity {
    const { tls } = this.#options
    if (tls === undefined) return 'plain'
    return tls.allowPlain ? 'offered' : 'awaited'
  }

  attach(events: WireEvents): void {
    this.#events = events
  }

  pause(): void {
    if (this.#state === 'securing' || this.#state === 'over') return
    holdReads(this.#socket, true)
  }

  resume(): void {
    if (this.#state === 'securing' || this.#state === 'over') return
    holdReads(this.#socket, false)
  }

  sendNow(start: number, end: number): number {
    const writes = this.#state !== 'securing' && this.#options.roads.write === 'direct'
    return writes ? writeDirectly(this.#socket, start, end) : 0
  }

  send(bytes: Uint8Array): boolean {
    if (this.#state === 'securing') {
      this.#unsent = bytes
      return false
    }
    const socket = this.#socket
    socket.write(bytes, (error) => {
      if (!error && socket.writableLength === 0) this.#events?.sent()
    })
    return socket.writableLength === 0
  }

  finish(): void {
    if (this.#state === 'securing') this.abort()
    else this.#socket.end()
  }

  abort(): void {
    this.#close(undefined)
  }

  #after(delayMs: number, action: () => void): void {
    this.#cancels.push(this.#options.clock.after(delayMs, action))
  }

  readonly #onRead = (size: number): void => {
    this.#look(arenaBytes.subarray(READ_START, READ_START + size))
  }

  readonly #onData = (bytes: Buffer): void => this.#look(bytes)

  readonly #onError = (error: Error): void => {
    this.#error = error
  }

  readonly #onEnd = (): void => {
    if (this.#isHeld) this.#close(undefined)
    else if (this.#state === 'reading' || this.#state === 'refusing') this.#events?.ended()
  }

  readonly #onClose = (): void => {
    if (this.#state === 'reading' || this.#state === 'refusing') this.#close(this.#error)
  }

  /** All that has come so far, as long as it decides nothing. */
  #look(read: Uint8Array): void {
    if (this.#state !== 'reading') return
    let bytes = this.#early.length === 0 ? read : Buffer.concat([this.#early, read])
    if (this.#mayBeProxied) {
      const header = parseProxyHeader(bytes)
      if (header.type === 'more') {
        this.#early = Buffer.from(bytes)
        return
      }
      if (header.type === 'bad') {
        this.#close(new PetioleError('PETIOLE_PROXY_HEADER', header.reason))
        return
      }
      this.#mayBeProxied = false
      this.#early = Buffer.alloc(0)
      if (header.type === 'found') {
        const { source } = header
        if (source !== undefined) {
          this.#ends = { ...this.#ends, remoteAddress: source.address, remotePort: source.port }
        }
        bytes = bytes.subarray(header.size)
      }
    }
    this.#decide(bytes)
  }

  #decide(bytes: Uint8Array): void {
    const { tls } = this.#options
    if (tls === undefined) this.#goOnInPlain(bytes)
    else if (bytes.length === 0) return
    else if (bytes[0] === TLS_FIRST_BYTE) this.#secure(Buffer.from(bytes))
    else if (tls.allowPlain && !this.#isHeld) this.#goOnInPlain(bytes)
    else this.#refuse()
  }

  #goOnInPlain(bytes: Uint8Array): void {
    this.pause()
    this.#end()
    const wire = new TcpWire(this.#socket, this.#options.roads, this.#ends)
    const rest = Buffer.from(bytes)
    this.#giveWay(wire)
    for (let at = 0; at < rest.length; at += READ_BYTES) {
      const size = rest.copy(arenaBytes, READ_START, at, Math.min(at + READ_BYTES, rest.length))
      this.#events?.received(size)
    }
  }

  #secure(early: Uint8Array): void {
    const { tls, clock } = this.#options
    if (tls === undefined || this.#state !== 'reading') return
    if (!tls.settings.admits(clock.monotonicMs())) {
      if (!this.#isHeld) this.#socket.write(THROTTLED)
      this.#close(new PetioleError('PETIOLE_TLS_THROTTLED', 'connection_rate_limit is reached'))
      return
    }
    this.#isShakingHands = true
    this.pause()
    this.#end()
    this.#state = 'securing'
    // The socket is in the middle of a read, which must be over before another reads from it.
    clock.soon(() => {
      if (this.#state !== 'securing') return
      this.#handshake = acceptTls(this.#socket, early, tls.settings, clock)
      this.#handshake.secured.then(this.#secured, (error: Error) => this.#close(error))
    })
  }

  readonly #secured = (socket: TLSSocket): void => {
    this.#handshakeEnded()
    if (this.#state !== 'securing') {
      socket.destroy()
      return
    }
    this.#state = 'over'
    const wire = new SecuredWire(socket, this.#ends)
    this.#giveWay(wire)
    const unsent = this.#unsent
    this.#unsent = undefined
    if (unsent !== undefined && wire.send(unsent)) this.#events?.sent()
  }

  #refuse(): void {
    const error = new PetioleError(
      'PETIOLE_TLS_REQUIRED',
      'TLS handshake error: first record does not look like a TLS handshake',
    )
    if (this.#isHeld) {
      this.#close(error)
      return
    }
    this.#state = 'refusing'
    this.#cancelAll()
    this.#events?.plainRefused(error)
  }

  /** Whoever speaks no TLS first gets the INFO that it waits for. */
  #giveUpOnFirst(): void {
    if (this.#state !== 'reading' || this.#early.length > 0) return
    this.pause()
    this.#handOut(this)
  }

  #lateHeader(): void {
    if (this.#state !== 'reading') return
    if (this.#early.length === 0) this.#goOnInPlain(this.#early)
    else
      this.#close(new PetioleError('PETIOLE_PROXY_HEADER', 'timeout reading PROXY protocol header'))
  }

  #lateHandshake(): void {
    if (this.#state !== 'reading') return
    if (this.#options.tls?.allowPlain && !this.#isHeld) this.#goOnInPlain(this.#early)
    else this.#close(new PetioleError('PETIOLE_TLS_TIMEOUT', 'TLS handshake timeout'))
  }

  #handOut(wire: Wire): void {
    this.#isHeld = false
    this.#options.onWire(wire)
  }

  #giveWay(wire: Wire): void {
    if (this.#isHeld) this.#handOut(wire)
    else this.#events?.replaced(wire)
  }

  /** No event of the socket concerns this wire any more; what goes wrong with it is its successor's. */
  #end(): void {
    const socket = this.#socket
    this.#state = 'over'
    this.#cancelAll()
    if (socket instanceof SharedReadSocket) socket.reader = undefined
    socket.off('data', this.#onData)
    socket.off('end', this.#onEnd)
    socket.off('close', this.#onClose)
  }

  #handshakeEnded(): void {
    if (!this.#isShakingHands) return
    this.#isShakingHands = false
    this.#options.tls?.settings.handshakeEnded()
  }

  #close(error: Error | undefined): void {
    if (this.#state === 'over') return
    this.#end()
    this.#handshakeEnded()
    this.#unsent = undefined
    this.#handshake?.abandon()
    this.#socket.destroy()
    if (!this.#isHeld) this.#options.clock.soon(() => this.#events?.closed(error))
    else if (error instanceof PetioleError) this.#options.onLost(lostBy(this.#ends, error))
  }

  #cancelAll(): void {
    for (const cancel of this.#cancels.splice(0)) cancel()
  }
}

function firstOf(tls: NonNullable<ListenOptions['tls']>): 'no' | 'always' | 'auto' {
  return tls.settings.config.handshake_first
}
