import type {
  InterestObserver,
  LinkPeer,
  Peer,
  Publication,
  PublishOptions,
  SubjectSpace,
  Subscription,
} from '../broker/index.ts'
import type { Clock, Random } from '../runtime/index.ts'
import { type ArrivalTracer, asksForTrace } from './arrival-tracer.ts'
import { InterestPace, type Telling } from './interest-pace.ts'

/**
 * The interest of one account as its leaf links tell it: per (subject, queue) how much there is and
 * who it came from. A link's view is what there is less what it may not hear of, so the table is as
 * large as the interest and not as large as interest times links:
 *
 *     to a leaf    everything but what came from that leaf, or from its cluster
 *     to a hub     what is born here and what came from leaves, never what came from a hub
 *
 * A hub is the one above (`uplink`) or one beside (`route`, `gateway`). Those beside hear of captures
 * apart from all else: a stream stores what no other hub stores, and does not ask for the rest.
 *
 * Interest is told when a view goes from none to some and back; of a queue group also each change of
 * its weight. `$LDS.…` subjects find rings: each server has one per account and tells it over all its
 * links first; whoever hears its own again has a ring. So they pass everywhere but back to where they
 * came from, also from hub to hub; but not to hubs beside, where a leaf that has just moved would meet
 * what it told the one before. Source: nats-server's smap, in the leafnode protocol digest, 2.
 */
export interface InterestListener {
  readonly peer: LinkPeer
  /** Servers of one cluster hear of each other without us; '' for none. */
  readonly remoteCluster: string
  /** The other side asked not to be told the interest of other leaves. */
  readonly isIsolated: boolean
  /** Its link holds as much as it should: what it has not been told yet can wait. */
  readonly isBusy: boolean
  /** `weight` 0: there is none any more. */
  interestChanged(subject: string, queue: string, weight: number): void
  /** For hubs beside this one: a capture here stores what is published on the subject, or none does now. */
  captureChanged?(subject: string, isThere: boolean): void
}

/** The link that a message came over. */
export interface LinkOrigin extends LinkPeer {
  readonly remoteName: string
  mayPublish?(subject: string): boolean
}

const LOOP_PREFIX = '$LDS.'
const LOOP_TOKEN_BYTES = 16
const LOOP_TOKEN_LENGTH = 22

interface Interest {
  readonly subject: string
  readonly queue: string
  readonly isLoopSubject: boolean
  /** Clients, MQTT sessions and services of this server. */
  born: number
  /** How many of those are captures. */
  captures: number
  /** As `born`, but only leaves hear of it, no hub. */
  confined: number
  fromLeaves: number
  fromHubs: number
  /** What came over links, by cluster or else by link. */
  byGroup: Map<string | Peer, number> | undefined
}

export class AccountLinks implements InterestObserver {
  readonly space: SubjectSpace
  readonly loopSubject: string
  readonly #isConfined: (subscription: Subscription) => boolean
  readonly #pace: InterestPace
  readonly #tracer: ArrivalTracer | undefined
  readonly #interests = new Map<string, Interest>()
  readonly #listeners = new Map<Peer, InterestListener>()

  /**
   * @param isConfined local subscriptions that no hub is to hear of: what a buffer captures is not
   *   asked for from other sites
   */
  constructor(
    space: SubjectSpace,
    random: Random,
    isConfined: (subscription: Subscription) => boolean,
    pace: InterestPace,
    tracer?: ArrivalTracer,
  ) {
    this.space = space
    this.#tracer = tracer
    this.#pace = pace
    this.#isConfined = isConfined
    const token = Buffer.from(random.bytes(LOOP_TOKEN_BYTES)).toString('base64url')
    this.loopSubject = `${LOOP_PREFIX}${token.replaceAll(/[-_]/g, '0').slice(0, LOOP_TOKEN_LENGTH)}`
    for (const subscription of space.subscriptions()) this.subscriptionAdded(subscription)
    space.observe(this)
  }

  /**
   * Tells the listener all there is for it, at the pace of all links, and each change from now on, until
   * `leave`. What changes before it was told may be told twice, and what ends before may be taken back
   * without having been told: neither means anything to the other side.
   */
  join(listener: InterestListener): void {
    this.#listeners.set(listener.peer, listener)
    if (!isBeside(listener.peer)) listener.interestChanged(this.loopSubject, '', 1)
    this.#pace.add(this.#tellingOf(listener))
  }

  /**
   * The listener's link is gone: what it asked for ends, at the pace at which it was told. Its interest is
   * counted by the group of a joined link, so it goes first. A link that is not up takes no message.
   */
  leave(listener: InterestListener, subscriptions: Iterable<Subscription>): void {
    const rest = subscriptions[Symbol.iterator]()
    this.#pace.add({
      isBusy: false,
      tell: (count) => {
        for (let ended = 0; ended < count; ended++) {
          const { value: subscription } = rest.next()
          if (subscription === undefined) {
            this.#listeners.delete(listener.peer)
            return ended
          }
          this.space.unsubscribe(subscription)
        }
        return count
      },
    })
  }

  /**
   * A message that came over a link: routed, and traced when it asks for that.
   * @param mappedFrom what its subject was before the account's mappings; undefined when none changed it
   */
  publish(
    origin: LinkOrigin,
    publication: Publication,
    options: PublishOptions,
    mappedFrom?: Uint8Array,
  ): void {
    const tracer = this.#tracer
    const { headers } = publication
    if (tracer !== undefined && headers.length > 0) {
      const { account } = this.space
      const isAsked = asksForTrace(headers) || tracer.followsTraceParent(account)
      if (isAsked && tracer.publish({ account, origin, mappedFrom }, publication, options)) return
    }
    this.space.publish(origin, publication, options)
  }

  /** Whether somebody, here or behind a link, asks for exactly this subject. */
  isAskedFor(subject: string): boolean {
    return this.#interests.has(subject)
  }

  subscriptionAdded(subscription: Subscription): void {
    this.#change(subscription, weightOf(subscription))
  }

  subscriptionRemoved(subscription: Subscription): void {
    this.#change(subscription, -weightOf(subscription))
  }

  subscriptionReweighed(subscription: Subscription, previous: number): void {
    if (subscription.queue !== '') this.#change(subscription, subscription.weight - previous)
  }

  /** Goes over the table as it changes: who comes in meanwhile is told as a change. */
  #tellingOf(listener: InterestListener): Telling {
    const interests = this.#interests.values()
    let left = this.#interests.size
    const isJoined = (): boolean => this.#listeners.get(listener.peer) === listener
    return {
      get isBusy() {
        return isJoined() && listener.isBusy
      },
      tell: (count) => {
        let told = 0
        for (; told < count && left > 0 && isJoined(); told++, left--) {
          const { value: interest } = interests.next()
          if (interest === undefined) break
          if (interest.captures > 0) listener.captureChanged?.(interest.subject, true)
          const weight = viewOf(interest, listener)
          if (weight > 0) listener.interestChanged(interest.subject, interest.queue, weight)
        }
        return told
      },
    }
  }

  #change(subscription: Subscription, delta: number): void {
    if (delta === 0) return
    const interest = this.#interestOf(subscription)
    const { peer } = subscription
    const isConfined = !isLink(peer) && this.#isConfined(subscription)
    const group = isLink(peer) ? this.#groupOf(peer) : undefined
    if (isConfined) interest.confined += delta
    else if (group === undefined) interest.born += delta
    else if (peer.kind === 'leaf') interest.fromLeaves += delta
    else interest.fromHubs += delta
    if (group !== undefined) addTo(interest, group, delta)
    const isCapture = group === undefined && !isConfined && subscription.isCapture
    if (isCapture) interest.captures += delta

    for (const listener of this.#listeners.values()) {
      if (isCapture && isBeside(listener.peer)) {
        const isToggled = interest.captures > 0 !== interest.captures - delta > 0
        if (isToggled) listener.captureChanged?.(interest.subject, delta > 0)
        continue
      }
      if (!concerns(interest, listener, peer, isConfined, group)) continue
      const after = viewOf(interest, listener)
      const before = after - delta
      const isToggled = after > 0 !== before > 0
      if (isToggled || (interest.queue !== '' && after > 0)) {
        listener.interestChanged(interest.subject, interest.queue, Math.max(after, 0))
      }
    }
    if (isEmpty(interest)) this.#interests.delete(keyOf(subscription))
  }

  #interestOf(subscription: Subscription): Interest {
    const key = keyOf(subscription)
    const known = this.#interests.get(key)
    if (known !== undefined) return known
    const interest: Interest = {
      subject: subscription.subject,
      queue: subscription.queue,
      isLoopSubject: subscription.subject.startsWith(LOOP_PREFIX),
      born: 0,
      captures: 0,
      confined: 0,
      fromLeaves: 0,
      fromHubs: 0,
      byGroup: undefined,
    }
    this.#interests.set(key, interest)
    return interest
  }

  /** Stays the same for a peer from its first subscription to its last: it leaves after them. */
  #groupOf(peer: Peer): string | Peer {
    return groupOf(peer, this.#listeners.get(peer)?.remoteCluster ?? '')
  }
}

function viewOf(interest: Interest, listener: InterestListener): number {
  const group = groupOf(listener.peer, listener.remoteCluster)
  const own = interest.byGroup?.get(group) ?? 0
  const { born, captures, confined, fromLeaves, fromHubs } = interest
  if (isBeside(listener.peer)) return interest.isLoopSubject ? 0 : born - captures + fromLeaves
  if (interest.isLoopSubject) return born + confined + fromLeaves + fromHubs - own
  if (listener.peer.kind === 'uplink') return born + fromLeaves
  if (listener.isIsolated) return born + confined
  return born + confined + fromLeaves + fromHubs - own
}

/** Whether a change that `peer` caused shows in the listener's view. */
function concerns(
  interest: Interest,
  listener: InterestListener,
  peer: Peer,
  isConfined: boolean,
  group: string | Peer | undefined,
): boolean {
  const isForHubBeside = isBeside(listener.peer)
  if (isForHubBeside && interest.isLoopSubject) return false
  if (group === undefined) return !isConfined || listener.peer.kind === 'leaf'
  if (isForHubBeside) return peer.kind === 'leaf'
  const isSameGroup = group === groupOf(listener.peer, listener.remoteCluster)
  if (interest.isLoopSubject) return !isSameGroup
  if (listener.peer.kind === 'uplink') return peer.kind === 'leaf'
  return !isSameGroup && !listener.isIsolated
}

function groupOf(peer: Peer, remoteCluster: string): string | Peer {
  return remoteCluster === '' ? peer : remoteCluster
}

function addTo(interest: Interest, group: string | Peer, delta: number): void {
  interest.byGroup ??= new Map()
  const sum = (interest.byGroup.get(group) ?? 0) + delta
  if (sum > 0) interest.byGroup.set(group, sum)
  else interest.byGroup.delete(group)
}

function isEmpty(interest: Interest): boolean {
  const { born, confined, fromLeaves, fromHubs } = interest
  return born + confined + fromLeaves + fromHubs <= 0
}

function isLink(peer: Peer): boolean {
  return peer.kind === 'leaf' || peer.kind === 'uplink' || isBeside(peer)
}

/** Another hub of the region or of another one. */
function isBeside(peer: Peer): boolean {
  return peer.kind === 'route' || peer.kind === 'gateway'
}

/** Plain interest is there or not; of a queue group the members count. */
function weightOf(subscription: Subscription): number {
  return subscription.queue === '' ? 1 : subscription.weight
}

function keyOf(subscription: Subscription): string {
  return subscription.queue === ''
    ? subscription.subject
    : `${subscription.subject} ${subscription.queue}`
}

/** The accounts of one server that links can bind to. One registry serves all its links. */
export class LinkAccounts {
  readonly #space: (account: string) => SubjectSpace
  readonly #random: Random
  readonly #isConfined: (subscription: Subscription) => boolean
  readonly #pace: InterestPace
  readonly #tracer: ArrivalTracer | undefined
  readonly #accounts = new Map<string, AccountLinks>()

  constructor(options: {
    readonly space: (account: string) => SubjectSpace
    readonly random: Random
    readonly clock: Clock
    readonly tracer?: ArrivalTracer
    /** Local subscriptions that no hub is to hear of; default none. */
    readonly isConfined?: (subscription: Subscription) => boolean
  }) {
    this.#space = options.space
    this.#random = options.random
    this.#isConfined = options.isConfined ?? (() => false)
    this.#pace = new InterestPace(options.clock)
    this.#tracer = options.tracer
  }

  of(account: string): AccountLinks {
    const known = this.#accounts.get(account)
    if (known !== undefined) return known
    const links = new AccountLinks(
      this.#space(account),
      this.#random,
      this.#isConfined,
      this.#pace,
      this.#tracer,
    )
    this.#accounts.set(account, links)
    return links
  }
}
