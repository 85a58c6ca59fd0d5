import { type AddressInfo, createServer, type Server } from 'node:net'
import { type Clock, codeOf, messageOf, PetioleError } from '../runtime/index.ts'
import { LISTEN_BACKLOG } from './limits.ts'
import type { Listener, ListenOptions } from './network.ts'
import { acceptedSocket, acceptedTcpWire, type TcpRoads } from './tcp-wire.ts'
import { UndecidedWire } from './undecided-wire.ts'
import type { Wire } from './wire.ts'

/** Reading begins when the handler is there; a peer may be done sending before it is answered. */
export const ACCEPT_OPTIONS = { pauseOnConnect: true, allowHalfOpen: true, noDelay: true } as const

export interface Accepting {
  readonly options: ListenOptions
  readonly clock: Clock
  readonly onWire: (wire: Wire) => void
  /** A connection that could not be accepted, for want of file descriptors or of a handshake. */
  readonly onTrouble: (error: PetioleError) => void
}

export function listenTcp(accepting: Accepting, roads: TcpRoads): Promise<Listener> {
  const { options, clock, onWire, onTrouble } = accepting
  const { tls, proxyProtocol = false } = options
  const isPlain = tls === undefined && !proxyProtocol
  const server = createServer(ACCEPT_OPTIONS, (socket) => {
    if (isPlain) {
      onWire(acceptedTcpWire(socket, roads))
      return
    }
    const accepted = acceptedSocket(socket, roads)
    const onLost = onTrouble
    new UndecidedWire(accepted, { tls, proxyProtocol, roads, clock, onWire, onLost }).begin()
  })
  return listenOn(server, { ...options, onTrouble })
}

/** Opens `server` on a port; rejects with PETIOLE_PORT_TAKEN or PETIOLE_LISTEN_FAILED. */
export async function listenOn(
  server: Server,
  {
    host,
    port,
    onTrouble,
  }: {
    readonly host: string
    readonly port: number
    readonly onTrouble: (error: PetioleError) => void
  },
): Promise<Listener> {
  await new Promise<void>((resolve, reject) => {
    const failed = (error: Error): void => reject(listenError(host, port, error))
    server.once('error', failed)
    server.listen({ host, port, backlog: LISTEN_BACKLOG }, () => {
      server.off('error', failed)
      resolve()
    })
  })
  const { address, port: bound } = server.address() as AddressInfo
  server.on('error', (error) => onTrouble(acceptError(address, bound, error)))
  return { host: address, port: bound, close: () => closeServer(server) }
}

/** Node frees the port at once; its callback would wait for the connections, which live on. */
function closeServer(server: Server): Promise<void> {
  if (server.listening) server.close()
  return Promise.resolve()
}

function acceptError(host: string, port: number, cause: Error): PetioleError {
  const message = `a connection to port ${port} on ${host} could not be accepted: ${cause.message}`
  return new PetioleError('PETIOLE_ACCEPT_FAILED', message, { cause })
}

function listenError(host: string, port: number, cause: unknown): PetioleError {
  const place = `port ${port} on ${host}`
  switch (codeOf(cause)) {
    case 'EADDRINUSE':
      return new PetioleError(
        'PETIOLE_PORT_TAKEN',
        `${place} is taken by another process: stop it, or set another port in the configuration`,
        { cause },
      )
    case 'EACCES':
      return new PetioleError(
        'PETIOLE_LISTEN_FAILED',
        `${place} needs a privilege that this process lacks: grant it, or set a \`port\` above 1023`,
        { cause },
      )
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new PetioleError(
        'PETIOLE_LISTEN_FAILED',
        `${host} is no address of this machine: set \`host\` to one it has, or to 0.0.0.0 for all`,
        { cause },
      )
    default:
      return new PetioleError(
        'PETIOLE_LISTEN_FAILED',
        `cannot open ${place}: ${messageOf(cause)}`,
        {
          cause,
        },
      )
  }
}
