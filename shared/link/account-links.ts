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
import {
  addTo,
  type Change,
  concerns,
  groupOf,
  type Interest,
  type InterestListener,
  isBeside,
  isEmpty,
  isLink,
  keyOf,
  LOOP_PREFIX,
  viewOf,
  weightOf,
} from './interest-view.ts'
import { SplitMap } from './split-map.ts'
import { StockTaking } from './stock-taking.ts'

export type { InterestListener } from './interest-view.ts'

/** The link that a message came over. */
export interface LinkOrigin extends LinkPeer {
  readonly remoteName: string
  mayPublish?(subject: string): boolean
}

const LOOP_TOKEN_BYTES = 16
const LOOP_TOKEN_LENGTH = 22

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
export class AccountLinks implements InterestObserver {
  readonly space: SubjectSpace
  readonly loopSubject: string
  readonly #isConfined: (subscription: Subscription) => boolean
  readonly #pace: InterestPace
  readonly #tracer: ArrivalTracer | undefined
  readonly #interests = new SplitMap<Interest>()
  readonly #listeners = new Map<Peer, InterestListener>()
  readonly #stopObserving: () => void
  /** Until all that was there at the start is counted. No link is told anything before that. */
  #stock: StockTaking | undefined

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
    this.#stock = new StockTaking(space.subscriptions())
    this.#stopObserving = space.observe(this)
    pace.add({ isBusy: false, tell: (count) => this.#takeStock(count) })
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
  leave(listener: InterestListener, subscriptions: Subscriptions): void {
    const rest = queuesFirst(subscriptions)
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

  /** A leaf, or the hub above, is bound to the account. Hubs beside are to all accounts. */
  get isBound(): boolean {
    for (const peer of this.#listeners.keys()) if (!isBeside(peer)) return true
    return false
  }

  close(): void {
    this.#stock = undefined
    this.#stopObserving()
  }

  /** Whether somebody, here or behind a link, asks for exactly this subject, as far as that is known yet. */
  isAskedFor(subject: string): boolean {
    return this.#stock !== undefined || this.#interests.has(subject)
  }

  subscriptionAdded(subscription: Subscription): void {
    this.#stock?.added(subscription)
    this.#change(subscription, weightOf(subscription))
  }

  subscriptionRemoved(subscription: Subscription): void {
    if (this.#stock?.removed(subscription) === false) return
    this.#change(subscription, -weightOf(subscription))
  }

  subscriptionReweighed(subscription: Subscription, previous: number): void {
    if (subscription.queue === '' || this.#stock?.has(subscription) === false) return
    this.#change(subscription, subscription.weight - previous)
  }

  /** Goes over the table as it changes: who comes in meanwhile is told as a change. */
  #tellingOf(listener: InterestListener): Telling {
    let interests: Iterator<Interest> | undefined
    const isJoined = (): boolean => this.#listeners.get(listener.peer) === listener
    const isCounting = (): boolean => this.#stock !== undefined
    return {
      get isBusy() {
        return isJoined() && (isCounting() || listener.isBusy)
      },
      tell: (count) => {
        interests ??= this.#interests.values()
        let told = 0
        for (; told < count && isJoined(); told++) {
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

  #takeStock(count: number): number {
    for (let counted = 0; counted < count; counted++) {
      const subscription = this.#stock?.next()
      if (subscription === undefined) {
        this.#stock = undefined
        return counted
      }
      this.#change(subscription, weightOf(subscription))
    }
    return count
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
    if (this.#stock === undefined) {
      this.#tellChange(interest, { peer, delta, isConfined, isCapture, group })
    }
    if (isEmpty(interest)) this.#interests.delete(keyOf(subscription))
  }

  #tellChange(interest: Interest, change: Change): void {
    const { delta, isCapture } = change
    for (const listener of this.#listeners.values()) {
      if (isCapture && isBeside(listener.peer)) {
        const isToggled = interest.captures > 0 !== interest.captures - delta > 0
        if (isToggled) listener.captureChanged?.(interest.subject, delta > 0)
        continue
      }
      if (!concerns(change, interest, listener)) continue
      const after = viewOf(interest, listener)
      const before = after - delta
      const isToggled = after > 0 !== before > 0
      if (isToggled || (interest.queue !== '' && after > 0)) {
        listener.interestChanged(interest.subject, interest.queue, Math.max(after, 0))
      }
    }
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
    this.#interests.add(key, interest)
    return interest
  }

  /** Stays the same for a peer from its first subscription to its last: it leaves after them. */
  #groupOf(peer: Peer): string | Peer {
    return groupOf(peer, this.#listeners.get(peer)?.remoteCluster ?? '')
  }
}

/** A map or an array of them. */
interface Subscriptions {
  values(): Iterable<Subscription>
}

/** Others choose among the members of a group that they know of: what is sent to one who is gone is lost. */
function* queuesFirst(subscriptions: Subscriptions): Generator<Subscription, undefined> {
  for (const it of subscriptions.values()) if (it.queue !== '') yield it
  for (const it of subscriptions.values()) if (it.queue === '') yield it
  return undefined
}

/** The accounts of one server that links can bind to. One registry serves all its links. */
export class LinkAccounts {
  readonly #space: (account: string) => SubjectSpace
  readonly #random: Random
  readonly #isConfined: (subscription: Subscription) => boolean
  readonly #pace: InterestPace
  readonly #tracer: ArrivalTracer | undefined
  readonly #accounts = new Map<string, AccountLinks>()
  readonly #releaseListeners = new Set<(account: string) => void>()

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
  /** Told of each account that nobody here needs any more: links with other hubs let go of it as well. */
  onRelease(listener: (account: string) => void): () => void {
    this.#releaseListeners.add(listener)
    return () => {
      this.#releaseListeners.delete(listener)
    }
  }

  /** Whether no leaf, nor the hub above, is bound to the account. */
  isFree(account: string): boolean {
    return this.#accounts.get(account)?.isBound !== true
  }

  /** The account is gone, and nobody in it: what comes for it from now on begins anew. */
  release(account: string): void {
    const links = this.#accounts.get(account)
    this.#accounts.delete(account)
    for (const listener of this.#releaseListeners) listener(account)
    links?.close()
  }
}
