/**
 * What a reload may change: limits, credentials, accounts, certificates, remotes, routes and the log may,
 * listeners, names and stores may not. nats-server (server/reload.go) refuses less in one thing, turning TLS on,
 * and more in another, the logins of single listeners.
 */
import { type HubConfig, type LeafConfig, ROOT_ACCOUNT } from './config.ts'
import type { Problem } from './problem.ts'

export interface Comparison {
  /** Paths of the keys that differ, `mqtt.ack_wait`; a list counts as one value. */
  readonly changes: readonly string[]
  /** Changes that need a restart; nothing may be applied when there is one. */
  readonly refused: readonly Problem[]
}

/** Keys, or blocks as a whole. */
const RELOADABLE = [
  'accounts',
  'authorization',
  'client_advertise',
  'cluster.routes',
  'cluster.tls',
  'debug',
  'fleet.accounts',
  'fleet.streams',
  'gateway.tls',
  'leafnodes.authorization',
  'leafnodes.remotes',
  'leafnodes.tls',
  'log_file',
  'log_format',
  'logfile_max_num',
  'logfile_size_limit',
  'logtime',
  'logtime_utc',
  'max_connections',
  'max_control_line',
  'max_payload',
  'mqtt.ack_wait',
  'mqtt.allow_zero_length_clientid',
  'mqtt.reveal_reasons',
  'mqtt.authorization',
  'mqtt.connect_timeout',
  'mqtt.downgrade_qos2_subscribe',
  'mqtt.max_ack_pending',
  'mqtt.max_connections',
  'mqtt.max_keepalive',
  'mqtt.max_packet_size',
  'mqtt.max_queued_bytes',
  'mqtt.max_queued_messages',
  'mqtt.max_rate',
  'mqtt.max_session_expiry',
  'mqtt.max_subscriptions',
  'mqtt.max_total_queued_bytes',
  'mqtt.receive_maximum',
  'mqtt.reject_qos2_publish',
  'mqtt.server_reference',
  'mqtt.sys_interval',
  'mqtt.tls',
  'mqtt.topic_alias_maximum',
  'mqtt_remotes',
  'no_fast_producer_stall',
  'operator.default_sentinel',
  'operator.resolver_preload',
  'pid_file',
  'ping_interval',
  'ping_max',
  'ports_file_dir',
  'server_metadata',
  'server_tags',
  'tls',
  'trace',
  'websocket.authorization',
  'websocket.tls',
  'write_deadline',
]

/** nats-server's names for what it refuses; others are said as the file spells them. */
const FIELDS: Readonly<Record<string, string>> = {
  'authorization.no_auth_user': 'NoAuthUser',
  'cluster.listen.host': 'cluster host',
  'cluster.listen.port': 'cluster port',
  allow_non_tls: 'AllowNonTLS',
  cluster: 'Cluster',
  gateway: 'Gateway',
  host: 'Host',
  http: 'HTTPPort',
  'http.host': 'HTTPHost',
  'http.port': 'HTTPPort',
  http_base_path: 'HTTPBasePath',
  https: 'HTTPSPort',
  'https.port': 'HTTPSPort',
  'jetstream.store_dir': 'jetstream storage directory',
  lame_duck_duration: 'LameDuckDuration',
  lame_duck_grace_period: 'LameDuckGracePeriod',
  leafnodes: 'LeafNode',
  max_closed_clients: 'MaxClosedClients',
  max_pending: 'MaxPending',
  max_sub_tokens: 'MaxSubTokens',
  max_subscriptions: 'MaxSubs',
  mqtt: 'MQTT',
  no_header_support: 'NoHeaderSupport',
  port: 'Port',
  proxy_protocol: 'ProxyProtocol',
  server_name: 'ServerName',
  system_account: 'SystemAccount',
  tls: 'TLSConfig',
  websocket: 'Websocket',
}

/**
 * Texts that a refusal may show: it goes to the log, and to whoever asked for the reload. All others may be
 * a password, a token or a seed, or hold one.
 */
const SHOWN_TEXTS: ReadonlySet<string> = new Set([
  'authorization.no_auth_user',
  'cluster.listen.host',
  'cluster.name',
  'gateway.listen.host',
  'gateway.name',
  'host',
  'http_base_path',
  'jetstream.domain',
  'jetstream.store_dir',
  'leafnodes.listen.host',
  'mqtt.listen.host',
  'mqtt.no_auth_user',
  'server_name',
  'system_account',
  'websocket.listen.host',
  'websocket.no_auth_user',
])

/** Blocks of which not even a number is shown: it may be the whole of a password. */
const SECRETIVE =
  /(^|\.)(accounts|authorization|gateways|headers|operator|remotes|routes|tls)(\.|$)/

type Config = HubConfig | LeafConfig

/** What a new configuration changes of the one that runs, and what of it only a restart can. */
export function compareConfigs(before: Config, after: Config): Comparison {
  const changes: Change[] = []
  // The digest follows from the rest, and from comments.
  collect({ ...before, config_digest: after.config_digest }, after, '', changes)
  const refused = changes
    .filter((change) => !isReloadable(change))
    .map((change) => ({ position: undefined, path: change.path, message: refusal(change) }))
  return { changes: changes.map(({ path }) => path), refused }
}

interface Change {
  readonly path: string
  readonly before: unknown
  readonly after: unknown
}

function collect(before: unknown, after: unknown, path: string, changes: Change[]): void {
  if (isBlock(before) && isBlock(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      collect(before[key], after[key], path === '' ? key : `${path}.${key}`, changes)
    }
  } else if (JSON.stringify(before) !== JSON.stringify(after)) {
    changes.push({ path, before, after })
  }
}

function isReloadable({ path, before, after }: Change): boolean {
  switch (path) {
    // A store that holds more than it may is no better than a full one.
    case 'jetstream.max_file':
    case 'jetstream.max_mem':
      return before !== 0 && Number(after) > Number(before)
    // The buffers belong to the account of the first remote.
    case 'leafnodes.remotes':
      return bufferAccount(before) === bufferAccount(after)
    // Who has none has nothing that would dial them.
    case 'mqtt_remotes':
      return Array.isArray(before) && before.length > 0
    // Connections that came in as that user would be nobody.
    case 'authorization.no_auth_user':
      return before !== '' && after === ''
    // Any free port: what was taken stays.
    case 'port':
      return after === 0
    default:
      // A listener is with TLS or without: only how it is may change.
      if (/(^|\.)tls$/.test(path)) return false
      return RELOADABLE.some((known) => path === known || path.startsWith(`${known}.`))
  }
}

function refusal({ path, before, after }: Change): string {
  if (path === 'jetstream.max_file' || path === 'jetstream.max_mem') {
    return `config reload not supported for ${limitRefusal(before, after)}`
  }
  if (/(^|\.)tls$/.test(path)) {
    const field = path === 'tls' ? 'TLSConfig' : `${FIELDS[path.replace(/\.tls$/, '')]} TLSConfig`
    return `config reload not supported for ${field}: TLS is turned on and off by a restart`
  }
  if (path === 'leafnodes.remotes') {
    return 'config reload not supported for LeafNode: the account of the first remote is that of the buffers'
  }
  if (path === 'mqtt_remotes') {
    return 'config reload not supported for mqtt.remotes: the first of them takes a restart'
  }
  const field = FIELDS[path] ?? fieldIn(path)
  if (![before, after].every((value) => isShown(path, value))) {
    return `config reload not supported for ${field}`
  }
  return `config reload not supported for ${field}: old=${before}, new=${after}`
}

/** nats-server names the block only, which leaves open what of it was changed. */
function fieldIn(path: string): string {
  const [block = ''] = path.split('.')
  const field = FIELDS[block]
  return field === undefined || block === path ? path : `${field} (${path})`
}

/** 0: the file sets none. */
function limitRefusal(before: unknown, after: unknown): string {
  if (after === 0) return 'jetstream max memory and max store'
  if (before === 0) return 'jetstream dynamic max memory and store'
  return 'decreasing jetstream max memory and store'
}

function bufferAccount(remotes: unknown): unknown {
  return Array.isArray(remotes) ? (remotes[0]?.account ?? ROOT_ACCOUNT) : undefined
}

function isShown(path: string, value: unknown): boolean {
  if (SHOWN_TEXTS.has(path)) return typeof value === 'string'
  return ['number', 'boolean'].includes(typeof value) && !SECRETIVE.test(path)
}

function isBlock(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
