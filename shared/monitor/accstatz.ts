import { isUsed } from './accountz.ts'
import type { AccountFacts, MonitorSources, PeerTraffic } from './facts.ts'
import type { Query } from './query.ts'
import type { RequestFields } from './request-fields.ts'
import { timeText } from './text.ts'

export interface AccstatzOptions {
  /** Empty: all. */
  readonly accounts: readonly string[]
  /** Those that nobody is connected to, too. */
  readonly includesUnused: boolean
}

export function accstatzQuery(query: Query): AccstatzOptions {
  return { accounts: [], includesUnused: query.flag('unused') }
}

export function accstatzFields(fields: RequestFields): AccstatzOptions {
  return { accounts: fields.texts('accounts'), includesUnused: fields.flag('include_unused') }
}

/** `/accstatz`: what each account's peers are doing. */
export function accstatz(
  sources: MonitorSources,
  options: AccstatzOptions,
  nowMs: number,
): { readonly account_statz: readonly object[] } {
  const wanted = accountsOf(sources, options.accounts).filter(
    (facts) => options.includesUnused || isUsed(facts),
  )
  const head = { server_id: sources.server().id, now: timeText(nowMs) }
  return { ...head, account_statz: wanted.map(accountStat) }
}

/** One alone is what accounts ask for of themselves, and there may be many others. */
function accountsOf(sources: MonitorSources, names: readonly string[]): AccountFacts[] {
  const [first = ''] = names
  if (names.length === 1) {
    const facts = sources.account(first)
    return facts === undefined ? [] : [facts]
  }
  return [...sources.accounts()].filter(
    ({ account }) => names.length === 0 || names.includes(account.name),
  )
}

/** Shared with `$SYS.ACCOUNT.<acc>.SERVER.CONNS`. */
export function accountStat(facts: AccountFacts): object {
  const { account, connections, leafNodes, traffic } = facts
  const { all, gateways, routes, leafs } = traffic
  return {
    acc: account.name,
    name: account.displayName,
    conns: connections,
    leafnodes: leafNodes,
    total_conns: connections + leafNodes,
    num_subscriptions: facts.subscriptions,
    sent: {
      ...sent(all),
      gateways: sent(gateways),
      routes: sent(routes),
      leafs: sent(leafs),
    },
    received: {
      ...received(all),
      gateways: received(gateways),
      routes: received(routes),
      leafs: received(leafs),
    },
    slow_consumers: traffic.slowConsumers,
  }
}

export function sent({ outMessages, outBytes }: PeerTraffic): object {
  return { msgs: outMessages, bytes: outBytes }
}

export function received({ inMessages, inBytes }: PeerTraffic): object {
  return { msgs: inMessages, bytes: inBytes }
}
