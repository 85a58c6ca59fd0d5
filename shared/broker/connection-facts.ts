import type { ClientConnection } from './client-connection.ts'

/** What monitoring shows of a client: the facts of nats-server's `connz`, in program spelling. */
export interface ConnectionFacts {
  readonly id: number
  readonly kind: 'tcp' | 'websocket' | 'memory'
  readonly address: string
  readonly port: number
  readonly startedMs: number
  readonly lastActivityMs: number
  readonly roundTripMs: number | undefined
  readonly pendingBytes: number
  readonly inMessages: number
  readonly inBytes: number
  readonly outMessages: number
  readonly outBytes: number
  readonly subscriptions: number
  /** How often publishers had to wait for it. */
  readonly stalls: number
  readonly name: string
  readonly lang: string
  readonly version: string
  readonly user: string
  readonly account: string
}

export function factsOf(connection: ClientConnection): ConnectionFacts {
  const { channel, inlet, outlet, options, identity } = connection
  return {
    id: connection.id,
    kind: channel.kind,
    address: channel.remoteAddress,
    port: channel.remotePort,
    startedMs: connection.startedMs,
    lastActivityMs: connection.lastActivityMs,
    roundTripMs: connection.roundTripMs,
    pendingBytes: channel.pendingBytes,
    inMessages: inlet.receivedMessages,
    inBytes: inlet.receivedBytes,
    outMessages: outlet.deliveredMessages,
    outBytes: outlet.deliveredBytes,
    subscriptions: connection.subscriptions.size,
    stalls: outlet.stalls,
    name: options.name,
    lang: options.lang,
    version: options.version,
    user: identity?.user ?? '',
    account: identity?.account ?? '',
  }
}
