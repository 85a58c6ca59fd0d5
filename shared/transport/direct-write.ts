import { writeSync } from 'node:fs'
import type { Socket } from 'node:net'
import { codeOf } from '../runtime/index.ts'
import { arenaBytes } from './arena.ts'

/**
 * write(2) on a socket's file descriptor, without the request, the view and the callback that
 * `socket.write` makes for each: worth some 3 µs a flush. The descriptor is no documented property,
 * so this is the only place that knows it, and `socket.write` does the same, slower, where it is
 * missing (Windows, another runtime).
 *
 * The descriptor is read from the handle at each call, never kept: Node drops the handle in the same
 * turn in which it closes it, so a number that the kernel gave to another file is never written to.
 * libuv keeps the descriptor non-blocking, so the call cannot hang.
 */
export const canWriteDirectly: boolean = process.platform !== 'win32'

/**
 * Writes arena bytes [start, end) if nothing waits in the socket before them; returns how many the
 * kernel took. 0 for every error: the caller's `socket.write` meets the same one and reports it.
 */
export function writeDirectly(socket: Socket, start: number, end: number): number {
  if (socket.destroyed || socket.writableEnded || socket.writableLength > 0) return 0
  const fd = descriptorOf(socket)
  if (fd < 0) return 0
  try {
    return writeSync(fd, arenaBytes, start, end - start)
  } catch {
    return 0
  }
}

/**
 * Whether the other side has broken the connection off. A socket that is not read does not tell, and would
 * first hand out all that came before. A write of nothing does: ECONNRESET, but EPIPE where an
 * orderly end came first. False where it is not known.
 */
export function isReset(socket: Socket): boolean {
  const fd = descriptorOf(socket)
  if (fd < 0) return false
  try {
    writeSync(fd, NOTHING)
    return false
  } catch (error) {
    return codeOf(error) === 'ECONNRESET'
  }
}

const NOTHING = new Uint8Array(0)

function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: unknown } | null }
  return typeof handle?.fd === 'number' ? handle.fd : -1
}
