import type { Socket } from 'node:net'
import { PetioleError } from '../runtime/index.ts'

/** Who is at the two ends of a wire, as monitoring and logs show it. */
export interface WireEnds {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
}

export function endsOf(socket: Socket): WireEnds {
  return {
    remoteAddress: socket.remoteAddress ?? '',
    remotePort: socket.remotePort ?? 0,
    localAddress: socket.localAddress ?? '',
    localPort: socket.localPort ?? 0,
  }
}

/** As nats-server names a connection in the log: `198.51.100.7/10.0.0.1:4711` for one behind a proxy. */
export function remoteName(
  ends: Pick<WireEnds, 'remoteAddress' | 'remotePort'> & {
    readonly forwardedFor?: string | undefined
  },
): string {
  const { forwardedFor, remoteAddress, remotePort } = ends
  const at = `${remoteAddress}:${remotePort}`
  if (forwardedFor === undefined) return at
  return forwardedFor.includes(':') ? `[${forwardedFor}]/${at}` : `${forwardedFor}/${at}`
}

/** The same failure, and whose connection it was. */
export function lostBy({ remoteAddress, remotePort }: WireEnds, error: PetioleError): PetioleError {
  const message = `${remoteAddress}:${remotePort} - ${error.message}`
  return new PetioleError(error.code, message, { cause: error })
}
