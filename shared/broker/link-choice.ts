import type { Random } from '../runtime/index.ts'
import type { LinkPeer, Message, Peer, PeerKind, Subscription } from './message.ts'

/**
 * Which link serves a queue group, or stores a message, that nobody here can take: the nearest. Own
 * leaves and the other hubs of the region come first, the hub above next, then other regions; among
 * links that are as near as each other weight decides, so that members share the work.
 */
const TIERS: Readonly<Record<PeerKind, number>> = {
  client: 0,
  mqtt: 0,
  local: 0,
  leaf: 1,
  route: 1,
  uplink: 2,
  gateway: 3,
}
const GATEWAY_TIER = TIERS.gateway
const NO_TIER = 4

/** Whether a message from `origin` may be sent over the link `to`: never over one that has ended. */
export function mayCross(origin: Peer, to: LinkPeer): boolean {
  return to.isUp && to !== origin && !(isHub(origin) && isHub(to))
}

/** One of `links`, all of which are subscriptions of links; undefined when none takes it. */
export function chooseLink(
  links: readonly Subscription[],
  message: Message,
  random: Random,
): LinkPeer | undefined {
  if (links.length === 0) return undefined
  const chosen = chooseFrom(links, message.origin, random)
  if (chosen?.refuses?.(message) !== true) return chosen
  // Only now the others are asked as well: as a rule the first choice takes it.
  const willing = links.filter(({ peer }) => (peer as LinkPeer).refuses?.(message) !== true)
  return chooseFrom(willing, message.origin, random)
}

function chooseFrom(
  links: readonly Subscription[],
  origin: Peer,
  random: Random,
): LinkPeer | undefined {
  const tier = nearestTier(links, origin)
  const region = tier === GATEWAY_TIER ? nearestRegion(links, origin) : undefined
  let total = 0
  for (const { peer, weight } of links) {
    if (isCandidate(peer, origin, tier, region)) total += weight
  }
  if (total === 0) return undefined
  let rest = random.below(total)
  for (const { peer, weight } of links) {
    if (!isCandidate(peer, origin, tier, region)) continue
    rest -= weight
    if (rest < 0) return peer as LinkPeer
  }
  return undefined
}

function nearestTier(links: readonly Subscription[], origin: Peer): number {
  let nearest = NO_TIER
  for (const { peer } of links) {
    const tier = TIERS[peer.kind]
    if (tier < nearest && mayCross(origin, peer as LinkPeer)) nearest = tier
  }
  return nearest
}

/** That of the gateway with the shortest round trip; one that is not measured yet comes last. */
function nearestRegion(links: readonly Subscription[], origin: Peer): string | undefined {
  let nearest: LinkPeer | undefined
  for (const { peer } of links) {
    const link = peer as LinkPeer
    if (TIERS[link.kind] !== GATEWAY_TIER || !mayCross(origin, link)) continue
    if (nearest === undefined || roundTripOf(link) < roundTripOf(nearest)) nearest = link
  }
  return nearest?.region
}

function roundTripOf(link: LinkPeer): number {
  return link.roundTripMs ?? Number.POSITIVE_INFINITY
}

function isCandidate(peer: Peer, origin: Peer, tier: number, region: string | undefined): boolean {
  const link = peer as LinkPeer
  if (TIERS[link.kind] !== tier || !mayCross(origin, link)) return false
  return region === undefined || link.region === region
}

function isHub({ kind }: Peer): boolean {
  return kind === 'uplink' || kind === 'route' || kind === 'gateway'
}
