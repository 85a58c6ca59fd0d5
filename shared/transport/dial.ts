import { connect, isIPv6, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ClientOptions, WebSocket } from 'ws'
import { type Clock, codeOf, messageOf, PetioleError } from '../runtime/index.ts'
import { factsOf } from './certificate.ts'
import { WEBSOCKET_MESSAGE_BYTES_MAX } from './limits.ts'
import type { DialOptions } from './network.ts'
import { SecuredWire } from './secured-wire.ts'
import { SharedReadSocket } from './shared-read.ts'
import { type TcpRoads, TcpWire } from './tcp-wire.ts'
import { dialTls } from './tls-handshake.ts'
import { DEFLATE_OPTIONS } from './websocket-listener.ts'
import { NO_MASKING_HEADER, sendNoMasks } from './websocket-masking.ts'
import { webSocketPackage } from './websocket-package.ts'
import { WebSocketWire } from './websocket-wire.ts'
import { NO_COOKIES, type Wire } from './wire.ts'
import { endsOf } from './wire-ends.ts'

/** A connection in the making. */
export interface Dialling {
  readonly wire: Promise<Wire>
  /** Gives up; also closes a wire that was made but not taken. */
  abandon(): void
}

export function dialTcp(options: DialOptions, roads: TcpRoads, clock: Clock): Dialling {
  const { host, port, tls } = options
  // What will be decrypted is not read into the arena.
  const socket =
    roads.read === 'shared' && tls === undefined
      ? new SharedReadSocket().connect({ host, port })
      : connect({ host, port, noDelay: true, allowHalfOpen: true })
  socket.pause()
  const wire = connected(socket).then(async () => {
    if (tls === undefined) return new TcpWire(socket, roads)
    return new SecuredWire(await dialTls(socket, tls, clock).secured)
  })
  return { wire, abandon: () => socket.destroy() }
}

/** The upgrade is made by `ws`, on a socket that is connected and secured already. */
export function dialWebSocket(options: DialOptions, clock: Clock): Dialling {
  const { host, port, path, tls, subprotocol } = options
  const tcp = connect({ host, port, noDelay: true })
  let webSocket: WebSocket | undefined
  const abandon = (): void => {
    webSocket?.terminate()
    tcp.destroy()
  }
  const wire = connected(tcp).then(async () => {
    const socket = tls === undefined ? tcp : await dialTls(tcp, tls, clock).secured
    const authority = isIPv6(host) ? `[${host}]` : host
    const { WebSocket: Socket } = webSocketPackage()
    const spoken = subprotocol === undefined ? [] : [subprotocol]
    const at = `ws://${authority}:${port}${path}`
    const made = new Socket(at, spoken, upgradeOptions(options, socket))
    webSocket = made
    await opened(made)
    return new WebSocketWire(made, {
      ends: endsOf(tcp),
      path,
      cookies: NO_COOKIES,
      tls: socket instanceof TLSSocket ? factsOf(socket) : undefined,
    })
  })
  return { wire, abandon }
}

function upgradeOptions(
  { isCompressed = false, isUnmasked = false }: DialOptions,
  socket: Socket,
): ClientOptions {
  return {
    createConnection: () => socket,
    perMessageDeflate: isCompressed ? DEFLATE_OPTIONS : false,
    skipUTF8Validation: true,
    maxPayload: WEBSOCKET_MESSAGE_BYTES_MAX,
    headers: isUnmasked ? { [NO_MASKING_HEADER]: 'true' } : {},
  }
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.once('connect', resolve)
  })
}

/** What comes with the answer, in one packet, waits for its reader. */
function opened(webSocket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    webSocket.on('error', reject)
    let isUnmasked = false
    webSocket.once('upgrade', ({ headers }) => {
      isUnmasked = headers[NO_MASKING_HEADER.toLowerCase()] === 'true'
    })
    webSocket.once('open', () => {
      if (isUnmasked) sendNoMasks(webSocket)
      webSocket.pause()
      resolve()
    })
  })
}

/** Waits for the wire, the deadline or the signal, whichever is first. */
export function settleDial(
  dialling: Dialling,
  options: DialOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<Wire> {
  return new Promise((resolve, reject) => {
    const stopWaiting = (): void => {
      cancel()
      signal.removeEventListener('abort', aborted)
    }
    const give = (error: PetioleError): void => {
      stopWaiting()
      dialling.abandon()
      reject(error)
    }
    const aborted = (): void => give(dialError(options, 'it was given up', signal.reason))
    const cancel = clock.after(options.timeoutMs, () => give(timeoutError(options)))
    signal.addEventListener('abort', aborted, { once: true })
    dialling.wire.then(
      (wire) => {
        stopWaiting()
        resolve(wire)
      },
      (error: unknown) => give(dialError(options, reasonOf(error), error)),
    )
    if (signal.aborted) aborted()
  })
}

function timeoutError(options: DialOptions): PetioleError {
  return new PetioleError(
    'PETIOLE_DIAL_TIMEOUT',
    `${targetOf(options)} did not answer within ${options.timeoutMs} ms`,
  )
}

function dialError(options: DialOptions, reason: string, cause: unknown): PetioleError {
  const message = `cannot connect to ${targetOf(options)}: ${reason}`
  return new PetioleError('PETIOLE_DIAL_FAILED', message, { cause })
}

function targetOf({ protocol, host, port, path, tls }: DialOptions): string {
  const secured = tls === undefined ? '' : 's'
  if (protocol === 'websocket') return `ws${secured}://${host}:${port}${path}`
  return tls === undefined ? `${host}:${port}` : `tls://${host}:${port}`
}

/** A name with several addresses fails with an AggregateError, whose message is empty. */
function reasonOf(error: unknown): string {
  return messageOf(error) || codeOf(error) || 'no reason given'
}
