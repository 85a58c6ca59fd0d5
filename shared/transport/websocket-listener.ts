import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { PerMessageDeflateOptions } from 'ws'
import { type Cancel, type Clock, PetioleError } from '../runtime/index.ts'
import { factsOf } from './certificate.ts'
import {
  COMPRESS_BYTES_MIN,
  WEBSOCKET_HANDSHAKE_MS,
  WEBSOCKET_HEADER_BYTES_MAX,
  WEBSOCKET_MESSAGE_BYTES_MAX,
} from './limits.ts'
import { type Accepting, listenOn } from './listening.ts'
import type { Listener, WebSocketRules } from './network.ts'
import { secureServer } from './secure-server.ts'
import { expectNoMasks, NO_MASKING_HEADER } from './websocket-masking.ts'
import { webSocketPackage } from './websocket-package.ts'
import {
  asksForNoMasking,
  cookiesOf,
  forwardedAddress,
  narrowCompressionOffer,
  pathOf,
  refusalOfUpgrade,
  refusalText,
  SUBPROTOCOLS,
} from './websocket-upgrade.ts'
import { WebSocketWire } from './websocket-wire.ts'
import { endsOf, lostBy } from './wire-ends.ts'

const PLAIN_RULES: WebSocketRules = {
  isCompressed: false,
  isSameOrigin: false,
  allowedOrigins: [],
  headers: {},
  handshakeTimeoutMs: WEBSOCKET_HANDSHAKE_MS,
  messageBytesMax: WEBSOCKET_MESSAGE_BYTES_MAX,
  serves: () => true,
}

/** No memory is kept between messages, on either side. */
export const DEFLATE_OPTIONS: PerMessageDeflateOptions = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  threshold: COMPRESS_BYTES_MIN,
}

/**
 * The WebSocket listener: TCP, TLS when it is asked for, an upgrade request that is checked as
 * nats-server does, and then a stream of bytes. The upgrade must be done within the handshake timeout.
 */
export async function listenWebSocket(accepting: Accepting): Promise<Listener> {
  const { options, clock, onTrouble } = accepting
  const { tls, webSocket: rules = PLAIN_RULES } = options
  const http = createHttpServer({
    maxHeaderSize: WEBSOCKET_HEADER_BYTES_MAX,
    requireHostHeader: false,
  })
  const deadlines = new Deadlines(clock, rules.handshakeTimeoutMs)
  const refuse = (request: IncomingMessage, status: number, reason: string): void => {
    const message = `websocket handshake error: ${reason}`
    onTrouble(
      lostBy(endsOf(request.socket), new PetioleError('PETIOLE_WEBSOCKET_REFUSED', message)),
    )
    request.socket.end(refusalText(status))
  }
  http.on('connection', (socket: Socket) => deadlines.begin(socket))
  // Without an upgrade that Node can see there is no other answer than a refusal.
  http.on('request', (request) => {
    const refusal = refusalOfUpgrade(request, rules, tls !== undefined)
    refuse(request, refusal?.status ?? 400, refusal?.reason ?? 'no upgrade')
  })
  acceptUpgrades(http, accepting, rules, deadlines, refuse)
  const server = tls === undefined ? http : secureServer(http, tls.settings, accepting)
  const listener = await listenOn(server, { ...options, onTrouble })
  const close = async (): Promise<void> => {
    await listener.close()
    http.closeAllConnections()
  }
  return { ...listener, close }
}

function acceptUpgrades(
  http: Server,
  { options, onWire }: Accepting,
  rules: WebSocketRules,
  deadlines: Deadlines,
  refuse: (request: IncomingMessage, status: number, reason: string) => void,
): void {
  const isSecure = options.tls !== undefined
  const { WebSocketServer } = webSocketPackage()
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: rules.isCompressed ? DEFLATE_OPTIONS : false,
    skipUTF8Validation: true,
    maxPayload: rules.messageBytesMax,
    handleProtocols: (offered) => SUBPROTOCOLS.find((each) => offered.has(each)) ?? false,
  })
  sockets.on('headers', (headers, request) => {
    if (asksForNoMasking(request)) headers.push(`${NO_MASKING_HEADER}: true`)
    for (const [name, value] of Object.entries(rules.headers)) headers.push(`${name}: ${value}`)
  })
  sockets.on('wsClientError', (error, _socket, request) => refuse(request, 400, error.message))
  http.on('upgrade', (request, duplex, head) => {
    // Typed as any duplex stream for the sake of custom servers; ours hands out sockets.
    const socket = duplex as Socket
    const refusal = refusalOfUpgrade(request, rules, isSecure)
    if (refusal !== undefined) {
      refuse(request, refusal.status, refusal.reason)
      return
    }
    narrowCompressionOffer(request)
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      deadlines.end(socket)
      if (asksForNoMasking(request)) expectNoMasks(webSocket)
      onWire(
        new WebSocketWire(webSocket, {
          ends: endsOf(socket),
          forwardedFor: forwardedAddress(request),
          path: pathOf(request),
          cookies: cookiesOf(request, rules.cookieNames),
          tls: isSecure ? factsOf(socket as TLSSocket) : undefined,
        }),
      )
    })
  })
}

/** Closes what has not become a WebSocket in time. */
class Deadlines {
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #cancels = new Map<Socket, Cancel>()

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  begin(socket: Socket): void {
    const cancel = this.#clock.after(this.#timeoutMs, () => socket.destroy())
    this.#cancels.set(socket, cancel)
    socket.once('close', () => this.end(socket))
  }

  end(socket: Socket): void {
    this.#cancels.get(socket)?.()
    this.#cancels.delete(socket)
  }
}
