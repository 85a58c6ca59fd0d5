import { connect, isIPv6, type Socket } from 'node:net'
import { WebSocket } from 'ws'
import { type Clock, codeOf, messageOf, PetioleError } from '../runtime/index.ts'
import { WEBSOCKET_MESSAGE_BYTES_MAX } from './limits.ts'
import type { DialOptions } from './network.ts'
import { ReadTarget } from './shared-read.ts'
import { type TcpRoads, TcpWire } from './tcp-wire.ts'
import { WebSocketWire } from './websocket-wire.ts'
import type { Wire } from './wire.ts'

/** A connection in the making. */
export interface Dialling {
  readonly wire: Promise<Wire>
  /** Gives up; also closes a wire that was made but not taken. */
  abandon(): void
}

export function dialTcp({ host, port }: DialOptions, roads: TcpRoads): Dialling {
  const target = roads.read === 'shared' ? new ReadTarget() : undefined
  const onread = target === undefined ? {} : { onread: target.onread }
  const socket = connect({ host, port, noDelay: true, allowHalfOpen: true, ...onread })
  socket.pause()
  const wire = new Promise<Wire>((resolve, reject) => {
    socket.on('error', reject)
    socket.once('connect', () => resolve(new TcpWire(socket, target, roads)))
  })
  return { wire, abandon: () => socket.destroy() }
}

export function dialWebSocket({ host, port, path }: DialOptions): Dialling {
  const authority = isIPv6(host) ? `[${host}]` : host
  const socket = new WebSocket(`ws://${authority}:${port}${path}`, {
    perMessageDeflate: false,
    skipUTF8Validation: true,
    maxPayload: WEBSOCKET_MESSAGE_BYTES_MAX,
  })
  const wire = new Promise<Wire>((resolve, reject) => {
    let tcp: Socket | undefined
    socket.on('error', reject)
    socket.once('upgrade', (response) => {
      tcp = response.socket
    })
    socket.once('open', () => {
      if (tcp !== undefined) resolve(new WebSocketWire(socket, tcp, path))
    })
  })
  return { wire, abandon: () => socket.terminate() }
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

function targetOf({ protocol, host, port, path }: DialOptions): string {
  return protocol === 'tcp' ? `${host}:${port}` : `ws://${host}:${port}${path}`
}

/** A name with several addresses fails with an AggregateError, whose message is empty. */
function reasonOf(error: unknown): string {
  return messageOf(error) || codeOf(error) || 'no reason given'
}
