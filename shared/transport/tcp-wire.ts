import type { Socket } from 'node:net'
import { arenaBytes, READ_START } from './arena.ts'
import type { ChannelSecurity } from './channel.ts'
import { canWriteDirectly, isReset, writeDirectly } from './direct-write.ts'
import { READ_BYTES } from './limits.ts'
import { canShareReads, moveToSharedRead, SharedReadSocket } from './shared-read.ts'
import type { TlsFacts } from './tls-facts.ts'
import { NO_COOKIES, type Wire, type WireEvents } from './wire.ts'
import type { WireEnds } from './wire-ends.ts'

/** Which road input and output take; see shared-read.ts and direct-write.ts. */
export interface TcpRoads {
  readonly read: 'shared' | 'events'
  readonly write: 'direct' | 'socket'
}

export const fastestRoads: TcpRoads = {
  read: canShareReads ? 'shared' : 'events',
  write: canWriteDirectly ? 'direct' : 'socket',
}

/** Wraps a socket that a server with `pauseOnConnect` has accepted. */
export function acceptedTcpWire(accepted: Socket, roads: TcpRoads): TcpWire {
  return new TcpWire(acceptedSocket(accepted, roads), roads)
}

/** The same, before it is known what it carries: it reads into the arena where that can be done. */
export function acceptedSocket(accepted: Socket, roads: TcpRoads): Socket {
  return (roads.read === 'events' ? undefined : moveToSharedRead(accepted)) ?? accepted
}

/** Reads `socket` no further for now, or goes on. */
export function holdReads(socket: Socket, isHeld: boolean): void {
  if (socket instanceof SharedReadSocket) socket.isHeld = isHeld
  if (isHeld) socket.pause()
  else socket.resume()
}

/** Whose events the listeners of a socket are: they are the same functions for all, for an idle one is to cost little. */
const WIRE = Symbol('wire')

type WiredSocket = Socket & { [WIRE]?: TcpWire | undefined }

/** A connected TCP socket, paused. */
export class TcpWire implements Wire {
  readonly kind = 'tcp'
  readonly path = ''
  readonly cookies = NO_COOKIES
  readonly remoteAddress: string
  readonly remotePort: number
  readonly #socket: WiredSocket
  readonly #writesDirectly: boolean
  #events: WireEvents | undefined
  #error: Error | undefined
  /** Comes for each `send`, also for those that were done at once: by then another may be under way. */
  #written: ((error?: Error | null) => void) | undefined

  /** @param ends what a proxy says, when it is not the socket's own */
  constructor(socket: Socket, roads: TcpRoads, ends?: WireEnds) {
    this.remoteAddress = ends?.remoteAddress ?? socket.remoteAddress ?? ''
    this.remotePort = ends?.remotePort ?? socket.remotePort ?? 0
    this.#socket = socket
    this.#writesDirectly = roads.write === 'direct'
    this.#socket[WIRE] = this
    socket.on('error', failed)
  }

  /** '' when it was not asked for before the end: few are. */
  get localAddress(): string {
    return this.#socket.localAddress ?? ''
  }

  get localPort(): number {
    return this.#socket.localPort ?? 0
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
    if (this.#socket instanceof SharedReadSocket) this.#socket.reader = events
    else this.#socket.on('data', read)
    this.#socket.on('end', ended)
    this.#socket.on('close', closed)
  }

  surrender(): Socket {
    this.pause()
    if (this.#socket instanceof SharedReadSocket) this.#socket.reader = undefined
    this.#socket.removeAllListeners('data')
    this.#socket.off('end', ended)
    this.#socket.off('close', closed)
    return this.#socket
  }

  pause(): void {
    holdReads(this.#socket, true)
  }

  resume(): void {
    holdReads(this.#socket, false)
  }

  sendNow(start: number, end: number): number {
    return this.#writesDirectly ? writeDirectly(this.#socket, start, end) : 0
  }

  send(bytes: Uint8Array): boolean {
    this.#written ??= (error) => {
      if (!error && this.#socket.writableLength === 0) this.#events?.sent()
    }
    this.#socket.write(bytes, this.#written)
    return this.#socket.writableLength === 0
  }

  finish(): void {
    this.#socket.end()
  }

  abort(): void {
    this.#socket.destroy()
  }

  /** The four that the socket's listeners call. */
  socketFailed(error: Error): void {
    this.#error = error
  }

  socketEnded(): void {
    this.#events?.ended()
  }

  socketClosed(): void {
    this.#events?.closed(this.#error)
  }

  socketRead(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += READ_BYTES) {
      const size = Math.min(READ_BYTES, bytes.length - at)
      bytes.copy(arenaBytes, READ_START, at, at + size)
      this.#events?.received(size)
    }
  }
}

function failed(this: WiredSocket, error: Error): void {
  this[WIRE]?.socketFailed(error)
}

function ended(this: WiredSocket): void {
  this[WIRE]?.socketEnded()
}

function closed(this: WiredSocket): void {
  this[WIRE]?.socketClosed()
}

function read(this: WiredSocket, bytes: Buffer): void {
  this[WIRE]?.socketRead(bytes)
}
