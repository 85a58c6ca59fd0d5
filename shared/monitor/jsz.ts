import type { MonitorSources, StreamFacts } from './facts.ts'
import { PAGE_DEFAULT } from './limits.ts'
import { pageOf, type Query } from './query.ts'
import { timeText } from './text.ts'
import { jetStreamConfig, jetStreamStats } from './varz.ts'

/** `/jsz`: accounts, their streams and consumers, as deep as the query asks. */
export function jsz(sources: MonitorSources, query: Query, nowMs: number): object {
  const head = { server_id: sources.server().id, now: timeText(nowMs) }
  const facts = sources.jetStream()
  if (facts === undefined) return { ...head, disabled: true, total: 0 }
  const byAccount = new Map<string, StreamFacts[]>()
  const streams = [...facts.streams()]
  for (const stream of streams) {
    const list = byAccount.get(stream.account)
    if (list === undefined) byAccount.set(stream.account, [stream])
    else list.push(stream)
  }
  const wanted = [...byAccount].filter(([name]) => !query.has('acc') || name === query.text('acc'))
  const page = pageOf(wanted, query, PAGE_DEFAULT)
  return {
    ...jetStreamStats(facts),
    ...head,
    config: jetStreamConfig(facts),
    limits: {},
    streams: streams.length,
    consumers: sum(streams, (stream) => stream.consumers),
    messages: sum(streams, (stream) => stream.messages),
    bytes: sum(streams, (stream) => stream.bytes),
    ...(isDetailed(query)
      ? { account_details: page.items.map(([name, list]) => account(name, list, query)) }
      : {}),
    total: wanted.length,
  }
}

function isDetailed(query: Query): boolean {
  const flags = ['accounts', 'streams', 'consumers', 'config'].map((name) => query.flag(name))
  return query.has('acc') || flags.includes(true)
}

function account(name: string, streams: readonly StreamFacts[], query: Query): object {
  const hasStreams = query.flag('streams') || query.flag('consumers') || query.flag('config')
  return {
    name,
    id: name,
    memory: 0,
    storage: sum(streams, (stream) => stream.bytes),
    reserved_memory: 0,
    reserved_storage: 0,
    accounts: 0,
    ha_assets: 0,
    api: { level: 0, total: 0, errors: 0 },
    ...(hasStreams ? { stream_detail: streams.map((stream) => detail(stream, query)) } : {}),
  }
}

function detail(stream: StreamFacts, query: Query): object {
  return {
    name: stream.name,
    created: timeText(stream.createdMs),
    ...(query.flag('config') ? { config: stream.config() } : {}),
    state: stream.state(),
    ...(query.flag('consumers') ? { consumer_detail: stream.consumerDetails() } : {}),
  }
}

function sum<T>(list: readonly T[], of: (item: T) => number): number {
  return list.reduce((total, item) => total + of(item), 0)
}
