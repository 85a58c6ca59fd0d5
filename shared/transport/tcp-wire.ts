import type { Socket } from 'node:net'
import { arenaBytes, READ_START } from './arena.ts'
import type { ChannelSecurity } from './channel.ts'
import { canWriteDirectly, isReset, writeDirectly } from './direct-write.ts'
import { READ_BYTES } from './limits.ts'
import { canShareReads, moveToSharedRead, ReadTarget } from './shared-read.ts'
import type { TlsFacts } from './tls-facts.ts'
import { NO_COOKIES, type Wire, type WireEvents } from './wire.ts'
import { endsOf, type WireEnds } from './wire-ends.ts'

/** Which road input and output take; see shared-read.ts and direct-write.ts. */
export interface TcpRoads {
  readonly read: 'shared' | 'events'
  readonly write: 'direct' | 'socket'
}

export const fastestRoads: TcpRoads = {
  read: canShareReads ? 'shared' : 'events',
  write: canWriteDirectly ? 'direct' : 'socket',
}

/** A connection that was accepted, and where its reads go. */
export interface AcceptedSocket {
  readonly socket: Socket
  /** undefined: it is read by 'data' events. */
  readonly target: ReadTarget | undefined
}

/** Wraps a socket that a server with `pauseOnConnect` has accepted. */
export function acceptedTcpWire(accepted: Socket, roads: TcpRoads): TcpWire {
  const { socket, target } = acceptedSocket(accepted, roads)
  return new TcpWire(socket, target, roads)
}

/** The same, before it is known what it carries. */
export function acceptedSocket(accepted: Socket, roads: TcpRoads): AcceptedSocket {
  if (roads.read === 'events') return { socket: accepted, target: undefined }
  const target = new ReadTarget()
  const moved = moveToSharedRead(accepted, target)
  return moved === undefined ? { socket: accepted, target: undefined } : { socket: moved, target }
}

/** A connected TCP socket, paused. */
export class TcpWire implements Wire {
  readonly kind = 'tcp'
  readonly path = ''
  readonly cookies = NO_COOKIES
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  readonly #socket: Socket
  readonly #target: ReadTarget | undefined
  readonly #writesDirectly: boolean
  #events: WireEvents | undefined
  #error: Error | undefined

  /**
   * @param target what the socket's `onread` reports to; undefined for 'data' events
   * @param ends what a proxy says, when it is not the socket's own
   */
  constructor(
    socket: Socket,
    target: ReadTarget | undefined,
    roads: TcpRoads,
    ends: WireEnds = endsOf(socket),
  ) {
    this.remoteAddress = ends.remoteAddress
    this.remotePort = ends.remotePort
    this.localAddress = ends.localAddress
    this.localPort = ends.localPort
    this.#socket = socket
    this.#target = target
    this.#writesDirectly = roads.write === 'direct'
    socket.on('error', (error) => {
      this.#error = error
    })
  }

  get security(): ChannelSecurity {
    return 'plain'
  }

  get tls(): TlsFacts | undefined {
    return undefined
  }

  get isReset(): boolean {
    return this.#writesDirectly && isReset(this.#socket)
  }

  attach(events: WireEvents): void {
    this.#events = events
    if (this.#target !== undefined) this.#target.received = (size) => events.received(size)
    else this.#socket.on('data', (bytes: Buffer) => this.#copyIn(bytes))
    this.#socket.on('end', this.#ended)
    this.#socket.on('close', this.#closed)
  }

  surrender(): Socket {
    this.pause()
    if (this.#target !== undefined) this.#target.received = () => {}
    this.#socket.removeAllListeners('data')
    this.#socket.off('end', this.#ended)
    this.#socket.off('close', this.#closed)
    return this.#socket
  }

  pause(): void {
    if (this.#target !== undefined) this.#target.isPaused = true
    this.#socket.pause()
  }

  resume(): void {
    if (this.#target !== undefined) this.#target.isPaused = false
    this.#socket.resume()
  }

  sendNow(start: number, end: number): number {
    return this.#writesDirectly ? writeDirectly(this.#socket, start, end) : 0
  }

  send(bytes: Uint8Array): boolean {
    this.#socket.write(bytes, this.#written)
    return this.#socket.writableLength === 0
  }

  finish(): void {
    this.#socket.end()
  }

  abort(): void {
    this.#socket.destroy()
  }

  readonly #ended = (): void => this.#events?.ended()

  readonly #closed = (): void => this.#events?.closed(this.#error)

  /** Comes for each `send`, also for those that were done at once: by then another may be under way. */
  readonly #written = (error?: Error | null): void => {
    if (!error && this.#socket.writableLength === 0) this.#events?.sent()
  }

  #copyIn(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += READ_BYTES) {
      const size = Math.min(READ_BYTES, bytes.length - at)
      bytes.copy(arenaBytes, READ_START, at, at + size)
      this.#events?.received(size)
    }
  }
}
