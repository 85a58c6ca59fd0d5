import type {
  LinkPeer,
  Message,
  Publication,
  PublishOptions,
  SubjectSpace,
  Subscription,
} from '../../shared/broker/index.ts'
import type { AccountLinks, InterestListener } from '../../shared/link/index.ts'
import { isValidSubject } from '../../shared/subject/index.ts'
import { isStamped } from '../../shared/sync/index.ts'
import { accountToken } from './account-token.ts'
import { INTEREST_BYTES_MAX } from './limits.ts'
import type { PeerLinkKind } from './peer-card.ts'
import type { Demand } from './peer-parser.ts'
import { StampedMessage } from './stamped-message.ts'

/** What a lane needs of its link. */
export interface LaneOwner {
  readonly id: number
  readonly kind: PeerLinkKind
  readonly region: string
  readonly roundTripMs: number | undefined
  readonly isBusy: boolean
  readonly remoteName: string
  /** False: one more than a peer may have. */
  takeSubscription(): boolean
  giveSubscription(): void
  sendLine(line: string): void
  sendMessage(
    account: Uint8Array,
    message: Message,
    queues: readonly string[],
    isToStore: boolean,
  ): void
}

export interface LaneCounts {
  messagesIn: number
  bytesIn: number
  messagesOut: number
  bytesOut: number
}

/**
 * One account on one link. The other hub's interest lives in our subject space as subscriptions of
 * this peer; ours is told as it changes. What comes over it goes to clients, services and leaves here,
 * and never to another hub: the space sees to that by the kind of this peer.
 */
export class AccountLane implements LinkPeer, InterestListener {
  readonly id: number
  readonly kind: PeerLinkKind
  readonly region: string
  readonly echo = false
  readonly remoteCluster = ''
  readonly isIsolated = false
  readonly counts: LaneCounts = { messagesIn: 0, bytesIn: 0, messagesOut: 0, bytesOut: 0 }
  readonly #owner: LaneOwner
  readonly #links: AccountLinks
  readonly #space: SubjectSpace
  readonly #token: string
  readonly #tokenBytes: Uint8Array
  readonly #subscriptions = new Map<string, Subscription>()
  #isOpen = false

  constructor(owner: LaneOwner, links: AccountLinks) {
    this.#owner = owner
    this.id = owner.id
    this.kind = owner.kind
    this.region = owner.region
    this.#links = links
    this.#space = links.space
    this.#token = accountToken(links.space.account)
    this.#tokenBytes = Buffer.from(this.#token)
  }

  get peer(): LinkPeer {
    return this
  }

  get account(): string {
    return this.#space.account
  }

  get roundTripMs(): number | undefined {
    return this.#owner.roundTripMs
  }

  get remoteName(): string {
    return this.#owner.remoteName
  }

  get isUp(): boolean {
    return this.#isOpen
  }

  get isBusy(): boolean {
    return this.#owner.isBusy
  }

  /** Of the other side. */
  get subscriptions(): Iterable<Subscription> {
    return this.#subscriptions.values()
  }

  get subscriptionCount(): number {
    return this.#subscriptions.size
  }

  /** Tells the other side all the interest of the account, and each change from now on. */
  open(): void {
    this.#isOpen = true
    this.#links.join(this)
  }

  close(): void {
    this.#isOpen = false
    this.#links.leave(this, this.#subscriptions)
  }

  forward(message: Message, _plain: boolean, queues: readonly string[], isToStore: boolean): void {
    if (!this.#isOpen) return
    const sent = isStamped(message.subjectBytes) ? new StampedMessage(message) : message
    this.counts.messagesOut++
    this.counts.bytesOut += sent.headers.length + sent.payload.length
    this.#owner.sendMessage(this.#tokenBytes, sent, queues, isToStore)
  }

  deliver(subscription: Subscription, message: Message): void {
    const queues = subscription.queue === '' ? [] : [subscription.queue]
    this.forward(message, queues.length === 0, queues, false)
  }

  interestChanged(subject: string, queue: string, weight: number): void {
    if (!this.#isOpen) return
    const what = `${this.#token} ${keyOf(subject, queue)}`
    if (what.length > INTEREST_BYTES_MAX) return
    if (weight === 0) this.#owner.sendLine(`RS- ${what}\r\n`)
    else this.#owner.sendLine(queue === '' ? `RS+ ${what}\r\n` : `RS+ ${what} ${weight}\r\n`)
  }

  captureChanged(subject: string, isThere: boolean): void {
    if (!this.#isOpen || subject.length > INTEREST_BYTES_MAX) return
    this.#owner.sendLine(`RC${isThere ? '+' : '-'} ${this.#token} ${subject}\r\n`)
  }

  /** The other side asks for it. */
  interest(subject: string, queue: string, weight: number): void {
    const key = keyOf(subject, queue)
    const known = this.#subscriptions.get(key)
    if (known === undefined) this.#add(key, { subject, queue, weight })
    else if (queue !== '') this.#subscriptions.set(key, this.#space.reweigh(known, weight))
  }

  interestGone(subject: string, queue: string): void {
    this.#remove(keyOf(subject, queue))
  }

  capture(subject: string, isThere: boolean): void {
    const key = `${CAPTURE_KEY}${subject}`
    if (!isThere) this.#remove(key)
    else if (!this.#subscriptions.has(key)) this.#add(key, { subject, isCapture: true })
  }

  /** A message of the other side: for those here, and for no queue group that it does not name. */
  take(publication: Publication, demand: Demand): void {
    this.counts.messagesIn++
    this.counts.bytesIn += publication.headers.length + publication.payload.length
    this.#links.publish(this, publication, optionsOf(demand))
  }

  #add(
    key: string,
    options: { subject: string; queue?: string; weight?: number; isCapture?: boolean },
  ): void {
    if (!isValidSubject(options.subject) || !this.#owner.takeSubscription()) return
    this.#subscriptions.set(key, this.#space.subscribe(this, { ...options, sid: key }))
  }

  #remove(key: string): void {
    const known = this.#subscriptions.get(key)
    if (known === undefined) return
    this.#subscriptions.delete(key)
    this.#owner.giveSubscription()
    this.#space.unsubscribe(known)
  }
}

/** No subject begins with a blank, so no key of interest is one of a capture. */
const CAPTURE_KEY = ' '

const FOR_ALL: PublishOptions = { queues: [], capture: false }
const FOR_ALL_TO_STORE: PublishOptions = { queues: [], capture: true }

function optionsOf({ queues, isToStore, isForGroupsOnly }: Demand): PublishOptions {
  if (queues.length > 0) return { queues, capture: isToStore, isForGroupsOnly }
  return isToStore ? FOR_ALL_TO_STORE : FOR_ALL
}

function keyOf(subject: string, queue: string): string {
  return queue === '' ? subject : `${subject} ${queue}`
}
