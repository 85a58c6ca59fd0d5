import type { JetStreamFacts, MonitorSources, ServerFacts, StreamFacts } from './facts.ts'
import { given } from './given.ts'
import { PAGE_DEFAULT } from './limits.ts'
import { badQuery, pageOf, type Query } from './query.ts'
import type { RequestFields } from './request-fields.ts'
import { petioleBlock } from './store-block.ts'
import { nanos, timeText } from './text.ts'

/** `leader-only`, `stream-leader-only` and `raft` change nothing: one server leads all it has. */
export interface JszOptions {
  /** '': all, or none unless `accounts`. */
  readonly account: string
  readonly accounts: boolean
  readonly streams: boolean
  readonly consumers: boolean
  readonly config: boolean
  readonly raft: boolean
  readonly offset: number
  readonly limit: number
}

export function jszQuery(query: Query): JszOptions {
  for (const name of ['direct-consumers', 'leader-only', 'stream-leader-only']) query.flag(name)
  return implied({
    account: query.text('acc'),
    accounts: query.flag('accounts'),
    streams: query.flag('streams'),
    consumers: query.flag('consumers'),
    config: query.flag('config'),
    raft: query.flag('raft'),
    offset: query.count('offset'),
    limit: query.count('limit'),
  })
}

export function jszFields(fields: RequestFields): JszOptions {
  return implied({
    account: fields.text('account'),
    accounts: fields.flag('accounts'),
    streams: fields.flag('streams'),
    consumers: fields.flag('consumer'),
    config: fields.flag('config'),
    raft: fields.flag('raft'),
    offset: fields.count('offset'),
    limit: fields.count('limit'),
  })
}

function implied(asked: JszOptions): JszOptions {
  const streams = asked.streams || asked.consumers
  const accounts = asked.accounts || (streams && asked.account === '')
  return { ...asked, streams, accounts }
}

/** `/jsz`: accounts, their streams and consumers, as deep as the request asks. */
export function jsz(sources: MonitorSources, options: JszOptions, nowMs: number): object {
  const head = { server_id: sources.server().id, now: timeText(nowMs) }
  const facts = sources.jetStream()
  if (facts === undefined) return { ...NO_STATS, ...head, disabled: true, ...NOTHING, total: 0 }
  const streams = [...facts.streams()]
  const accounts = Array.from(facts.accounts(), ({ name }) => name).sort()
  const consumers = sum(streams, (stream) => stream.consumers)
  const details = chosen(accounts, options).map((name) =>
    accountDetail(sources, facts, name, options),
  )
  return {
    ...jetStreamStats(facts),
    ...head,
    config: jetStreamConfig(facts),
    limits: {},
    streams: streams.length,
    ...(options.raft ? given({ streams_leader: streams.length }) : {}),
    consumers,
    ...(options.raft ? given({ consumers_leader: consumers }) : {}),
    messages: sum(streams, (stream) => stream.messages),
    bytes: sum(streams, (stream) => stream.bytes),
    ...given({ account_details: details }),
    total: accounts.length,
    ...petioleBlock(facts, sources.server().petioleVersion),
  }
}

/** The answer to `$SYS.REQ.ACCOUNT.<acc>.JSZ`. Throws PETIOLE_BAD_QUERY. */
export function jszAccount(sources: MonitorSources, options: JszOptions): object {
  const { account } = options
  const facts = sources.jetStream()
  if (facts === undefined) throw badQuery('jetstream not enabled')
  if (sources.account(account) === undefined) throw badQuery(`account "${account}" not found`)
  if (![...facts.accounts()].some(({ name }) => name === account)) {
    throw badQuery(`account "${account}" not jetstream enabled`)
  }
  return accountDetail(sources, facts, account, options)
}

/** Where each acknowledged write is synced there is no interval, but `sync_always`. Shared with `/varz`. */
export function jetStreamConfig(facts: JetStreamFacts): object {
  return {
    max_memory: facts.memoryBytesMax,
    max_storage: facts.storageBytesMax,
    store_dir: facts.storeDirectory,
    ...(facts.syncEveryMs === 0
      ? { sync_always: true }
      : { sync_interval: nanos(facts.syncEveryMs) }),
    ...given({ domain: facts.domain }),
  }
}

export function jetStreamStats(facts: JetStreamFacts): object {
  return {
    memory: bytesIn([...facts.streams()], true),
    storage: facts.storageBytes,
    reserved_memory: facts.reservedBytes.memory,
    reserved_storage: facts.reservedBytes.file,
    accounts: [...facts.accounts()].length,
    ha_assets: 0,
    api: {
      level: facts.apiLevel,
      total: facts.apiRequests,
      errors: facts.apiErrors,
      ...given({ inflight: facts.apiInflight }),
    },
  }
}

const NO_STATS = {
  memory: 0,
  storage: 0,
  reserved_memory: 0,
  reserved_storage: 0,
  accounts: 0,
  ha_assets: 0,
  api: { level: 0, total: 0, errors: 0 },
}

const NOTHING = {
  config: { max_memory: 0, max_storage: 0 },
  streams: 0,
  consumers: 0,
  messages: 0,
  bytes: 0,
}

/** One account takes precedence; a name that nobody has is as if none were given. */
function chosen(accounts: readonly string[], options: JszOptions): readonly string[] {
  if (accounts.includes(options.account)) return [options.account]
  if (!options.accounts) return []
  return pageOf(accounts, Math.max(0, options.offset), options.limit || PAGE_DEFAULT)
}

function accountDetail(
  sources: MonitorSources,
  facts: JetStreamFacts,
  name: string,
  options: JszOptions,
): object {
  const streams = [...facts.streams()].filter(({ account }) => account === name)
  const api = [...facts.accounts()].find((one) => one.name === name)
  return {
    name: sources.account(name)?.account.displayName ?? name,
    id: name,
    memory: bytesIn(streams, true),
    storage: bytesIn(streams, false),
    reserved_memory: 0,
    reserved_storage: 0,
    accounts: 0,
    ha_assets: 0,
    api: { level: 0, total: api?.apiRequests ?? 0, errors: api?.apiErrors ?? 0 },
    ...given({
      stream_detail: options.streams
        ? streams.map((stream) => streamDetail(stream, options, placeOf(sources.server())))
        : [],
    }),
  }
}

function bytesIn(streams: readonly StreamFacts[], isInMemory: boolean): number {
  return sum(streams, (stream) => (stream.isInMemory === isInMemory ? stream.bytes : 0))
}

/** Each stream is at one server, which leads it. */
function placeOf({ name: leader, config }: ServerFacts): object {
  return { ...given({ name: config.cluster?.name || config.gateway?.name }), leader }
}

function streamDetail(stream: StreamFacts, options: JszOptions, cluster: object): object {
  return {
    name: stream.name,
    created: timeText(stream.createdMs),
    cluster,
    ...(options.config ? { config: stream.config() } : {}),
    state: stream.state(),
    ...given({ consumer_detail: options.consumers ? consumers(stream, options) : [] }),
  }
}

function consumers(stream: StreamFacts, options: JszOptions): readonly object[] {
  if (options.config) return stream.consumerDetails()
  return stream.consumerDetails().map((info) => ({ ...info, config: undefined }))
}

function sum<T>(list: readonly T[], of: (item: T) => number): number {
  return list.reduce((total, item) => total + of(item), 0)
}
