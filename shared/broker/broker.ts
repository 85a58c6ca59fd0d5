import type { AccountBook, AccountListener, Authenticator, Identity } from '../account/index.ts'
import type { Log } from '../log/index.ts'
import type { Clock, Random } from '../runtime/index.ts'
import type { Channel } from '../transport/index.ts'
import type { ServerInfo } from '../wire/index.ts'
import type { AccountLimits, AccountTotals, Member, Seats } from './account-members.ts'
import { AccountSpace } from './account-space.ts'
import { BrokerAccounts } from './broker-accounts.ts'
import type { BrokerObserver } from './broker-observer.ts'
import type { BrokerOptions } from './broker-options.ts'
import { ClientConnection } from './client-connection.ts'
import { infoFor } from './client-info.ts'
import type { CloseReason } from './close-reason.ts'
import { ClosedRing } from './closed-ring.ts'
import type { ConnectionContext, Door } from './connection-context.ts'
import { type ClosedConnection, closedFactsOf, factsOf } from './connection-facts.ts'
import { closeOneByOne, type LameDuckOptions } from './lame-duck.ts'
import type { MessageTracer } from './message-tracer.ts'
import { ViolationLog } from './violation-log.ts'
import { WriteWatch } from './write-watch.ts'

/** Sums over all NATS clients since the start, those that left included. */
export interface BrokerTotals {
  readonly connections: number
  readonly connectionsEver: number
  readonly subscriptions: number
  readonly slowConsumers: number
  readonly staleConnections: number
  readonly stalls: number
  readonly inMessages: number
  readonly inBytes: number
  readonly outMessages: number
  readonly outBytes: number
}

export interface BrokerDependencies {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly authenticator: Authenticator
  /** Limits, mappings and expiry of accounts; without it accounts have none. */
  readonly accounts?: AccountBook
  readonly observer?: BrokerObserver
  readonly tracer?: MessageTracer
  /** One sequence for peers of any kind; the broker keeps its own when it is not given. */
  readonly nextPeerId?: () => number
}

/**
 * The messaging core of one server: a subject space per account, and the NATS clients in them.
 * Whoever listens hands it each channel with `accept`; TCP and WebSocket are the same to it.
 */
export class Broker implements ConnectionContext, Seats {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly nextPeerId: () => number
  readonly violations: ViolationLog
  /** May come later than the broker that it traces; connections that are there already do without. */
  tracer: MessageTracer | undefined
  authenticator: Authenticator
  options: BrokerOptions
  readonly #accounts: BrokerAccounts
  readonly #observer: BrokerObserver
  readonly #spaces = new Map<string, AccountSpace>()
  readonly #spaceListeners = new Set<(account: string) => void>()
  readonly #connections = new Map<number, ClientConnection>()
  readonly #closed: ClosedRing<ClosedConnection>
  readonly #writeWatch: WriteWatch
  readonly #stopFollowing: () => void
  #connectUrls: readonly string[] = []
  #webSocketUrls: readonly string[] = []
  #port: number
  #isDraining = false
  #isLameDuck = false
  #whenEmpty: (() => void)[] = []
  #connectionsEver = 0
  #past = { slowConsumers: 0, staleConnections: 0, stalls: 0 }
  #pastTraffic = { inMessages: 0, inBytes: 0, outMessages: 0, outBytes: 0 }
  #peerIds = 0

  constructor(dependencies: BrokerDependencies, options: BrokerOptions) {
    this.clock = dependencies.clock
    this.random = dependencies.random
    this.log = dependencies.log
    this.violations = new ViolationLog(this.clock, this.log)
    this.authenticator = dependencies.authenticator
    this.tracer = dependencies.tracer
    this.nextPeerId = dependencies.nextPeerId ?? (() => ++this.#peerIds)
    this.options = options
    this.#observer = dependencies.observer ?? {}
    this.#accounts = new BrokerAccounts(dependencies.accounts, this.#observer)
    this.#port = options.port
    this.#closed = new ClosedRing(options.closedConnectionsMax)
    this.#writeWatch = new WriteWatch(this.clock, () => this.#connections.values())
    this.#writeWatch.start(options.writeDeadlineMs)
    const listener: AccountListener = (after, before) =>
      this.#accountChanged(after?.name ?? before?.name ?? '')
    this.#stopFollowing = dependencies.accounts?.onChange(listener) ?? (() => {})
  }

  get connections(): ReadonlyMap<number, ClientConnection> {
    return this.#connections
  }

  /** The last that left, oldest first; at most `closedConnectionsMax`. */
  get closedConnections(): readonly ClosedConnection[] {
    return this.#closed.toArray()
  }

  /** Where else clients can go, as INFO tells them. */
  get connectUrls(): readonly string[] {
    return this.#connectUrls
  }

  get webSocketUrls(): readonly string[] {
    return this.#webSocketUrls
  }

  get spaces(): ReadonlyMap<string, AccountSpace> {
    return this.#spaces
  }

  get totals(): BrokerTotals {
    const totals = { ...this.#pastTraffic, ...this.#past, subscriptions: 0 }
    for (const space of this.#spaces.values()) totals.subscriptions += space.subscriptionCount
    for (const { inlet, outlet } of this.#connections.values()) {
      totals.inMessages += inlet.receivedMessages
      totals.inBytes += inlet.receivedBytes
      totals.outMessages += outlet.deliveredMessages
      totals.outBytes += outlet.deliveredBytes
      totals.stalls += outlet.stalls
    }
    return {
      ...totals,
      connections: this.#connections.size,
      connectionsEver: this.#connectionsEver,
    }
  }

  /** Sums over the NATS clients of one account. */
  accountTotals(account: string): AccountTotals {
    return this.#accounts.totalsOf(account)
  }

  /** The NATS clients of one account, oldest first. */
  connectionsOf(account: string): ReadonlySet<ClientConnection> {
    return this.#accounts.connectionsOf(account)
  }

  takeSeat(account: string, seat: Member): boolean {
    return !this.#isFull && this.#accounts.takeSeat(account, seat)
  }

  leaveSeat(account: string, seat: Member): void {
    this.#accounts.leaveSeat(account, seat)
  }

  /** What INFO says from now on: the port that was taken, and where else clients can go. */
  announce(changes: {
    readonly port?: number
    readonly connectUrls?: readonly string[]
    readonly webSocketUrls?: readonly string[]
  }): void {
    this.#port = changes.port ?? this.#port
    this.#connectUrls = changes.connectUrls ?? this.#connectUrls
    this.#webSocketUrls = changes.webSocketUrls ?? this.#webSocketUrls
    this.#tellAll()
  }

  /** What a reload changes. Those who are over a new limit may stay; `recheck` looks at who may not. */
  reconfigure(changes: Partial<BrokerOptions> & { readonly authenticator?: Authenticator }): void {
    const { authenticator, ...options } = changes
    this.authenticator = authenticator ?? this.authenticator
    this.options = { ...this.options, ...options }
    if (options.writeDeadlineMs !== undefined) this.#writeWatch.start(options.writeDeadlineMs)
    for (const connection of [...this.#connections.values()]) connection.applyLimits()
    this.#tellAll()
  }

  /** Asks of everybody, or of one account's, whether they may stay: accounts or users have changed. */
  recheck(account?: string): void {
    const connections =
      account === undefined ? this.#connections.values() : this.connectionsOf(account)
    for (const connection of [...connections]) {
      const { identity } = connection
      if (identity === undefined) continue
      const authenticator = connection.door.authenticator ?? this.authenticator
      const error = authenticator.recheck(identity)
      if (error !== undefined) connection.expel(error)
      else {
        const renewed = authenticator.renewed?.(identity)
        if (renewed === undefined) connection.applyLimits()
        else connection.renew(renewed)
      }
    }
  }

  /** False when there is no such connection. */
  kick(id: number): boolean {
    const connection = this.#connections.get(id)
    connection?.kick()
    return connection !== undefined
  }

  /** Tells one client to go elsewhere; false when there is none that listens. */
  sendAway(id: number): boolean {
    const connection = this.#connections.get(id)
    if (connection === undefined || !connection.takesInfo) return false
    connection.tellInfo(true)
    return true
  }

  /** Told of each account that gets its space from now on. */
  onSpace(listener: (account: string) => void): () => void {
    this.#spaceListeners.add(listener)
    return () => {
      this.#spaceListeners.delete(listener)
    }
  }

  /** Makes the account's space at its first use. */
  space(account: string): AccountSpace {
    let space = this.#spaces.get(account)
    if (space === undefined) {
      space = new AccountSpace(this.random, account)
      space.mappings = this.#accounts.mappingsOf(account, this.options.cluster)
      this.#spaces.set(account, space)
      for (const listener of this.#spaceListeners) listener(account)
    }
    return space
  }

  /** Lets go of an account's space and of its counts; false while somebody is in it. */
  release(account: string): boolean {
    const space = this.#spaces.get(account)
    const isIdle = space === undefined || space.subscriptionCount === 0
    if (!isIdle || !this.#accounts.release(account)) return false
    this.#spaces.delete(account)
    return true
  }

  accept(channel: Channel, door?: Door): void {
    const connection = new ClientConnection(this, channel, this.nextPeerId(), door)
    this.#connectionsEver++
    if (this.#isDraining) connection.destroy()
    else if (this.#isFull) {
      this.log.error({ connections: this.#connections.size }, 'maximum connections exceeded')
      connection.refuse()
    } else {
      this.#connections.set(connection.id, connection)
      connection.start()
    }
  }

  get #isFull(): boolean {
    const { connectionsMax } = this.options
    const taken = this.#connections.size + this.#accounts.seatsTaken
    return connectionsMax !== 0 && taken >= connectionsMax
  }

  limitsOf(account: string): AccountLimits {
    return this.#accounts.limitsOf(account)
  }

  isSystemAccount(account: string): boolean {
    return this.#accounts.isSystem(account)
  }

  info(connection: ClientConnection, isSentAway = false): ServerInfo {
    return infoFor(connection, this.options, {
      port: this.#port,
      connectUrls: this.#connectUrls,
      webSocketUrls: this.#webSocketUrls,
      isLameDuck: this.#isLameDuck || isSentAway,
      isSystemAccount: (account) => this.isSystemAccount(account),
    })
  }

  enter(connection: ClientConnection, { account }: Identity, unasked: boolean): boolean {
    return this.#accounts.enter(connection, account, unasked)
  }

  connected(connection: ClientConnection): void {
    this.#observer.connected?.(factsOf(connection))
  }

  notLetIn(connection: ClientConnection, reason: CloseReason): void {
    this.#observer.authenticationFailed?.(factsOf(connection), reason)
  }

  closed(connection: ClientConnection): void {
    if (!this.#connections.delete(connection.id)) return
    const reason = connection.closeReason ?? 'Client Closed'
    const facts = closedFactsOf(connection, this.clock.wallMs(), reason)
    this.#count(connection, reason)
    this.#closed.push(facts)
    this.#accounts.leave(connection)
    if (connection.isConnected) this.#observer.disconnected?.(facts)
    if (this.#connections.size > 0) return
    for (const resolve of this.#whenEmpty) resolve()
    this.#whenEmpty = []
  }

  /**
   * Takes no more clients and ends those that are here once their output is sent. With `lameDuckMs`
   * clients are told first, so that they go elsewhere, and are ended one by one over that time.
   */
  async drain(lameDuckMs = 0): Promise<void> {
    if (lameDuckMs > 0) return this.lameDuck({ graceMs: 0, durationMs: lameDuckMs })
    this.#isDraining = true
    for (const connection of [...this.#connections.values()]) connection.end()
    await this.#emptied()
  }

  /** Takes no more clients, tells those that are here, and closes them one by one. */
  async lameDuck(options: LameDuckOptions): Promise<void> {
    this.#isDraining = true
    this.#isLameDuck = true
    this.#tellAll()
    await closeOneByOne([...this.#connections.values()], options, this.clock, this.random)
    await this.#emptied()
  }

  destroy(): void {
    this.#isDraining = true
    this.#writeWatch.stop()
    this.#stopFollowing()
    for (const connection of [...this.#connections.values()]) connection.destroy()
  }

  async #emptied(): Promise<void> {
    this.#stopFollowing()
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => this.#whenEmpty.push(resolve))
    }
    this.#writeWatch.stop()
  }

  #tellAll(): void {
    for (const connection of this.#connections.values()) {
      if (connection.takesInfo) connection.tellInfo()
    }
  }

  #accountChanged(account: string): void {
    const space = this.#spaces.get(account)
    if (space !== undefined)
      space.mappings = this.#accounts.mappingsOf(account, this.options.cluster)
    for (const member of this.#accounts.overLimit(account)) member.expel('account_connections')
    this.recheck(account)
  }

  #count(connection: ClientConnection, reason: CloseReason): void {
    const { inlet, outlet, identity } = connection
    if (reason.startsWith('Slow Consumer')) {
      this.#past.slowConsumers++
      if (identity !== undefined) this.#accounts.membersOf(identity.account).slowConsumers++
    }
    if (reason === 'Stale Connection') this.#past.staleConnections++
    this.#past.stalls += outlet.stalls
    this.#pastTraffic.inMessages += inlet.receivedMessages
    this.#pastTraffic.inBytes += inlet.receivedBytes
    this.#pastTraffic.outMessages += outlet.deliveredMessages
    this.#pastTraffic.outBytes += outlet.deliveredBytes
  }
}
