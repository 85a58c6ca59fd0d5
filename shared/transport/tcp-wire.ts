import type { Socket } from 'node:net'
import { arenaBytes, READ_START } from './arena.ts'
import { canWriteDirectly, writeDirectly } from './direct-write.ts'
import { READ_BYTES } from './limits.ts'
import { canShareReads, moveToSharedRead, ReadTarget } from './shared-read.ts'
import { NO_COOKIES, type Wire, type WireEvents } from './wire.ts'

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
  if (roads.read === 'events') return new TcpWire(accepted, undefined, roads)
  const target = new ReadTarget()
  const moved = moveToSharedRead(accepted, target)
  return moved === undefined
    ? new TcpWire(accepted, undefined, roads)
    : new TcpWire(moved, target, roads)
}

/** A connected TCP socket, paused. */
export class TcpWire implements Wire {
  readonly kind = 'tcp'
  readonly path = ''
  readonly cookies = NO_COOKIES
  readonly security = 'plain'
  readonly tls = undefined
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  readonly #socket: Socket
  readonly #target: ReadTarget | undefined
  readonly #writesDirectly: boolean
  #events: WireEvents | undefined
  #error: Error | undefined

  /** @param target what the socket's `onread` reports to; undefined for 'data' events. */
  constructor(socket: Socket, target: ReadTarget | undefined, roads: TcpRoads) {
    this.remoteAddress = socket.remoteAddress ?? ''
    this.remotePort = socket.remotePort ?? 0
    this.localAddress = socket.localAddress ?? ''
    this.localPort = socket.localPort ?? 0
    this.#socket = socket
    this.#target = target
    this.#writesDirectly = roads.write === 'direct'
    socket.on('error', (error) => {
      this.#error = error
    })
  }

  attach(events: WireEvents): void {
    this.#events = events
    if (this.#target !== undefined) this.#target.received = (size) => events.received(size)
    else this.#socket.on('data', (bytes: Buffer) => this.#copyIn(bytes))
    this.#socket.on('end', () => events.ended())
    this.#socket.on('close', () => events.closed(this.#error))
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
