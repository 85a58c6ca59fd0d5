import type { TlsConfig } from '../config/index.ts'
import type { KindCounts, MonitorSources, ProcessFacts, ServerFacts } from './facts.ts'
import { given } from './given.ts'
import { jetStreamConfig, jetStreamStats } from './jsz.ts'
import { petioleBlock } from './store-block.ts'
import { nanos, timeText, uptimeText } from './text.ts'
import {
  certificateEnd,
  clusterBlock,
  gatewayBlock,
  leafBlock,
  mqttBlock,
  webSocketBlock,
} from './varz-blocks.ts'

export interface VarzContext {
  readonly nowMs: number
  readonly http: HttpFacts
  readonly requests: Readonly<Record<string, number>>
  readonly process: ProcessFacts
}

export interface HttpFacts {
  readonly host: string
  /** 0: none. */
  readonly port: number
  readonly securePort: number
  readonly basePath: string
}

/** `/varz`, with nats-server's names. What we do not have is absent or an empty object, as there. */
export function varz(sources: MonitorSources, context: VarzContext): object {
  const server = sources.server()
  const { nowMs, http, process } = context
  const { config } = server
  return {
    server_id: server.id,
    server_name: server.name,
    version: server.version,
    proto: 1,
    go: globalThis.process.version,
    host: server.client.host,
    port: server.client.port,
    ...given({ auth_required: server.isAuthRequired, ...tlsFlags(config.tls) }),
    ...given({ connect_urls: server.connectUrls, ws_connect_urls: server.webSocketUrls }),
    max_connections: config.max_connections,
    ...given({ max_subscriptions: config.max_subscriptions }),
    ping_interval: nanos(config.ping_interval),
    ping_max: config.ping_max,
    http_host: http.host,
    http_port: http.port,
    http_base_path: http.basePath,
    https_port: http.securePort,
    auth_timeout: config.authorization.timeout / 1000,
    max_control_line: config.max_control_line,
    max_payload: config.max_payload,
    max_pending: config.max_pending,
    cluster: clusterBlock(server),
    gateway: gatewayBlock(server),
    leaf: leafBlock(server),
    mqtt: mqttBlock(server),
    websocket: webSocketBlock(server),
    jetstream: jetStreamVarz(sources),
    tls_timeout: (config.tls?.timeout ?? TLS_TIMEOUT_MS) / 1000,
    write_deadline: nanos(config.write_deadline),
    start: timeText(server.startedMs),
    now: timeText(nowMs),
    uptime: uptimeText(nowMs - server.startedMs),
    mem: process.memoryBytes,
    cores: process.cores,
    gomaxprocs: process.cores,
    cpu: process.cpuPercent,
    ...traffic(sources),
    http_req_stats: context.requests,
    ...configuration(server),
    ...statistics(sources),
    ...petioleBlock(sources.jetStream(), server.petioleVersion, sources.doors?.()),
  }
}

/** nats-server's default, which it reports without TLS, too. */
const TLS_TIMEOUT_MS = 2_000

function tlsFlags(tls: TlsConfig | undefined): Readonly<Record<string, unknown>> {
  return { tls_required: tls !== undefined, tls_verify: tls?.verify }
}

function traffic(sources: MonitorSources): object {
  const { clients, servers, ...facts } = sources.traffic()
  return {
    connections: facts.connections,
    total_connections: facts.connectionsEver,
    routes: [...sources.routes()].length,
    remotes: new Set(Array.from(sources.routes(), ({ remoteId }) => remoteId)).size,
    leafnodes: facts.links,
    in_msgs: clients.inMessages + servers.inMessages,
    in_bytes: clients.inBytes + servers.inBytes,
    in_client_msgs: clients.inMessages,
    in_client_bytes: clients.inBytes,
    out_msgs: clients.outMessages + servers.outMessages,
    out_bytes: clients.outBytes + servers.outBytes,
    out_client_msgs: clients.outMessages,
    out_client_bytes: clients.outBytes,
    slow_consumers: sumOf(facts.slowConsumers),
    stale_connections: sumOf(facts.staleConnections),
    stalled_clients: facts.stalls,
    subscriptions: facts.subscriptions,
  }
}

function configuration({ config, configLoadedMs, configDigest }: ServerFacts): object {
  return {
    config_load_time: timeText(configLoadedMs),
    config_digest: configDigest,
    ...given({ tags: config.server_tags }),
    ...(Object.keys(config.server_metadata).length === 0
      ? {}
      : { metadata: config.server_metadata }),
    ...given({
      trusted_operators_jwt: config.operator?.jwts,
      system_account: config.system_account,
    }),
  }
}

/** No request waits for a turn at the disk: commits gather. Hence no I/O waits. */
function statistics(sources: MonitorSources): object {
  const { slowConsumers, staleConnections } = sources.traffic()
  const server = sources.server()
  const { config } = server
  const trusted = config.authorization.trusted_proxies.map((key) => ({ key }))
  return {
    slow_consumer_stats: slowConsumers,
    stale_connection_stats: staleConnections,
    disk_io_wait_stats: { waiters: 0, waits: 0, wait_time: 0, max_wait_time: 0 },
    ...(trusted.length === 0 ? {} : { proxies: { trusted } }),
    ...certificateEnd(server, 'client'),
  }
}

/** Shared with STATSZ, which does not name the directory. */
export function jetStreamVarz(sources: MonitorSources): Readonly<Record<string, object>> {
  const facts = sources.jetStream()
  if (facts === undefined) return {}
  return { config: jetStreamConfig(facts), stats: jetStreamStats(facts), limits: {} }
}

export function sumOf({ clients, routes, gateways, leafs }: KindCounts): number {
  return clients + routes + gateways + leafs
}
