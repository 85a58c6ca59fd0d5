import { isLiteral, subsetOf } from '../subject/index.ts'
import type { MonitorSources, RouterFacts, SubscriptionFacts } from './facts.ts'
import { given } from './given.ts'
import { PAGE_DEFAULT } from './limits.ts'
import { badQuery, type Query } from './query.ts'
import type { RequestFields } from './request-fields.ts'
import { timeText } from './text.ts'

export interface SubszOptions {
  readonly subs: boolean
  readonly offset: number
  readonly limit: number
  /** '': of all. */
  readonly account: string
  /** Only what a message on this subject would reach; '' for all. */
  readonly test: string
}

export function subszQuery(query: Query): SubszOptions {
  return {
    subs: query.flag('subs'),
    offset: query.count('offset'),
    limit: query.count('limit'),
    account: query.text('acc'),
    test: query.text('test'),
  }
}

export function subszFields(fields: RequestFields): SubszOptions {
  return {
    subs: fields.flag('subscriptions'),
    offset: fields.count('offset'),
    limit: fields.count('limit'),
    account: fields.text('account'),
    test: fields.text('test'),
  }
}

/** `/subsz`: how the routers are doing, and what is subscribed to. Throws PETIOLE_BAD_QUERY. */
export function subsz(sources: MonitorSources, options: SubszOptions, nowMs: number): object {
  const { test, account } = options
  if (test !== '' && !isLiteral(test)) {
    throw badQuery(`invalid test subject, must be valid publish subject: ${test}`)
  }
  const routers = [...sources.accounts()]
    .filter((facts) => account === '' || facts.account.name === account)
    .map((facts) => facts.router())
  const offset = Math.max(0, options.offset)
  const limit = options.limit > 0 ? options.limit : PAGE_DEFAULT
  let total = 0
  const page: SubscriptionFacts[] = []
  const all = sources.subscriptions(account === '' ? undefined : account)
  for (const facts of options.subs ? all : []) {
    if (test !== '' && !subsetOf(test, facts.subject)) continue
    if (total >= offset && page.length < limit) page.push(facts)
    total++
  }
  const tags = nameTags(sources)
  const list = page.map((facts) => ({
    ...given({ account: facts.account, account_tag: tags.get(facts.account) ?? facts.account }),
    ...clientSubscription(facts),
  }))
  return {
    server_id: sources.server().id,
    now: timeText(nowMs),
    ...routerStats(routers),
    total,
    offset,
    limit,
    ...given({ subscriptions_list: list }),
  }
}

/** nats-server's SublistStats, of one router or of several together. Shared with `/accountz`. */
export function routerStats(routers: readonly RouterFacts[]): object {
  const sum = (of: (facts: RouterFacts) => number): number =>
    routers.reduce((total, facts) => total + of(facts), 0)
  const matches = sum((facts) => facts.matches)
  const cached = sum((facts) => facts.cached)
  return {
    num_subscriptions: sum((facts) => facts.subscriptions),
    num_cache: cached,
    num_inserts: sum((facts) => facts.inserts),
    num_removes: sum((facts) => facts.removes),
    num_matches: matches,
    cache_hit_rate: matches === 0 ? 0 : sum((facts) => facts.cacheHits) / matches,
    max_fanout: routers.reduce((max, facts) => Math.max(max, facts.fanoutMax), 0),
    avg_fanout: cached === 0 ? 0 : sum((facts) => facts.fanoutSum) / cached,
  }
}

/** As a client's own list shows it: the account is the client's. */
export function clientSubscription(facts: SubscriptionFacts): object {
  return {
    subject: facts.subject,
    ...given({ qgroup: facts.queue }),
    sid: facts.sid,
    msgs: facts.messages,
    ...given({ max: facts.messagesMax }),
    cid: facts.connectionId,
  }
}

function nameTags(sources: MonitorSources): ReadonlyMap<string, string> {
  return new Map(
    Array.from(sources.accounts(), ({ account }) => [account.name, account.displayName] as const),
  )
}
