import { overlaps } from '../subject/index.ts'
import { type ConnectionOrder, isConnectionOrder, sorted } from './connection-order.ts'
import type {
  ConnectionFacts,
  MonitorSources,
  MqttConnectionFacts,
  SubscriptionFacts,
} from './facts.ts'
import { given } from './given.ts'
import { PAGE_DEFAULT, SUBSCRIPTIONS_LISTED_MAX } from './limits.ts'
import { badQuery, pageOf, type Query } from './query.ts'
import type { RequestFields } from './request-fields.ts'
import { clientSubscription } from './subsz.ts'
import { durationText, timeText, uptimeText } from './text.ts'

export interface ConnzOptions {
  readonly sort: string
  readonly auth: boolean
  readonly subs: 'no' | 'subjects' | 'detail'
  readonly offset: number
  readonly limit: number
  /** 0: any. */
  readonly cid: number
  readonly state: 'open' | 'closed' | 'any'
  /** The rest is '' for any. */
  readonly mqttClient: string
  readonly user: string
  readonly account: string
  readonly filterSubject: string
}

export function connzQuery(query: Query): ConnzOptions {
  return {
    sort: query.text('sort'),
    auth: query.flag('auth'),
    subs: subsOf(query),
    offset: query.count('offset'),
    limit: query.count('limit'),
    cid: query.id('cid'),
    state: stateOf(query.text('state')),
    mqttClient: query.text('mqtt_client'),
    user: query.text('user'),
    account: query.text('acc'),
    filterSubject: query.text('filter_subject'),
  }
}

export function connzFields(fields: RequestFields): ConnzOptions {
  const states = ['open', 'closed', 'any'] as const
  return {
    sort: fields.text('sort'),
    auth: fields.flag('auth'),
    subs: subsOfFields(fields),
    offset: fields.count('offset'),
    limit: fields.count('limit'),
    cid: fields.count('cid'),
    state: states[fields.count('state')] ?? 'open',
    mqttClient: fields.text('mqtt_client'),
    user: fields.text('user'),
    account: fields.text('acc'),
    filterSubject: fields.text('filter_subject'),
  }
}

/** `subs=1` names the subjects, `subs=detail` all that is known of each. Shared with `/routez`. */
export function subsOf(query: Query): ConnzOptions['subs'] {
  if (query.text('subs').toLowerCase() === 'detail') return 'detail'
  return query.flag('subs') ? 'subjects' : 'no'
}

export function subsOfFields(fields: RequestFields): ConnzOptions['subs'] {
  if (fields.flag('subscriptions_detail')) return 'detail'
  return fields.flag('subscriptions') ? 'subjects' : 'no'
}

/** `/connz`: who is, or was, connected. Throws PETIOLE_BAD_QUERY. */
export function connz(sources: MonitorSources, options: ConnzOptions, nowMs: number): object {
  const { account, cid, state } = options
  const order = checkedOrder(options)
  const inAccount = (facts: ConnectionFacts): boolean => account === '' || facts.account === account
  const open = state === 'closed' ? [] : [...sources.connections(account || undefined)]
  const closed = state === 'open' ? [] : [...sources.closedConnections()].filter(inAccount)
  const matching = subscribersOf(sources, options)
  const chosen =
    cid > 0
      ? [...open, ...closed].filter((facts) => facts.id === cid).slice(0, 1)
      : [...open, ...closed].filter((facts) => isWanted(facts, options, matching))
  const offset = Math.max(0, options.offset)
  const limit = cid > 0 ? 1 : options.limit > 0 ? options.limit : PAGE_DEFAULT
  const page = pageOf(sorted(chosen, order, nowMs), offset, limit)
  const subscriptions = subscriptionsById(sources, options, page)
  return {
    server_id: sources.server().id,
    now: timeText(nowMs),
    num_connections: page.length,
    total: open.length + closed.length,
    offset,
    limit,
    connections: page.map((facts) =>
      connection(facts, options, nowMs, subscriptions.get(facts.id) ?? NONE),
    ),
  }
}

const NONE: readonly SubscriptionFacts[] = []

function checkedOrder({ sort, state, account, filterSubject }: ConnzOptions): ConnectionOrder {
  const order = sort || 'cid'
  if (!isConnectionOrder(order)) throw badQuery(`invalid sorting option: ${sort}`)
  if ((order === 'stop' || order === 'reason') && state !== 'closed') {
    throw badQuery(`sort by ${order} only valid on closed connections`)
  }
  if (filters(filterSubject) && account === '') {
    throw badQuery('filter by subject only valid with account filtering')
  }
  return order
}

function stateOf(text: string): ConnzOptions['state'] {
  const lower = text.toLowerCase()
  if (lower === '' || lower === 'open') return 'open'
  if (lower === 'closed') return 'closed'
  if (lower === 'any' || lower === 'all') return 'any'
  throw badQuery(`Error decoding state for ${text}`)
}

function filters(subject: string): boolean {
  return subject !== '' && subject !== '>'
}

/** Interest is known of open connections only; closed ones pass that filter, as in nats-server. */
function isWanted(
  facts: ConnectionFacts,
  { user, mqttClient }: ConnzOptions,
  matching: ReadonlySet<number> | undefined,
): boolean {
  return (
    (user === '' || facts.user === user) &&
    (mqttClient === '' || facts.mqttClient === mqttClient) &&
    (matching === undefined || facts.stoppedMs !== undefined || matching.has(facts.id))
  )
}

/** One entry; with `auth` left out, `/gatewayz` shows its connections in the same form. */
export function connection(
  facts: ConnectionFacts,
  options: Pick<ConnzOptions, 'auth' | 'subs'>,
  nowMs: number,
  subscriptions: readonly SubscriptionFacts[],
): object {
  const untilMs = facts.stoppedMs ?? nowMs
  return {
    cid: facts.id,
    ...given({ kind: facts.kind, type: facts.type }),
    ip: facts.ip,
    port: facts.port,
    start: timeText(facts.startedMs),
    last_activity: timeText(facts.lastActivityMs),
    ...(facts.stoppedMs === undefined ? {} : { stop: timeText(untilMs) }),
    ...given({ reason: facts.reason }),
    rtt: durationText(facts.roundTripMs),
    uptime: uptimeText(untilMs - facts.startedMs),
    idle: uptimeText(untilMs - facts.lastActivityMs),
    pending_bytes: facts.pendingBytes,
    in_msgs: facts.inMessages,
    out_msgs: facts.outMessages,
    in_bytes: facts.inBytes,
    out_bytes: facts.outBytes,
    ...given({ stalls: facts.stalls }),
    subscriptions: facts.subscriptions,
    ...given({ name: facts.name, lang: facts.lang, version: facts.version }),
    ...tls(facts, options.auth),
    ...(options.auth ? authorization(facts) : {}),
    ...lists(options.subs, subscriptions, facts.subjects ?? []),
    ...given({ mqtt_client: facts.mqttClient }),
    ...(facts.mqtt === undefined ? {} : mqtt(facts.mqtt)),
    ...(facts.proxyKey ? { proxy: { key: facts.proxyKey } } : {}),
  }
}

/** nats-server knows no more of an MQTT client than its identifier. */
function mqtt({ version, sessionExpirySeconds, inflight }: MqttConnectionFacts): object {
  return {
    mqtt_version: version,
    mqtt_session_expiry: sessionExpirySeconds,
    mqtt_inflight: inflight,
  }
}

function tls({ tls: facts }: ConnectionFacts, withCertificates: boolean): object {
  if (facts === undefined) return {}
  const certificates = withCertificates ? facts.certificates() : []
  return given({
    tls_version: facts.version,
    tls_cipher_suite: facts.cipherSuite,
    tls_peer_certs: certificates.map((one) => ({
      subject: one.subject,
      spki_sha256: one.keyDigest,
      cert_sha256: one.digest,
    })),
    tls_first: facts.isFirst,
  })
}

function authorization(facts: ConnectionFacts): object {
  return given({
    authorized_user: facts.user,
    account: facts.account === '$G' ? '' : facts.account,
    jwt: withoutBearer(facts.jwt),
    issuer_key: facts.issuerKey,
    name_tag: facts.nameTag,
    tags: facts.tags,
  })
}

/** Whoever holds a bearer JWT is its user: it is not shown. */
function withoutBearer(jwt: string | undefined): string | undefined {
  const claims = jwt?.split('.')[1]
  if (claims === undefined) return jwt
  const isBearer = Buffer.from(claims, 'base64url').toString().includes('"bearer_token":true')
  return isBearer ? '[REDACTED]' : jwt
}

/** Of a closed connection the subjects alone are remembered. */
function lists(
  subs: ConnzOptions['subs'],
  subscriptions: readonly SubscriptionFacts[],
  remembered: readonly string[],
): object {
  if (subs === 'subjects' && remembered.length > 0) return { subscriptions_list: remembered }
  if (subscriptions.length === 0) return {}
  if (subs === 'detail') return { subscriptions_list_detail: subscriptions.map(clientSubscription) }
  return subs === 'subjects' ? { subscriptions_list: subscriptions.map((one) => one.subject) } : {}
}

/** The connections with a subscription that the filter is about; undefined when there is no filter. */
function subscribersOf(
  sources: MonitorSources,
  { filterSubject, account }: ConnzOptions,
): ReadonlySet<number> | undefined {
  if (!filters(filterSubject)) return undefined
  const ids = new Set<number>()
  const found = ({ connectionId, subject }: SubscriptionFacts): void => {
    if (!ids.has(connectionId) && overlaps(subject, filterSubject)) ids.add(connectionId)
  }
  for (const facts of sources.subscriptions(account)) found(facts)
  for (const facts of sources.connections(account)) for (const one of ofSession(facts)) found(one)
  return ids
}

/** Gathered only when asked for, and of what is shown: there may be a great many. */
function subscriptionsById(
  sources: MonitorSources,
  { subs, account }: ConnzOptions,
  page: readonly ConnectionFacts[],
): ReadonlyMap<number, readonly SubscriptionFacts[]> {
  const byId = new Map<number, SubscriptionFacts[]>()
  if (subs === 'no') return byId
  const open = page.filter((facts) => facts.stoppedMs === undefined && facts.subscriptions > 0)
  let left = SUBSCRIPTIONS_LISTED_MAX
  for (const facts of subscriptionsOf(sources, account, open)) {
    if (left-- === 0) break
    const list = byId.get(facts.connectionId)
    if (list === undefined) byId.set(facts.connectionId, [facts])
    else list.push(facts)
  }
  return byId
}

function* subscriptionsOf(
  sources: MonitorSources,
  account: string,
  connections: readonly ConnectionFacts[],
): Generator<SubscriptionFacts> {
  const ids = new Set(connections.map(({ id }) => id))
  if (ids.size > 0) yield* sources.subscriptions(account || undefined, ids)
  for (const facts of connections) yield* ofSession(facts)
}

/** The router knows them as the session's, with no count of their own. */
function* ofSession({ id, account, mqtt }: ConnectionFacts): Generator<SubscriptionFacts> {
  for (const { subject, queue } of mqtt?.subscriptionsOfSession() ?? []) {
    const nothing = { sid: '', messages: 0, messagesMax: 0 }
    yield { account, subject, queue, ...nothing, connectionId: id, peer: 'other' }
  }
}
