import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { WebSocketServer } from 'ws'
import { codeOf, messageOf, PetioleError } from '../runtime/index.ts'
import {
  HTTP_HEADER_BYTES_MAX,
  HTTP_HEADERS_TIMEOUT_MS,
  HTTP_REQUEST_TIMEOUT_MS,
  LISTEN_BACKLOG,
  WEBSOCKET_MESSAGE_BYTES_MAX,
} from './limits.ts'
import type { Listener } from './network.ts'
import { acceptedTcpWire, type TcpRoads } from './tcp-wire.ts'
import { WebSocketWire } from './websocket-wire.ts'
import type { Wire } from './wire.ts'

export interface Accepting {
  readonly host: string
  readonly port: number
  readonly onWire: (wire: Wire) => void
  /** A connection that could not be accepted, for want of file descriptors for one. */
  readonly onTrouble: (error: PetioleError) => void
}

export function listenTcp(accepting: Accepting, roads: TcpRoads): Promise<Listener> {
  const options = { pauseOnConnect: true, allowHalfOpen: true, noDelay: true }
  const server = createServer(options, (socket) => {
    accepting.onWire(acceptedTcpWire(socket, roads))
  })
  return listenOn(server, accepting)
}

export async function listenWebSocket(accepting: Accepting): Promise<Listener> {
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    skipUTF8Validation: true,
    maxPayload: WEBSOCKET_MESSAGE_BYTES_MAX,
  })
  const server = upgradeServer()
  server.on('upgrade', (request, duplex, head) => {
    // Typed as any duplex stream for the sake of custom servers; ours hands out sockets.
    const socket = duplex as Socket
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      accepting.onWire(new WebSocketWire(webSocket, socket, request.url ?? '/'))
    })
  })
  const listener = await listenOn(server, accepting)
  const close = async (): Promise<void> => {
    await listener.close()
    server.closeAllConnections()
  }
  return { ...listener, close }
}

/** Opens `server` on a port; rejects with PETIOLE_PORT_TAKEN or PETIOLE_LISTEN_FAILED. */
export async function listenOn(
  server: Server,
  { host, port, onTrouble }: Omit<Accepting, 'onWire'>,
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

/** Any path may be upgraded; whoever comes for a page is told what this port is for. */
function upgradeServer(): HttpServer {
  const limits = {
    maxHeaderSize: HTTP_HEADER_BYTES_MAX,
    headersTimeout: HTTP_HEADERS_TIMEOUT_MS,
    requestTimeout: HTTP_REQUEST_TIMEOUT_MS,
  }
  return createHttpServer(limits, (_request, response) => {
    response.writeHead(426, { connection: 'close', upgrade: 'websocket' })
    response.end('this port speaks WebSocket\n')
  })
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
        `${place} is taken by another process: stop it, or set another \`port\``,
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
