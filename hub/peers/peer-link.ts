import type { Message, Publication } from '../../shared/broker/index.ts'
import type { LinkAccounts } from '../../shared/link/index.ts'
import type { Log } from '../../shared/log/index.ts'
import { messageOf } from '../../shared/runtime/index.ts'
import { AccountLane, type LaneOwner } from './account-lane.ts'
import { INTEREST_PENDING_MAX, type PeerLimits } from './limits.ts'
import type { PeerCard, PeerLinkKind } from './peer-card.ts'
import type { PeerConnection, PeerPhase } from './peer-connection.ts'
import { UNKNOWN_OPERATION } from './peer-errors.ts'
import { type MovedLeaf, parseCard, parseInfo, parseLeaf } from './peer-hello.ts'
import type { Demand } from './peer-parser.ts'

export interface PeerLinkOptions {
  /** Unique in this process. */
  readonly id: number
  readonly kind: PeerLinkKind
  readonly card: PeerCard
  readonly connection: PeerConnection
  /** This end dialled. */
  readonly isSolicited: boolean
  /** Its address is in the configuration. */
  readonly isConfigured: boolean
  /** Wall time. */
  readonly startedMs: number
  readonly accounts: LinkAccounts
  readonly limits: PeerLimits
  readonly log: Log
  /** It has said something new of itself. */
  readonly onCard: (link: PeerLink) => void
  /** It tells of another hub. */
  readonly onPeer: (card: PeerCard) => void
  /** A leaf has attached to it. */
  readonly onLeaf: (leaf: MovedLeaf) => void
  readonly onEnded: (link: PeerLink, reason: string) => void
}

/** A link as monitoring shows it. `in` is what came from the other side. */
export interface PeerLinkFacts {
  readonly id: number
  readonly kind: PeerLinkKind
  readonly remoteId: string
  readonly remoteName: string
  /** The other side's. */
  readonly region: string
  readonly isSolicited: boolean
  readonly isConfigured: boolean
  readonly ip: string
  readonly port: number
  /** Wall times. */
  readonly startedMs: number
  readonly lastActivityMs: number
  readonly roundTripMs: number | undefined
  readonly pendingBytes: number
  readonly inMessages: number
  readonly outMessages: number
  readonly inBytes: number
  readonly outBytes: number
  /** What the other side does not take by its size. */
  readonly droppedLarge: number
  /** Of the other side, over all accounts. */
  readonly subscriptions: number
  subscriptionList(): readonly PeerSubscriptionFacts[]
  accounts(): readonly PeerAccountFacts[]
}

export interface PeerSubscriptionFacts {
  readonly account: string
  readonly subject: string
  readonly queue: string
  /** A stream there: it is asked only for what no other hub stores. */
  readonly isCapture: boolean
}

export interface PeerAccountFacts {
  readonly name: string
  readonly subscriptions: number
  readonly queueSubscriptions: number
  readonly inMessages: number
  readonly outMessages: number
  readonly inBytes: number
  readonly outBytes: number
}

/** A link that is up: one lane per account, and what the two hubs tell each other of the mesh. */
export class PeerLink implements PeerPhase, LaneOwner {
  readonly id: number
  readonly kind: PeerLinkKind
  readonly connection: PeerConnection
  readonly isSolicited: boolean
  readonly isConfigured: boolean
  readonly #options: PeerLinkOptions
  readonly #lanes = new Map<string, AccountLane>()
  #card: PeerCard
  #subscriptions = 0
  #droppedLarge = 0
  #isUp = false
  #isOverLimit = false

  constructor(options: PeerLinkOptions) {
    this.#options = options
    this.id = options.id
    this.kind = options.kind
    this.connection = options.connection
    this.isSolicited = options.isSolicited
    this.isConfigured = options.isConfigured
    this.#card = options.card
  }

  get card(): PeerCard {
    return this.#card
  }

  get region(): string {
    return this.#card.region
  }

  get roundTripMs(): number | undefined {
    return this.connection.roundTripMs
  }

  get remoteName(): string {
    return this.#card.name
  }

  get isBusy(): boolean {
    return this.connection.output.pendingBytes > INTEREST_PENDING_MAX
  }

  get facts(): PeerLinkFacts {
    const { connection, id, kind, isSolicited, isConfigured, region } = this
    const { startedMs } = this.#options
    const sums = { inMessages: 0, outMessages: 0, inBytes: 0, outBytes: 0 }
    for (const { counts } of this.#lanes.values()) {
      sums.inMessages += counts.messagesIn
      sums.inBytes += counts.bytesIn
      sums.outMessages += counts.messagesOut
      sums.outBytes += counts.bytesOut
    }
    return {
      id,
      kind,
      remoteId: this.#card.id,
      remoteName: this.#card.name,
      region,
      isSolicited,
      isConfigured,
      ip: connection.host,
      port: connection.channel.remotePort,
      startedMs,
      lastActivityMs: connection.lastHeardMs,
      roundTripMs: connection.roundTripMs,
      pendingBytes: connection.output.pendingBytes,
      ...sums,
      droppedLarge: this.#droppedLarge,
      subscriptions: this.#subscriptions,
      subscriptionList: () => this.#subscriptionList(),
      accounts: () => [...this.#lanes.values()].map(accountFacts),
    }
  }

  /** Tells the other side all our interest, and each change from now on. */
  attach(accounts: Iterable<string>): void {
    this.#isUp = true
    this.connection.enter(this)
    for (const account of accounts) this.openAccount(account)
  }

  openAccount(account: string): void {
    if (this.#isUp) this.#lane(account)
  }

  /** Nobody here needs the account any more, nor asks the other side for anything in it. */
  closeAccount(account: string): void {
    this.#lanes.get(account)?.close()
    this.#lanes.delete(account)
  }

  send(line: Uint8Array): void {
    this.connection.send(line)
  }

  takeSubscription(): boolean {
    const { limits, log } = this.#options
    if (this.#subscriptions < limits.subscriptionsMax) {
      this.#subscriptions++
      return true
    }
    if (!this.#isOverLimit) {
      log.error(
        { limit: limits.subscriptionsMax },
        'interest of a peer passed over: too much of it',
      )
    }
    this.#isOverLimit = true
    return false
  }

  giveSubscription(): void {
    this.#subscriptions--
  }

  sendLine(line: string): void {
    this.connection.send(Buffer.from(line))
  }

  sendMessage(
    account: Uint8Array,
    message: Message,
    queues: readonly string[],
    isToStore: boolean,
  ): void {
    const size = message.headers.length + message.payload.length
    const isTooLarge = this.#card.payloadBytesMax > 0 && size > this.#card.payloadBytesMax
    if (!isTooLarge && this.connection.output.message(account, message, queues, isToStore)) return
    if (this.connection.isEnded) return
    if (this.#droppedLarge++ > 0) return
    const { payloadBytesMax } = this.#card
    this.#options.log.warn({ size, payloadBytesMax }, 'a message is too large for a peer')
  }

  interest(account: string, subject: string, queue: string, weight: number): void {
    this.#lane(account)?.interest(subject, queue, weight)
  }

  interestGone(account: string, subject: string, queue: string): void {
    this.#lanes.get(account)?.interestGone(subject, queue)
  }

  capture(account: string, subject: string, isThere: boolean): void {
    const lane = isThere ? this.#lane(account) : this.#lanes.get(account)
    lane?.capture(subject, isThere)
  }

  message(account: string, publication: Publication, demand: Demand): void {
    this.#lane(account)?.take(publication, demand)
  }

  info(json: string): void {
    this.#read(json, (it) => {
      const { card } = parseInfo(it, this.connection.host)
      const { id, name, region, boot } = this.#card
      // Who it is was proven once: what it may change is where it is reached.
      this.#card = { ...card, id, name, region, boot }
      this.#options.onCard(this)
    })
  }

  peer(json: string): void {
    this.#read(json, (it) => this.#options.onPeer(parseCard(it)))
  }

  leaf(json: string): void {
    this.#read(json, (it) => this.#options.onLeaf(parseLeaf(it)))
  }

  connect(_json: string): void {
    this.connection.fail(UNKNOWN_OPERATION, 'a second CONNECT')
  }

  refused(error: string): void {
    this.connection.close(`the other side said: ${error}`)
  }

  ended(reason: string): void {
    this.#isUp = false
    for (const lane of this.#lanes.values()) lane.close()
    this.#options.onEnded(this, reason)
  }

  /** What is not as it should be ends the link. */
  #read(json: string, read: (json: string) => void): void {
    try {
      read(json)
    } catch (error) {
      this.connection.fail(UNKNOWN_OPERATION, messageOf(error))
    }
  }

  /** Made at its first use; undefined when there are too many, or the link is over. */
  #lane(account: string): AccountLane | undefined {
    const known = this.#lanes.get(account)
    if (known !== undefined || !this.#isUp) return known
    if (this.#lanes.size >= this.#options.limits.accountsMax) return undefined
    const links = this.#options.accounts.of(account)
    // A space that has come to be just now was told to all links: this one has its lane then.
    const told = this.#lanes.get(account)
    if (told !== undefined) return told
    const lane = new AccountLane(this, links)
    this.#lanes.set(account, lane)
    lane.open()
    return lane
  }

  #subscriptionList(): readonly PeerSubscriptionFacts[] {
    return [...this.#lanes.values()].flatMap((lane) =>
      [...lane.subscriptions].map(({ subject, queue, isCapture }) => ({
        account: lane.account,
        subject,
        queue,
        isCapture,
      })),
    )
  }
}

function accountFacts(lane: AccountLane): PeerAccountFacts {
  let queueSubscriptions = 0
  for (const { queue } of lane.subscriptions) if (queue !== '') queueSubscriptions++
  const { messagesIn, messagesOut, bytesIn, bytesOut } = lane.counts
  return {
    name: lane.account,
    subscriptions: lane.subscriptionCount - queueSubscriptions,
    queueSubscriptions,
    inMessages: messagesIn,
    outMessages: messagesOut,
    inBytes: bytesIn,
    outBytes: bytesOut,
  }
}
