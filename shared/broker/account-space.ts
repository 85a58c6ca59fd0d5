import { PetioleError, type Random } from '../runtime/index.ts'
import { hasWildcard, isValidSubject, type SubjectMappings, SubjectTree } from '../subject/index.ts'
import { holdsBlank } from './blank.ts'
import { ClientSubscription } from './client-subscription.ts'
import { Interest, isLinkPeer, type QueueInterest } from './interest.ts'
import { chooseLink, mayCross } from './link-choice.ts'
import type {
  InterestObserver,
  LinkPeer,
  Peer,
  Publication,
  PublishCommitted,
  PublishOptions,
  SubjectSpace,
  SubscribeOptions,
  Subscription,
} from './message.ts'
import { RouteTable } from './route-table.ts'
import { giveMessage, isNestedTooDeep, type RoutedMessage, takeMessage } from './routed-message.ts'
import { BYTES_PER_UNIT_SHIFT, LARGE_BYTES, WORK_UNITS, work } from './work.ts'

/**
 * One account's subject space: the router.
 *
 * `#tree` holds every subscription and says who matches; `routes` remembers the answer per subject.
 * `dispatch` then hands a message to whom the answer names, by the rules of origin:
 *
 * - nobody gets his own message back who asked for no echo; a link never gets back what it sent;
 * - what came from a hub (uplink, route, gateway) goes to clients and attached leaves, not to another
 *   hub: one hop reaches all hubs, and two could bring a message twice;
 * - a link takes a message once, with the queue groups that its side must serve;
 * - a queue group is served here if it has any member here, else by one link (see link-choice.ts);
 * - what came over a link serves only those groups that the sender names;
 * - a message is stored by the captures here, else by those of one other hub, which is told so;
 * - who stores it comes last, so that it can take over the publisher's callback; but first where the publisher
 *   asks for it, and then what is refused goes to nobody.
 */
export class AccountSpace implements SubjectSpace {
  readonly account: string
  readonly routes: RouteTable
  /** undefined when the account has none, as most. */
  mappings: SubjectMappings | undefined
  readonly #random: Random
  readonly #tree = new SubjectTree<Subscription>()
  readonly #subscriptions = new Set<Subscription>()
  readonly #observers = new Set<InterestObserver>()
  /** What each subscription is when it is the only one that matches; it never changes. */
  readonly #lone = new WeakMap<Subscription, Interest>()
  #inserts = 0
  #removes = 0
  #misses = 0

  constructor(random: Random, account: string) {
    this.#random = random
    this.account = account
    this.routes = new RouteTable(
      random,
      (subject) => this.#match(subject),
      (prefix, tokensBehind) => this.#matchAnyEnd(prefix, tokensBehind),
    )
  }

  /** Throws PETIOLE_SUBJECT_INVALID. */
  subscribe(peer: Peer, options: SubscribeOptions): Subscription {
    if (!isValidSubject(options.subject)) {
      throw new PetioleError(
        'PETIOLE_SUBJECT_INVALID',
        `subject ${JSON.stringify(options.subject)}: tokens may not be empty nor hold white space, and '>' comes last`,
      )
    }
    const subscription = new PeerSubscription(peer, options)
    this.add(subscription)
    return subscription
  }

  unsubscribe(subscription: Subscription): void {
    if (!this.#subscriptions.delete(subscription)) return
    this.#removes++
    work.units += WORK_UNITS.interestChange
    this.#tree.remove(subscription.subject, subscription)
    this.routes.invalidate(subscription.subject, !hasWildcard(subscription.subject))
    for (const observer of this.#observers) observer.subscriptionRemoved(subscription)
  }

  /** Adds a subscription whose subject is known to be valid. */
  add(subscription: Subscription): void {
    this.#subscriptions.add(subscription)
    this.#inserts++
    work.units += WORK_UNITS.interestChange
    this.#tree.add(subscription.subject, subscription)
    this.routes.invalidate(subscription.subject, !hasWildcard(subscription.subject))
    for (const observer of this.#observers) observer.subscriptionAdded(subscription)
  }

  reweigh(subscription: Subscription, weight: number): Subscription {
    if (!(subscription instanceof PeerSubscription) || subscription.weight === weight) {
      return subscription
    }
    const previous = subscription.weight
    subscription.weight = weight
    for (const observer of this.#observers) observer.subscriptionReweighed?.(subscription, previous)
    return subscription
  }

  publish(origin: Peer, publication: Publication, options: PublishOptions = EVERYWHERE): number {
    if (!isWritable(publication)) {
      options.committed?.(
        new PetioleError(
          'PETIOLE_SUBJECT_INVALID',
          `subject ${JSON.stringify(Buffer.from(publication.subject).toString())}: it may not be empty nor hold white space`,
        ),
      )
      return 0
    }
    if (isNestedTooDeep()) {
      options.committed?.(
        new PetioleError(
          'PETIOLE_PUBLICATION_TOO_DEEP',
          'a publication from within a delivery from within a delivery, and so on: does it go in a circle?',
        ),
      )
      return 0
    }
    const interest = this.routes.locateBytes(publication.subject)
    const message = takeMessage()
    message.setParts(origin, publication)
    message.committed = options.committed
    message.part = options.part
    return this.dispatch(options.part === 'logs' ? interest.logs : interest, message, options)
  }

  /** Delivers by the rules above and gives the message back; returns how many peers took it. */
  dispatch(interest: Interest, message: RoutedMessage, options: PublishOptions): number {
    let taken = 0
    let committed: PublishCommitted | undefined
    try {
      if (!interest.isEmpty) taken = this.#serve(interest, message, options)
      committed = message.takeCommitted()
    } finally {
      // Also when a peer breaks its word and throws: the depth of publications must not grow by it.
      giveMessage(message)
    }
    committed?.(undefined)
    return taken
  }

  /** What the account's mappings make of a literal subject: undefined when it stays, '' to drop it. */
  mapped(subject: string): string | undefined {
    return this.mappings?.map(subject, this.#random)
  }

  mappedSubject(subject: Uint8Array): Uint8Array {
    if (this.mappings === undefined) return subject
    const mapped = this.mapped(Buffer.from(subject).toString())
    return mapped === undefined ? subject : Buffer.from(mapped)
  }

  /** All subscriptions that a message on the literal `subject` concerns, in no order. */
  matching(subject: string): readonly Subscription[] {
    return this.#tree.match(subject)
  }

  /** A plain subscription of `peer` that a message on the literal `subject` would reach. */
  subscriptionOf(peer: Peer, subject: string): Subscription | undefined {
    return this.#tree.match(subject).find((found) => found.peer === peer && found.queue === '')
  }

  hasInterest(subject: string, except?: Peer): boolean {
    return this.#match(subject).hasOther(except)
  }

  subscriptions(): Iterable<Subscription> {
    return this.#subscriptions
  }

  get subscriptionCount(): number {
    return this.#subscriptions.size
  }

  /** For monitoring. `misses` are lookups that had to search the tree; the others are not counted. */
  get router(): { readonly inserts: number; readonly removes: number; readonly misses: number } {
    return { inserts: this.#inserts, removes: this.#removes, misses: this.#misses }
  }

  observe(observer: InterestObserver): () => void {
    this.#observers.add(observer)
    return () => {
      this.#observers.delete(observer)
    }
  }

  /** Subjects that are used once, as acknowledgements are, mostly have one and the same receiver. */
  #interestOf(matching: readonly Subscription[]): Interest {
    const [only] = matching
    if (only === undefined) return Interest.none
    if (matching.length > 1) return new Interest(matching)
    let interest = this.#lone.get(only)
    if (interest === undefined) {
      interest = new Interest(matching)
      this.#lone.set(only, interest)
    }
    return interest
  }

  #matchAnyEnd(prefix: string, tokensBehind: number): Interest | undefined {
    const matching = this.#tree.matchAnyEnd(prefix, tokensBehind)
    this.#searched(matching)
    if (matching === undefined) return undefined
    return this.#interestOf(matching)
  }

  #match(subject: string): Interest {
    this.#misses++
    const matching = this.#tree.match(subject)
    this.#searched(matching)
    return this.#interestOf(matching)
  }

  /** Each that was found is visited once more where they are sorted. */
  #searched(matching: readonly Subscription[] | undefined): void {
    work.units += this.#tree.visited * WORK_UNITS.node + (matching?.length ?? 0)
  }

  #serve(interest: Interest, message: RoutedMessage, options: PublishOptions): number {
    let taken = 0
    const isPlain = options.isForGroupsOnly !== true
    const { clients, locals, storing } = isPlain ? interest : Interest.none
    work.units += interest.units
    if (message.totalBytes >= LARGE_BYTES) {
      work.units += clients.length * (message.totalBytes >> BYTES_PER_UNIT_SHIFT)
    }
    const isStoredFirst = interest.mayStore && options.isRefused !== undefined
    if (isStoredFirst) {
      taken = this.#storeFirst(interest, message, options)
      if (options.isRefused === true) return taken
    }
    for (let i = 0; i < clients.length; i++) {
      const subscription = clients[i]
      if (subscription?.peer.take(subscription, message)) taken++
    }
    for (let i = 0; i < locals.length; i++) {
      const subscription = locals[i]
      if (subscription !== undefined && deliver(subscription, message, options)) taken++
    }
    if (isStoredFirst) return taken
    // Who shares the publisher's callback comes before the capture that takes it.
    for (let i = storing.length - 1; i >= 0; i--) {
      const subscription = storing[i]
      if (subscription === undefined) continue
      if (options.part === 'others' && subscription.peer.stores === 'all') continue
      if (deliver(subscription, message, options)) taken++
    }
    if (interest.groups.length > 0 || interest.links.length > 0) {
      taken += this.#serveGroupsAndLinks(interest, message, options)
    }
    return taken
  }

  /** Who may refuse the message, then the links. Where several judge it, all of them store it or none. */
  #storeFirst(interest: Interest, message: RoutedMessage, options: PublishOptions): number {
    let taken = 0
    if (interest.judging > 1 && options.together !== undefined) {
      options.together(() => {
        taken = storeInOrder(interest.storing, message, options)
      })
    } else taken = storeInOrder(interest.storing, message, options)
    if (options.isRefused === true) return 0
    return taken + this.#serveGroupsAndLinks(interest, message, options)
  }

  #serveGroupsAndLinks(
    interest: Interest,
    message: RoutedMessage,
    options: PublishOptions,
  ): number {
    const { origin } = message
    let taken = 0
    let remote: Map<LinkPeer, string[]> | undefined
    for (const group of interest.groups) {
      if (!isServed(group.queue, origin, options.queues)) continue
      // Whoever stores none of this message may store the next.
      if (this.#serveHere(group, message, options) || options.part === 'logs') taken++
      else {
        const link = chooseLink(group.links, message, this.#random)
        if (link === undefined) continue
        remote ??= new Map()
        const queues = remote.get(link)
        if (queues === undefined) remote.set(link, [group.queue])
        else queues.push(group.queue)
      }
      // By the log of a session that it was addressed to.
      if (options.isRefused === true) return taken
    }
    const isStored = interest.hasCapture || options.capture === false
    const storing = isStored ? undefined : chooseLink(interest.captures, message, this.#random)
    for (const link of interest.links) {
      if (!mayCross(origin, link.peer)) continue
      const queues = remote?.get(link.peer) ?? NO_QUEUES
      const isToStore = link.peer === storing
      const isPlain = link.isPlain && options.isForGroupsOnly !== true
      const isChosen = queues.length > 0 || isToStore
      if (!isChosen && (!isPlain || link.peer.refuses?.(message) === true)) continue
      link.peer.forward(message, isPlain, queues, isToStore)
      taken++
    }
    return taken
  }

  /** One member here, from a random one on, the first that takes it. */
  #serveHere(group: QueueInterest, message: RoutedMessage, options: PublishOptions): boolean {
    const { members } = group
    const count = members.length
    const { part, lots } = options
    const lot = part === 'others' ? lots?.find(({ queue }) => queue === group.queue) : undefined
    if (lot?.peer.stores !== undefined) return true
    let index = lot === undefined ? -1 : members.indexOf(lot)
    if (index < 0) index = count > 1 ? this.#random.below(count) : 0
    for (let i = 0; i < count; i++) {
      work.units++
      const member = members[index]
      const isLater = part === 'logs' && member?.peer.stores === undefined
      if (member !== undefined && (isLater || deliver(member, message, options))) {
        if (part === 'logs') lots?.push(member)
        return true
      }
      index = index + 1 === count ? 0 : index + 1
    }
    return false
  }
}

/** A subscription of anything but a NATS client. */
class PeerSubscription implements Subscription {
  readonly peer: Peer
  readonly subject: string
  readonly queue: string
  readonly sid: string
  readonly isCapture: boolean
  readonly isConfined: boolean
  weight: number

  constructor(peer: Peer, options: SubscribeOptions) {
    this.peer = peer
    this.subject = options.subject
    this.queue = options.queue ?? ''
    this.sid = options.sid ?? ''
    this.weight = options.weight ?? 1
    this.isCapture = options.isCapture ?? false
    this.isConfined = options.isConfined ?? false
  }
}

/** What a client's publication asks for: captures included, all groups. */
export const EVERYWHERE: PublishOptions = {}

const NO_QUEUES: readonly string[] = []

function deliver(
  subscription: Subscription,
  message: RoutedMessage,
  options: PublishOptions,
): boolean {
  if (subscription instanceof ClientSubscription)
    return subscription.peer.take(subscription, message)
  const { peer } = subscription
  if (peer === message.origin && !peer.echo) return false
  if (subscription.isCapture && options.capture === false) return false
  if (peer.offer !== undefined) return peer.offer(subscription, message)
  peer.deliver(subscription, message)
  return true
}

/** Ends with the first that refuses. */
function storeInOrder(
  storing: readonly Subscription[],
  message: RoutedMessage,
  options: PublishOptions,
): number {
  let taken = 0
  for (let i = 0; i < storing.length && options.isRefused !== true; i++) {
    const subscription = storing[i]
    if (subscription !== undefined && deliver(subscription, message, options)) taken++
  }
  return taken
}

function isServed(queue: string, origin: Peer, queues: readonly string[] | undefined): boolean {
  return queues === undefined ? !isLinkPeer(origin) : queues.includes(queue)
}

/** Whether the publication's subjects can stand in a control line. */
function isWritable({ subject, reply, shownSubject }: Publication): boolean {
  if (subject.length === 0 || holdsBlank(subject, 0, subject.length)) return false
  if (holdsBlank(reply, 0, reply.length)) return false
  if (shownSubject === undefined) return true
  return shownSubject.length > 0 && !holdsBlank(shownSubject, 0, shownSubject.length)
}
