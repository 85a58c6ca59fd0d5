import { ClientSubscription } from './client-subscription.ts'
import type { LinkKind, LinkPeer, Subscription } from './message.ts'
import { WORK_UNITS } from './work.ts'

/**
 * Who is interested in one literal subject, sorted by how they are served. Never changed once it is
 * made: routing goes on over it while a delivery ends a subscription. Whose message it is decides
 * at delivery, not here, so that one result serves all origins.
 */
export class Interest {
  static readonly none = new Interest([])

  /** The one receiver when there is nothing else: the commonest case by far. */
  readonly only: ClientSubscription | undefined
  /** Plain subscriptions of NATS clients. */
  readonly clients: readonly ClientSubscription[]
  /** Plain subscriptions of MQTT sessions and of services in this process that store nothing. */
  readonly locals: readonly Subscription[]
  /** Captures of this server, then who else stores what it gets: the order in which they may refuse it. */
  readonly storing: readonly Subscription[]
  /** Those of them that are no captures, and groups with a member that stores; made when it is asked for. */
  #logs: Interest | undefined
  /** How many of those may refuse one message and take the next. */
  readonly judging: number
  /** Somebody here may store the message: the member of a group that is picked may, too. */
  readonly mayStore: boolean
  readonly links: readonly LinkInterest[]
  readonly groups: readonly QueueInterest[]
  /** A capture of this server stores the message. */
  readonly hasCapture: boolean
  /** Captures of other hubs: one of them stores it when none here does. */
  readonly captures: readonly Subscription[]
  readonly isEmpty: boolean
  /** Of work, to serve all but the members of groups, who are counted as they are asked. */
  readonly units: number

  constructor(matching: readonly Subscription[]) {
    const clients: ClientSubscription[] = []
    const locals: Subscription[] = []
    const captures: Subscription[] = []
    const storing: Subscription[] = []
    let hasCapture = false
    let judging = 0
    const links = new Map<LinkPeer, { peer: LinkPeer; isPlain: boolean }>()
    const groups = new Map<
      string,
      { queue: string; members: Subscription[]; links: Subscription[] }
    >()
    for (const subscription of matching) {
      const { peer, queue } = subscription
      const isRemote = isLinkPeer(peer)
      if (isRemote) {
        const isPlain = queue === '' && !subscription.isCapture
        const link = links.get(peer)
        if (link === undefined) links.set(peer, { peer, isPlain })
        else if (isPlain) link.isPlain = true
        if (subscription.isCapture) captures.push(subscription)
      } else if (subscription.isCapture) hasCapture = true
      const isStoring = !isRemote && (subscription.isCapture || peer.stores !== undefined)
      if (isStoring && peer.stores !== 'all') judging++
      if (queue !== '') {
        let group = groups.get(queue)
        if (group === undefined) {
          group = { queue, members: [], links: [] }
          groups.set(queue, group)
        }
        if (isRemote) group.links.push(subscription)
        else group.members.push(subscription)
      } else if (subscription instanceof ClientSubscription) clients.push(subscription)
      else if (isStoring) storing.push(subscription)
      else if (!isRemote) locals.push(subscription)
    }
    this.clients = clients
    this.locals = locals
    this.storing = storing.length > 1 ? storing.toSorted(byOrder) : storing
    this.judging = judging
    this.mayStore = storing.length > 0 || groups.size > 0
    this.links = [...links.values()]
    this.groups = [...groups.values()]
    this.hasCapture = hasCapture
    this.captures = captures
    this.isEmpty = matching.length === 0
    this.units =
      clients.length +
      (locals.length + storing.length) * WORK_UNITS.local +
      this.links.length * WORK_UNITS.link
    this.only = matching.length === 1 ? clients[0] : undefined
  }

  get logs(): Interest {
    if (this.#logs === undefined) {
      const plain = this.storing.filter(({ isCapture }) => !isCapture)
      const groups = this.groups.filter(({ members }) => members.some(({ peer }) => peer.stores))
      const logs = [...plain, ...groups.flatMap(({ members }) => members)]
      this.#logs = logs.length === 0 ? Interest.none : new Interest(logs)
    }
    return this.#logs
  }

  /** Whether anybody but `except` is interested, and still there. */
  hasOther(except: unknown): boolean {
    return (
      this.clients.some((subscription) => subscription.peer !== except && isThere(subscription)) ||
      this.locals.some((subscription) => subscription.peer !== except) ||
      this.storing.some((subscription) => subscription.peer !== except) ||
      this.links.some(({ peer }) => peer !== except && peer.isUp) ||
      this.groups.some(({ members }) =>
        members.some((member) => member.peer !== except && isThere(member)),
      )
    )
  }
}

/** One link with any interest in the subject. */
export interface LinkInterest {
  readonly peer: LinkPeer
  /** It has a plain subscription that is no capture. */
  readonly isPlain: boolean
}

/** One queue group. Members on the other side of links are asked only when there is none here. */
export interface QueueInterest {
  readonly queue: string
  readonly members: readonly Subscription[]
  readonly links: readonly Subscription[]
}

/** Who may refuse the message comes before the log that takes all: what is refused for good is found out first. */
function byOrder(a: Subscription, b: Subscription): number {
  return orderOf(a) - orderOf(b)
}

function orderOf({ isCapture, peer }: Subscription): number {
  if (isCapture) return 0
  return peer.stores === 'all' ? 2 : 1
}

/** A client that is gone is found until its subscriptions are forgotten, piece by piece. */
function isThere(subscription: Subscription): boolean {
  if (!(subscription instanceof ClientSubscription)) return true
  return !subscription.isClosed && !subscription.peer.isClosed
}

export function isLinkPeer(peer: { readonly kind: string }): peer is LinkPeer {
  return LINK_KINDS.has(peer.kind)
}

const LINK_KINDS: ReadonlySet<string> = new Set<LinkKind>(['leaf', 'uplink', 'route', 'gateway'])
