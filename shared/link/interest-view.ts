import type { LinkPeer, Peer, Subscription } from '../broker/index.ts'

/**
 * What one link may hear of one interest: the rules that account-links.ts tells by. All is sums, so that a
 * view is made of the same few numbers for each link.
 */
export interface Interest {
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

/** What a subscription that came or went adds to its interest. */
export interface Change {
  readonly peer: Peer
  readonly delta: number
  readonly isConfined: boolean
  /** Of this server, and told apart to hubs beside. */
  readonly isCapture: boolean
  readonly group: string | Peer | undefined
}

/** A link as those see it who tell it what there is. */
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

export const LOOP_PREFIX = '$LDS.'

export function viewOf(interest: Interest, listener: InterestListener): number {
  const group = groupOf(listener.peer, listener.remoteCluster)
  const own = interest.byGroup?.get(group) ?? 0
  const { born, captures, confined, fromLeaves, fromHubs } = interest
  if (isBeside(listener.peer)) return interest.isLoopSubject ? 0 : born - captures + fromLeaves
  if (interest.isLoopSubject) return born + confined + fromLeaves + fromHubs - own
  if (listener.peer.kind === 'uplink') return born + fromLeaves
  if (listener.isIsolated) return born + confined
  return born + confined + fromLeaves + fromHubs - own
}

/** Whether a change shows in the listener's view. */
export function concerns(
  { peer, isConfined, group }: Change,
  interest: Interest,
  listener: InterestListener,
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

export function groupOf(peer: Peer, remoteCluster: string): string | Peer {
  return remoteCluster === '' ? peer : remoteCluster
}

export function addTo(interest: Interest, group: string | Peer, delta: number): void {
  interest.byGroup ??= new Map()
  const sum = (interest.byGroup.get(group) ?? 0) + delta
  if (sum > 0) interest.byGroup.set(group, sum)
  else interest.byGroup.delete(group)
}

export function isEmpty(interest: Interest): boolean {
  const { born, confined, fromLeaves, fromHubs } = interest
  return born + confined + fromLeaves + fromHubs <= 0
}

export function isLink(peer: Peer): boolean {
  return peer.kind === 'leaf' || peer.kind === 'uplink' || isBeside(peer)
}

/** Another hub of the region or of another one. */
export function isBeside(peer: Peer): boolean {
  return peer.kind === 'route' || peer.kind === 'gateway'
}

/** Plain interest is there or not; of a queue group the members count. */
export function weightOf(subscription: Subscription): number {
  return subscription.queue === '' ? 1 : subscription.weight
}

export function keyOf(subscription: Subscription): string {
  return subscription.queue === ''
    ? subscription.subject
    : `${subscription.subject} ${subscription.queue}`
}
