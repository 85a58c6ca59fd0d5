import { accountsOf, operatorOf, systemAccountOf } from './account-assembly.ts'
import { authorizationOf, ownAuthorizationOf, ownTimeoutOf } from './authorization-assembly.ts'
import type { ClusterConfig, GatewayConfig } from './cluster-config.ts'
import type { ClusterFile, GatewayFile } from './cluster-schema.ts'
import {
  type CoreConfig,
  type EncryptionConfig,
  type HubConfig,
  type JetStreamConfig,
  type LeafConfig,
  type LeafNodesConfig,
  type ListenConfig,
  type LogConfig,
  type MqttConfig,
  type RemoteConfig,
  ROOT_ACCOUNT,
  type Role,
  type WebSocketConfig,
} from './config.ts'
import type { CoreFile } from './core-schema.ts'
import type { LeafNodesFile, RemoteFile } from './leafnodes-schema.ts'
import { CONSUMERS_PER_STREAM, MQTT_DEFAULTS, SUBJECTS_IN_MEMORY } from './limits.ts'
import { mqttRemotesOf } from './mqtt-remote-assembly.ts'
import { isSecureUrl } from './remote-url.ts'
import type { HubFile, LeafFile } from './schema.ts'
import { DIALLED_TLS, peerTlsOf, tlsOf } from './tls-assembly.ts'

const HOST_DEFAULT = '0.0.0.0'
const PORT_DEFAULT = 4222
const SCRUB_INTERVAL_MS = 7 * 24 * 3_600_000

/** A checked file as the configuration that the role runs on: what depends on several keys is settled here. */
export function assembleHub(file: HubFile): HubConfig {
  return {
    ...assembleCore(file, 'hub', file.fleet.streams.length + file.fleet.accounts.length > 0),
    role: 'hub',
    fleet: file.fleet,
  }
}

export function assembleLeaf(file: LeafFile): LeafConfig {
  const { region, buffers } = file
  return { ...assembleCore(file, 'leaf', true), role: 'leaf', region, buffers }
}

function assembleCore(file: CoreFile, role: Role, needsStore: boolean): CoreConfig {
  const host = file.host ?? hostOf(file.listen)
  return {
    ...limitsOf(file),
    ...logOf(file),
    server_name: file.server_name ?? '',
    server_tags: tagsOf(file.server_tags),
    server_metadata: recordOf(file.server_metadata),
    host,
    port: file.port ?? file.listen?.port ?? PORT_DEFAULT,
    client_advertise: file.client_advertise,
    http: monitoringOf(file.http, file.http_port, host),
    https: monitoringOf(file.https, file.https_port, host),
    http_base_path: file.http_base_path,
    pid_file: file.pid_file,
    ports_file_dir: file.ports_file_dir,
    proxy_protocol: file.proxy_protocol,
    config_digest: '',
    tls: file.tls && tlsOf(file.tls),
    allow_non_tls: file.allow_non_tls,
    authorization: authorizationOf(file),
    accounts: accountsOf(file),
    system_account: systemAccountOf(file),
    operator: operatorOf(file),
    cluster: file.cluster && clusterOf(file.cluster, file.gateway),
    gateway: file.gateway && gatewayOf(file.gateway),
    jetstream: jetstreamOf(file, role, needsStore || (file.mqtt?.remotes.length ?? 0) > 0),
    leafnodes: leafnodesOf(file.leafnodes),
    websocket: file.websocket && websocketOf(file.websocket, file),
    mqtt: file.mqtt && mqttOf(file.mqtt, file),
    mqtt_remotes: mqttRemotesOf(file.mqtt?.remotes ?? []),
  }
}

function limitsOf(file: CoreFile) {
  return {
    max_payload: file.max_payload,
    max_control_line: file.max_control_line,
    max_connections: file.max_connections,
    max_pending: file.max_pending,
    max_subscriptions: file.max_subscriptions,
    max_sub_tokens: file.max_sub_tokens ?? 0,
    max_closed_clients: Math.max(0, file.max_closed_clients),
    no_header_support: file.no_header_support,
    no_fast_producer_stall: file.no_fast_producer_stall,
    ping_interval: file.ping_interval,
    ping_max: file.ping_max,
    write_deadline: file.write_deadline,
    lame_duck_duration: file.lame_duck_duration,
    lame_duck_grace_period: file.lame_duck_grace_period,
  }
}

function logOf(file: CoreFile): LogConfig {
  return {
    debug: file.debug,
    trace: file.trace || file.trace_verbose || file.trace_headers,
    logtime: file.logtime,
    logtime_utc: file.logtime_utc,
    log_file: file.log_file,
    log_format: file.log_format ?? '',
    logfile_size_limit: file.logfile_size_limit,
    logfile_max_num: file.logfile_max_num,
  }
}

/** Monitoring listens where clients do unless it is told otherwise, as in nats-server. */
function monitoringOf(
  listen: ListenConfig | undefined,
  ownPort: number | undefined,
  host: string,
): ListenConfig | undefined {
  const port = ownPort ?? listen?.port
  if (port === undefined) return undefined
  return { host: listen === undefined || listen.host === '' ? host : listen.host, port }
}

function jetstreamOf(file: CoreFile, role: Role, needsStore: boolean): JetStreamConfig {
  const own = file.jetstream
  const { info_queue_limit = 0, request_queue_limit = 0, limits = NO_JETSTREAM_LIMITS } = own ?? {}
  return {
    enabled: own?.enabled ?? needsStore,
    store_dir: own?.store_dir ?? file.store_dir ?? `./data/${file.server_name ?? role}`,
    domain: own?.domain ?? (role === 'leaf' ? domainFrom(file.server_name ?? '') : ''),
    max_file: own?.max_file ?? 0,
    max_mem: own?.max_mem ?? 0,
    scrub_interval: own?.scrub_interval ?? SCRUB_INTERVAL_MS,
    encryption: encryptionOf(own),
    max_subjects_in_memory: own?.max_subjects_in_memory ?? SUBJECTS_IN_MEMORY,
    strict: own?.strict ?? true,
    sync_interval: own?.sync_interval ?? 0,
    max_buffered_msgs: own?.max_buffered_msgs ?? 0,
    max_buffered_size: own?.max_buffered_size ?? 0,
    request_queue_limit,
    info_queue_limit: info_queue_limit || request_queue_limit,
    js_ack_fc_v2: file.feature_flags.js_ack_fc_v2,
    limits,
  }
}

const NO_JETSTREAM_LIMITS: JetStreamConfig['limits'] = {
  max_ack_pending: 0,
  max_request_batch: 0,
  default_max_consumers: CONSUMERS_PER_STREAM,
  duplicate_window: 0,
  batch: { max_inflight_per_stream: 0, max_inflight_total: 0, max_msgs: 0, timeout: 0 },
}

function encryptionOf(file: CoreFile['jetstream']): EncryptionConfig {
  return {
    cipher: file?.cipher ?? 'aes',
    key: file?.key ?? '',
    key_file: file?.key_file ?? '',
    prev_key: file?.prev_key ?? '',
    prev_key_file: file?.prev_key_file ?? '',
  }
}

/** Two servers with JetStream on one link must be told apart by their domains. */
function domainFrom(serverName: string): string {
  return /[\s.*>]/.test(serverName) ? '' : serverName
}

function leafnodesOf(file: LeafNodesFile): LeafNodesConfig {
  const isListening = file.port !== undefined || file.listen !== undefined
  return {
    listen: isListening ? listenOf(file) : undefined,
    advertise: file.advertise,
    authorization: ownAuthorizationOf(file.authorization, file.tls),
    ...ownTimeoutOf(file.authorization),
    tls: file.tls && tlsOf(file.tls),
    remotes: file.remotes.filter((remote) => !remote.disabled).map(remoteOf),
    reconnect: file.reconnect,
    dial_timeout: file.dial_timeout,
  }
}

function remoteOf(file: RemoteFile): RemoteConfig {
  const urls = file.url ?? []
  return {
    urls,
    account: file.account ?? ROOT_ACCOUNT,
    no_randomize: file.no_randomize,
    // One address that asks for TLS speaks for all, as in nats-server.
    tls: file.tls ? tlsOf(file.tls) : urls.some(isSecureUrl) ? DIALLED_TLS : undefined,
    credentials: expanded(file.credentials),
    nkey: file.nkey,
    deny_exports: file.deny_exports,
    deny_imports: file.deny_imports,
    hub: file.hub,
    is_isolated: file.isolate_leafnode_interest,
  }
}

function websocketOf(file: NonNullable<CoreFile['websocket']>, core: CoreFile): WebSocketConfig {
  return {
    listen: listenOf(file),
    advertise: file.advertise,
    handshake_timeout: file.handshake_timeout,
    tls: file.tls && tlsOf(file.tls),
    same_origin: file.same_origin,
    allowed_origins: file.allowed_origins,
    compression: file.compression,
    jwt_cookie: file.jwt_cookie,
    user_cookie: file.user_cookie,
    pass_cookie: file.pass_cookie,
    token_cookie: file.token_cookie,
    headers: recordOf(file.headers),
    no_auth_user: file.no_auth_user || core.no_auth_user,
    authorization: ownAuthorizationOf(file.authorization, file.tls, file.no_auth_user),
    ping_interval: file.ping_interval,
  }
}

function mqttOf(file: NonNullable<CoreFile['mqtt']>, core: CoreFile): MqttConfig | undefined {
  const { host: _host, port: _port, listen: _listen, remotes: _remotes, ...rest } = file
  // Remotes alone make no listener.
  if (file.port === undefined && file.listen === undefined) return undefined
  return {
    ...rest,
    listen: listenOf(file),
    max_ack_pending: file.max_ack_pending || MQTT_DEFAULTS.max_ack_pending,
    tls: file.tls && tlsOf(file.tls),
    no_auth_user: file.no_auth_user || core.no_auth_user,
    authorization: ownAuthorizationOf(file.authorization, file.tls, file.no_auth_user),
  }
}

/** Without a port nobody can join: the name alone makes no cluster. */
function clusterOf(file: ClusterFile, gateway: GatewayFile | undefined): ClusterConfig | undefined {
  if (file.port === undefined && file.listen === undefined) return undefined
  return {
    name: file.name ?? gateway?.name ?? '',
    listen: listenOf(file),
    advertise: file.advertise,
    no_advertise: file.no_advertise,
    authorization: ownAuthorizationOf(file.authorization, file.tls),
    ...ownTimeoutOf(file.authorization),
    routes: file.routes,
    tls: file.tls && peerTlsOf(file.tls),
    connect_retries: file.connect_retries,
  }
}

function gatewayOf(file: GatewayFile): GatewayConfig | undefined {
  if (file.name === undefined) return undefined
  return {
    name: file.name,
    listen: listenOf(file),
    advertise: file.advertise,
    authorization: ownAuthorizationOf(file.authorization, file.tls),
    ...ownTimeoutOf(file.authorization),
    gateways: file.gateways.map(({ name, url }) => ({ name, urls: url })),
    tls: file.tls && peerTlsOf(file.tls),
    reject_unknown_cluster: file.reject_unknown_cluster,
  }
}

interface ListenerFile {
  readonly listen?: ListenConfig | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
}

function listenOf(file: ListenerFile): ListenConfig {
  return { host: file.host ?? hostOf(file.listen), port: file.port ?? file.listen?.port ?? 0 }
}

function hostOf(listen: ListenConfig | undefined): string {
  return listen === undefined || listen.host === '' ? HOST_DEFAULT : listen.host
}

/** Tags are words without case, each once, as in nats-server. */
function tagsOf(written: readonly string[]): string[] {
  return [...new Set(written.map((tag) => tag.trim().toLowerCase()))]
}

/** `~` and `$NAME` in the path of a credentials file, as in nats-server. */
function expanded(file: string): string {
  const path = file.replace(/\$(\w+)|\$\{(\w+)\}/g, (_, bare, braced) => {
    return process.env[bare ?? braced] ?? ''
  })
  return path.startsWith('~') ? `${process.env['HOME'] ?? ''}${path.slice(1)}` : path
}

function recordOf(
  list: readonly { readonly name: string; readonly value: string }[],
): Record<string, string> {
  return Object.fromEntries(list.map(({ name, value }) => [name, value]))
}
