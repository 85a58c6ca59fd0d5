import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net'
import { arenaBytes, READ_START } from './arena.ts'
import { READ_BYTES } from './limits.ts'

/**
 * Reading straight into the arena: all sockets of the process share its read region, because a read
 * and its callback are one step of the event loop. Node documents this (`onread`) for sockets that
 * dial. Accepted sockets do not take the option, so their handle is moved into a new socket that
 * does. That move is not documented, and neither is that the callback is called on its socket, which lets
 * one callback serve all: so this is the only place that knows it; where it cannot be
 * done (TLS, Windows, another runtime) 'data' events are copied in instead.
 */
export const canShareReads: boolean = process.platform !== 'win32'

/** Whoever is told of reads. */
export interface ReadHandler {
  /** `size` bytes lie at READ_START, and are free after the call. */
  received(size: number): void
}

const onread: OnReadOpts = {
  buffer: arenaBytes.subarray(READ_START, READ_START + READ_BYTES),
  callback(this: unknown, size: number): boolean {
    const socket = this as SharedReadSocket
    socket.reader?.received(size)
    return !socket.isHeld
  },
}

/** A socket that reads into the arena. */
export class SharedReadSocket extends Socket {
  /** undefined: what comes is dropped. */
  reader: ReadHandler | undefined
  /**
   * Node stops reading when the callback returns false. `socket.pause()` alone is not enough: right
   * after a `resume()` the stream still starts one read of its own accord.
   */
  isHeld = true

  /** @param options of the socket; `handle` and `manualStart` of one that is connected already */
  constructor(options: object = {}) {
    super({ ...options, onread, allowHalfOpen: true, noDelay: true } as SocketConstructorOpts)
  }
}

interface SocketInside {
  _handle?: { reading?: unknown; readStop?: unknown } | null
}

/**
 * Moves the connection of an accepted socket, which must be paused, into a socket that reads into
 * the arena. Returns undefined, with `accepted` untouched, when that cannot be done.
 */
export function moveToSharedRead(accepted: Socket): SharedReadSocket | undefined {
  const inside = accepted as unknown as SocketInside
  const handle = inside._handle
  if (!handle || typeof handle.readStop !== 'function' || handle.reading !== false) return undefined
  inside._handle = null
  const moved = new SharedReadSocket({ handle, manualStart: true })
  // The empty shell still counts as one of the server's connections until it is destroyed.
  accepted.destroy()
  return moved
}
