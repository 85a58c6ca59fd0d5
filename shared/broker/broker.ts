import type { Authenticator } from '../account/index.ts'
import type { Log } from '../log/index.ts'
import type { Clock, Random } from '../runtime/index.ts'
import type { Channel } from '../transport/index.ts'
import { API_LEVEL, SERVER_VERSION, type ServerInfo } from '../wire/index.ts'
import { AccountSpace } from './account-space.ts'
import type { BrokerOptions } from './broker-options.ts'
import { ClientConnection, type ConnectionContext } from './client-connection.ts'
import type { CloseReason } from './close-reason.ts'
import { type ConnectionFacts, factsOf } from './connection-facts.ts'
import { CLOSED_CONNECTIONS_MAX } from './limits.ts'

/** Sums over all NATS clients since the start, those that left included. */
export interface BrokerTotals {
  readonly connections: number
  readonly connectionsEver: number
  readonly subscriptions: number
  readonly slowConsumers: number
  readonly inMessages: number
  readonly inBytes: number
  readonly outMessages: number
  readonly outBytes: number
}

export interface ClosedConnection extends ConnectionFacts {
  readonly closedMs: number
  readonly reason: CloseReason
}

export interface BrokerDependencies {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly authenticator: Authenticator
  /** One sequence for peers of any kind; the broker keeps its own when it is not given. */
  readonly nextPeerId?: () => number
}

/**
 * The messaging core of one server: a subject space per account, and the NATS clients in them.
 * Whoever listens hands it each channel with `accept`; TCP and WebSocket are the same to it.
 */
export class Broker implements ConnectionContext {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly authenticator: Authenticator
  readonly options: BrokerOptions
  readonly nextPeerId: () => number
  readonly #spaces = new Map<string, AccountSpace>()
  readonly #connections = new Map<number, ClientConnection>()
  readonly #closed: ClosedConnection[] = []
  #connectUrls: readonly string[] = []
  #port: number
  #isDraining = false
  #isLameDuck = false
  #whenEmpty: (() => void)[] = []
  #connectionsEver = 0
  #slowConsumers = 0
  #past = { inMessages: 0, inBytes: 0, outMessages: 0, outBytes: 0 }
  #peerIds = 0

  constructor(dependencies: BrokerDependencies, options: BrokerOptions) {
    this.clock = dependencies.clock
    this.random = dependencies.random
    this.log = dependencies.log
    this.authenticator = dependencies.authenticator
    this.nextPeerId = dependencies.nextPeerId ?? (() => ++this.#peerIds)
    this.options = options
    this.#port = options.port
  }

  get connections(): ReadonlyMap<number, ClientConnection> {
    return this.#connections
  }

  /** The last that left, oldest first; at most CLOSED_CONNECTIONS_MAX. */
  get closedConnections(): readonly ClosedConnection[] {
    return this.#closed
  }

  get spaces(): ReadonlyMap<string, AccountSpace> {
    return this.#spaces
  }

  get totals(): BrokerTotals {
    const totals = { ...this.#past, subscriptions: 0 }
    for (const space of this.#spaces.values()) totals.subscriptions += space.subscriptionCount
    for (const { inlet, outlet } of this.#connections.values()) {
      totals.inMessages += inlet.receivedMessages
      totals.inBytes += inlet.receivedBytes
      totals.outMessages += outlet.deliveredMessages
      totals.outBytes += outlet.deliveredBytes
    }
    return {
      ...totals,
      connections: this.#connections.size,
      connectionsEver: this.#connectionsEver,
      slowConsumers: this.#slowConsumers,
    }
  }

  /** What INFO says from now on: the port that was taken, and where else clients can go. */
  announce(changes: { readonly port?: number; readonly connectUrls?: readonly string[] }): void {
    this.#port = changes.port ?? this.#port
    this.#connectUrls = changes.connectUrls ?? this.#connectUrls
    for (const connection of this.#connections.values()) {
      if (connection.takesInfo) connection.tellInfo()
    }
  }

  /** Makes the account's space at its first use. */
  space(account: string): AccountSpace {
    let space = this.#spaces.get(account)
    if (space === undefined) {
      space = new AccountSpace(this.random, account)
      this.#spaces.set(account, space)
    }
    return space
  }

  accept(channel: Channel): void {
    const connection = new ClientConnection(this, channel, this.nextPeerId())
    this.#connectionsEver++
    if (this.#isDraining) connection.destroy()
    else if (this.#connections.size >= this.options.connectionsMax) {
      this.log.warn({ connections: this.#connections.size }, 'maximum connections exceeded')
      connection.refuse()
    } else {
      this.#connections.set(connection.id, connection)
      connection.start()
    }
  }

  info(connection: ClientConnection): ServerInfo {
    const { options } = this
    const { channel, identity } = connection
    return {
      server_id: options.serverId,
      server_name: options.serverName,
      version: SERVER_VERSION,
      proto: 1,
      go: process.version,
      host: options.host,
      port: this.#port,
      headers: true,
      max_payload: options.payloadBytesMax,
      client_id: connection.id,
      client_ip: channel.remoteAddress,
      api_lvl: API_LEVEL,
      ...(this.authenticator.isRequired ? { auth_required: true } : {}),
      ...(options.jetstream ? { jetstream: true } : {}),
      ...(options.domain === '' ? {} : { domain: options.domain }),
      ...(this.#connectUrls.length === 0 ? {} : { connect_urls: this.#connectUrls }),
      ...(this.#isLameDuck ? { ldm: true } : {}),
      ...(connection.tellsAccount && identity !== undefined
        ? { connect_info: true, remote_account: identity.account }
        : {}),
    }
  }

  closed(connection: ClientConnection): void {
    if (!this.#connections.delete(connection.id)) return
    const reason = connection.closeReason ?? 'Client Closed'
    if (reason === 'Slow Consumer (Pending Bytes)') this.#slowConsumers++
    this.#past.inMessages += connection.inlet.receivedMessages
    this.#past.inBytes += connection.inlet.receivedBytes
    this.#past.outMessages += connection.outlet.deliveredMessages
    this.#past.outBytes += connection.outlet.deliveredBytes
    this.#closed.push({ ...factsOf(connection), closedMs: this.clock.wallMs(), reason })
    if (this.#closed.length > CLOSED_CONNECTIONS_MAX) this.#closed.shift()
    if (this.#connections.size > 0) return
    for (const resolve of this.#whenEmpty) resolve()
    this.#whenEmpty = []
  }

  /**
   * Takes no more clients and ends those that are here once their output is sent. With `lameDuckMs`
   * clients are told first, so that they go elsewhere, and are ended one by one over that time.
   */
  async drain(lameDuckMs = 0): Promise<void> {
    this.#isDraining = true
    if (lameDuckMs > 0) this.#beginLameDuck(lameDuckMs)
    else for (const connection of [...this.#connections.values()]) connection.end()
    if (this.#connections.size === 0) return
    await new Promise<void>((resolve) => this.#whenEmpty.push(resolve))
  }

  destroy(): void {
    this.#isDraining = true
    for (const connection of [...this.#connections.values()]) connection.destroy()
  }

  #beginLameDuck(lameDuckMs: number): void {
    this.#isLameDuck = true
    const connections = [...this.#connections.values()]
    connections.forEach((connection, index) => {
      if (connection.takesInfo) connection.tellInfo()
      const delayMs = (lameDuckMs * (index + 1)) / connections.length
      this.clock.after(delayMs, () => connection.end())
    })
  }
}
