import type { TlsFacts } from '../account/index.ts'
import type { ClientConnection } from './client-connection.ts'
import type { CloseReason } from './close-reason.ts'

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
  /** The user's name, or his nkey; what was claimed when nobody was let in. */
  readonly user: string
  readonly account: string
  readonly tls: TlsFacts | undefined
  readonly jwt: string
  readonly issuerKey: string
  readonly nameTag: string
  readonly tags: readonly string[]
  readonly proxyKey: string
  /** Text of the last -ERR that was sent; '' for none. */
  readonly lastError: string
}

export interface ClosedConnection extends ConnectionFacts {
  readonly closedMs: number
  readonly reason: CloseReason
  /** What it was subscribed to as it left. */
  readonly subjects: readonly string[]
}

/** Subjects of a closed connection that are remembered. */
export const CLOSED_SUBJECTS_MAX = 256

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
    user: identity?.user ?? options.user ?? options.nkey ?? '',
    account: identity?.account ?? '',
    tls: channel.tls,
    jwt: identity?.jwt ?? '',
    issuerKey: identity?.issuerKey ?? '',
    nameTag: identity?.nameTag ?? '',
    tags: identity?.tags ?? NO_TAGS,
    proxyKey: identity?.proxyKey ?? '',
    lastError: connection.lastError,
  }
}

const NO_TAGS: readonly string[] = []

export function closedFactsOf(
  connection: ClientConnection,
  closedMs: number,
  reason: CloseReason,
): ClosedConnection {
  const subjects: string[] = []
  for (const { subject } of connection.subscriptions.values()) {
    if (subjects.length === CLOSED_SUBJECTS_MAX) break
    subjects.push(subject)
  }
  // A spread of so many fields would give each of these, which are kept by the thousand, a hidden class of its own.
  return Object.assign(factsOf(connection), { closedMs, reason, subjects })
}
