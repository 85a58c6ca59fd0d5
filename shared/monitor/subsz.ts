import { isLiteral, subsetOf } from '../subject/index.ts'
import type { MonitorSources, SubscriptionFacts } from './facts.ts'
import { PAGE_DEFAULT } from './limits.ts'
import { badQuery, pageOf, type Query } from './query.ts'
import { timeText } from './text.ts'

/** `/subsz`: what is subscribed to. The router has no cache, so its numbers are 0. */
export function subsz(sources: MonitorSources, query: Query, nowMs: number): object {
  const test = query.text('test')
  if (test !== '' && !isLiteral(test)) {
    throw badQuery(`invalid test subject, must be publishable: ${test}`)
  }
  const all = [...sources.subscriptions()]
  const wanted = all.filter(
    (facts) =>
      (!query.has('acc') || facts.account === query.text('acc')) &&
      (test === '' || subsetOf(test, facts.subject)),
  )
  const isListed = query.flag('subs') || test !== ''
  const page = pageOf(isListed ? wanted : [], query, PAGE_DEFAULT)
  return {
    server_id: sources.server().id,
    now: timeText(nowMs),
    num_subscriptions: all.length,
    num_cache: 0,
    num_inserts: 0,
    num_removes: 0,
    num_matches: 0,
    cache_hit_rate: 0,
    max_fanout: 0,
    avg_fanout: 0,
    total: page.total,
    offset: page.offset,
    limit: page.limit,
    ...(isListed ? { subscriptions_list: page.items.map(subscriptionDetail) } : {}),
  }
}

/** Shared with `/connz?subs=detail`. */
export function subscriptionDetail(facts: SubscriptionFacts): object {
  return {
    account: facts.account,
    subject: facts.subject,
    ...(facts.queue === '' ? {} : { qgroup: facts.queue }),
    sid: facts.sid,
    msgs: facts.messages,
    cid: facts.connectionId,
  }
}
