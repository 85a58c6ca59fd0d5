import type { Account } from '../account/index.ts'
import type { AccountSpace } from '../broker/index.ts'
import type { AccountFacts, LinkFacts, PeerTraffic, RouterFacts } from '../monitor/index.ts'
import { together } from './connection-facts.ts'
import type { ServerCore } from './server-core.ts'

/** @param links those of the account */
export function accountFacts(
  core: ServerCore,
  links: readonly LinkFacts[],
  account: Account,
): AccountFacts {
  const { name } = account
  const totals = core.broker.accountTotals(name)
  const space = core.broker.spaces.get(name)
  const leafs = together(links)
  const all = together([totals, leafs])
  const { connections, slowConsumers } = totals
  return {
    account,
    hasJetStream: core.engines.has(name),
    connections,
    leafNodes: links.length,
    subscriptions: space?.subscriptionCount ?? 0,
    traffic: { all, leafs, gateways: NOTHING, routes: NOTHING, slowConsumers },
    router: () => routerFacts(space, all.inMessages),
  }
}

const NOTHING: PeerTraffic = { inMessages: 0, inBytes: 0, outMessages: 0, outBytes: 0 }

/**
 * The router counts only the lookups that its memory did not answer, so that a message costs nothing to
 * count: every message that came in was one lookup, which makes the rest hits.
 */
function routerFacts(space: AccountSpace | undefined, messages: number): RouterFacts {
  if (space === undefined) return NO_ROUTER
  const { inserts, removes, misses } = space.router
  const matches = Math.max(messages, misses)
  let fanoutSum = 0
  let fanoutMax = 0
  for (const { clients, locals, links, groups } of space.routes.known()) {
    const fanout = clients.length + locals.length + links.length + groups.length
    fanoutSum += fanout
    if (fanout > fanoutMax) fanoutMax = fanout
  }
  return {
    subscriptions: space.subscriptionCount,
    cached: space.routes.size,
    inserts,
    removes,
    matches,
    cacheHits: matches - misses,
    fanoutSum,
    fanoutMax,
  }
}

const NO_ROUTER: RouterFacts = {
  subscriptions: 0,
  cached: 0,
  inserts: 0,
  removes: 0,
  matches: 0,
  cacheHits: 0,
  fanoutSum: 0,
  fanoutMax: 0,
}
