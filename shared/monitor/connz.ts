import { overlaps } from '../subject/index.ts'
import type { ConnectionFacts, MonitorSources, SubscriptionFacts } from './facts.ts'
import { PAGE_DEFAULT } from './limits.ts'
import { badQuery, pageOf, type Query } from './query.ts'
import { subscriptionDetail } from './subsz.ts'
import { durationText, timeText, uptimeText } from './text.ts'

type Order = (facts: ConnectionFacts, nowMs: number) => number

/** `cid` and `start` rise, all others fall, as in nats-server. */
const ORDERS: Readonly<Record<string, Order>> = {
  cid: (facts) => facts.id,
  start: (facts) => facts.startedMs,
  subs: (facts) => -facts.subscriptions,
  pending: (facts) => -facts.pendingBytes,
  msgs_to: (facts) => -facts.outMessages,
  msgs_from: (facts) => -facts.inMessages,
  bytes_to: (facts) => -facts.outBytes,
  bytes_from: (facts) => -facts.inBytes,
  last: (facts) => -facts.lastActivityMs,
  idle: (facts) => facts.lastActivityMs,
  uptime: (facts, nowMs) => facts.startedMs - (facts.stoppedMs ?? nowMs),
  stop: (facts) => -(facts.stoppedMs ?? 0),
  reason: () => 0,
  rtt: (facts) => -(facts.roundTripMs ?? 0),
}

const STATES: Readonly<Record<string, 'open' | 'closed' | 'any'>> = {
  '': 'open',
  '0': 'open',
  open: 'open',
  '1': 'closed',
  closed: 'closed',
  '2': 'any',
  any: 'any',
  all: 'any',
}

/** `/connz`: who is, or was, connected. */
export function connz(sources: MonitorSources, query: Query, nowMs: number): object {
  const order = ORDERS[query.text('sort') || 'cid']
  if (order === undefined) throw badQuery(`invalid sorting option: ${query.text('sort')}`)
  const state = STATES[query.text('state').toLowerCase()]
  if (state === undefined) throw badQuery(`Error decoding state for ${query.text('state')}`)
  const subscriptions = subscriptionsById(sources, query)
  const chosen = [
    ...(state === 'closed' ? [] : sources.connections()),
    ...(state === 'open' ? [] : sources.closedConnections()),
  ].filter((facts) => isWanted(facts, query, subscriptions.get(facts.id) ?? []))
  chosen.sort((a, b) => order(a, nowMs) - order(b, nowMs))
  const page = pageOf(chosen, query, PAGE_DEFAULT)
  return {
    server_id: sources.server().id,
    now: timeText(nowMs),
    num_connections: page.items.length,
    total: page.total,
    offset: page.offset,
    limit: page.limit,
    connections: page.items.map((facts) =>
      connection(facts, query, nowMs, subscriptions.get(facts.id) ?? []),
    ),
  }
}

function isWanted(
  facts: ConnectionFacts,
  query: Query,
  subscriptions: readonly SubscriptionFacts[],
): boolean {
  const subject = query.text('filter_subject')
  return (
    (!query.has('cid') || facts.id === query.count('cid', 0)) &&
    (!query.has('user') || facts.user === query.text('user')) &&
    (!query.has('acc') || facts.account === query.text('acc')) &&
    (!query.has('mqtt_client') || facts.mqttClient === query.text('mqtt_client')) &&
    (subject === '' || subscriptions.some((one) => overlaps(one.subject, subject)))
  )
}

function connection(
  facts: ConnectionFacts,
  query: Query,
  nowMs: number,
  subscriptions: readonly SubscriptionFacts[],
): object {
  const isStopped = facts.stoppedMs !== undefined
  const untilMs = facts.stoppedMs ?? nowMs
  return {
    cid: facts.id,
    kind: 'Client',
    type: facts.type,
    ip: facts.ip,
    port: facts.port,
    start: timeText(facts.startedMs),
    last_activity: timeText(facts.lastActivityMs),
    ...(isStopped ? { stop: timeText(untilMs), reason: facts.reason ?? '' } : {}),
    ...(facts.roundTripMs === undefined ? {} : { rtt: durationText(facts.roundTripMs) }),
    uptime: uptimeText(untilMs - facts.startedMs),
    idle: uptimeText(untilMs - facts.lastActivityMs),
    pending_bytes: facts.pendingBytes,
    in_msgs: facts.inMessages,
    out_msgs: facts.outMessages,
    in_bytes: facts.inBytes,
    out_bytes: facts.outBytes,
    subscriptions: facts.subscriptions,
    ...given({ name: facts.name, lang: facts.lang, version: facts.version }),
    ...(query.flag('auth') ? given({ authorized_user: facts.user, account: facts.account }) : {}),
    ...lists(query, subscriptions),
    ...given({ mqtt_client: facts.mqttClient ?? '' }),
  }
}

/** `subs=1` names the subjects, `subs=detail` all that is known of each. */
function lists(query: Query, subscriptions: readonly SubscriptionFacts[]): object {
  if (subscriptions.length === 0 || !query.has('subs')) return {}
  if (query.text('subs') === 'detail') {
    return { subscriptions_list_detail: subscriptions.map(subscriptionDetail) }
  }
  if (!query.flag('subs')) return {}
  return { subscriptions_list: subscriptions.map((one) => one.subject) }
}

/** Gathered only when asked for: there may be a great many. */
function subscriptionsById(
  sources: MonitorSources,
  query: Query,
): ReadonlyMap<number, readonly SubscriptionFacts[]> {
  const byId = new Map<number, SubscriptionFacts[]>()
  if (!query.has('subs') && !query.has('filter_subject')) return byId
  for (const facts of sources.subscriptions()) {
    const list = byId.get(facts.connectionId)
    if (list === undefined) byId.set(facts.connectionId, [facts])
    else list.push(facts)
  }
  return byId
}

/** Without the empty ones. */
function given(fields: Readonly<Record<string, string>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''))
}
