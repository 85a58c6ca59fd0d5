import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net'
import { arenaBytes, READ_START } from './arena.ts'
import { READ_BYTES } from './limits.ts'

/**
 * Reading straight into the arena: all sockets of the process share its read region, because a read
 * and its callback are one step of the event loop. Node documents this (`onread`) for sockets that
 * dial. Accepted sockets do not take the option, so their handle is moved into a new socket that
 * does. That move is not documented, so this is the only place that knows it; where it cannot be
 * done (TLS, Windows, another runtime) 'data' events are copied in instead.
 */
export const canShareReads: boolean = process.platform !== 'win32'

const readRegion = arenaBytes.subarray(READ_START, READ_START + READ_BYTES)

/** Where a socket reports its reads; made before the socket, filled in after it. */
export class ReadTarget {
  received: (size: number) => void = () => {}
  isPaused = true

  /**
   * Node stops reading when the callback returns false. `socket.pause()` alone is not enough: right
   * after a `resume()` the stream still starts one read of its own accord.
   */
  readonly onread: OnReadOpts = {
    buffer: readRegion,
    callback: (size) => {
      this.received(size)
      return !this.isPaused
    },
  }
}

interface SocketInside {
  _handle?: { reading?: unknown; readStop?: unknown } | null
}

/**
 * Moves the connection of an accepted socket, which must be paused, into a socket that reads into
 * the arena. Returns undefined, with `accepted` untouched, when that cannot be done.
 */
export function moveToSharedRead(accepted: Socket, target: ReadTarget): Socket | undefined {
  const inside = accepted as unknown as SocketInside
  const handle = inside._handle
  if (!handle || typeof handle.readStop !== 'function' || handle.reading !== false) return undefined
  inside._handle = null
  const options = { handle, onread: target.onread, allowHalfOpen: true, manualStart: true }
  const moved = new Socket(options as unknown as SocketConstructorOpts)
  // The empty shell still counts as one of the server's connections until it is destroyed.
  accepted.destroy()
  return moved
}
