import type { JetStreamFacts, MonitorSources, ProcessFacts } from './facts.ts'
import { nanos, timeText, uptimeText } from './text.ts'

export interface VarzContext {
  readonly nowMs: number
  readonly http: { readonly host: string; readonly port: number; readonly basePath: string }
  readonly requests: Readonly<Record<string, number>>
  readonly process: ProcessFacts
}

/** `/varz`, with nats-server's names. What we do not have is absent or an empty object, as there. */
export function varz(sources: MonitorSources, context: VarzContext): object {
  const server = sources.server()
  const { nowMs, http, process } = context
  return {
    server_id: server.id,
    server_name: server.name,
    version: server.version,
    proto: 1,
    go: '',
    host: server.host,
    port: server.port,
    ...(server.isAuthRequired ? { auth_required: true } : {}),
    max_connections: server.connectionsMax,
    ping_interval: nanos(server.pingIntervalMs),
    ping_max: server.pingsMax,
    http_host: http.host,
    http_port: http.port,
    http_base_path: http.basePath,
    https_port: 0,
    auth_timeout: server.authTimeoutMs / 1000,
    max_control_line: server.controlLineBytesMax,
    max_payload: server.payloadBytesMax,
    max_pending: server.pendingBytesMax,
    cluster: {},
    gateway: {},
    leaf: leaf(sources),
    mqtt: server.mqtt ?? {},
    websocket: server.webSocket === undefined ? {} : { ...server.webSocket, no_tls: true },
    jetstream: jetStream(sources.jetStream()),
    tls_timeout: 2,
    write_deadline: nanos(server.writeDeadlineMs),
    start: timeText(server.startedMs),
    now: timeText(nowMs),
    uptime: uptimeText(nowMs - server.startedMs),
    mem: process.memoryBytes,
    cores: process.cores,
    gomaxprocs: process.cores,
    cpu: process.cpuPercent,
    ...traffic(sources),
    http_req_stats: context.requests,
    config_load_time: timeText(server.startedMs),
    config_digest: '',
  }
}

function traffic(sources: MonitorSources): object {
  const facts = sources.traffic()
  return {
    connections: facts.connections,
    total_connections: facts.connectionsEver,
    routes: 0,
    remotes: 0,
    leafnodes: facts.links,
    in_msgs: facts.inMessages,
    in_bytes: facts.inBytes,
    out_msgs: facts.outMessages,
    out_bytes: facts.outBytes,
    slow_consumers: facts.slowConsumers,
    stale_connections: facts.staleConnections,
    subscriptions: facts.subscriptions,
    slow_consumer_stats: { clients: facts.slowConsumers, routes: 0, gateways: 0, leafs: 0 },
    stale_connection_stats: { clients: facts.staleConnections, routes: 0, gateways: 0, leafs: 0 },
  }
}

function leaf(sources: MonitorSources): object {
  const server = sources.server()
  const remotes = server.remotes.map((remote) => ({
    local_account: remote.account,
    urls: remote.urls,
  }))
  return {
    ...(server.leafNodes ?? {}),
    ...(remotes.length === 0 ? {} : { remotes }),
  }
}

function jetStream(facts: JetStreamFacts | undefined): object {
  if (facts === undefined) return {}
  return { config: jetStreamConfig(facts), stats: jetStreamStats(facts), limits: {} }
}

/** Shared with `/jsz`. Every acknowledged write is synced, hence the interval 0 and `sync_always`. */
export function jetStreamConfig(facts: JetStreamFacts): object {
  return {
    max_memory: 0,
    max_storage: facts.storageBytesMax,
    store_dir: facts.storeDirectory,
    sync_interval: 0,
    sync_always: true,
    ...(facts.domain === '' ? {} : { domain: facts.domain }),
  }
}

export function jetStreamStats(facts: JetStreamFacts): object {
  return {
    memory: 0,
    storage: facts.storageBytes,
    reserved_memory: 0,
    reserved_storage: 0,
    accounts: new Set(Array.from(facts.streams(), (stream) => stream.account)).size,
    ha_assets: 0,
    api: { level: 0, total: facts.apiRequests, errors: facts.apiErrors },
  }
}
