import { BROKER_DEFAULTS, type BrokerOptions } from '../broker/index.ts'
import type { CoreConfig } from '../config/index.ts'

/** What no reload changes. */
export interface BrokerIdentity {
  readonly serverId: string
  readonly serverName: string
  readonly hasStore: boolean
  /** The public curve key for auth callouts; '' for none. */
  readonly xkey: string
}

/** A configuration as the broker takes it, at the start and at each reload. */
export function brokerSettings(config: CoreConfig, identity: BrokerIdentity): BrokerOptions {
  const { serverId, serverName, hasStore, xkey } = identity
  const { websocket } = config
  return {
    ...BROKER_DEFAULTS,
    ...advertised(config),
    serverId,
    serverName,
    jetstream: hasStore,
    domain: hasStore ? config.jetstream.domain : '',
    cluster: clusterNameOf(config),
    xkey,
    verifiesTls: config.tls !== undefined && (config.tls.verify || config.tls.verify_and_map),
    tracesProtocol: config.trace,
    supportsHeaders: !config.no_header_support,
    connectionsMax: config.max_connections,
    subscriptionsMax: config.max_subscriptions,
    subscriptionTokensMax: config.max_sub_tokens,
    payloadBytesMax: config.max_payload,
    controlLineBytesMax: config.max_control_line,
    pendingBytesMax: config.max_pending,
    writeDeadlineMs: config.write_deadline,
    dropsForSlowConsumers: config.no_fast_producer_stall,
    pingIntervalMs: config.ping_interval,
    pingsOutMax: config.ping_max,
    authTimeoutMs: config.authorization.timeout,
    closedConnectionsMax: config.max_closed_clients,
    cookies: {
      jwt: websocket?.jwt_cookie ?? '',
      user: websocket?.user_cookie ?? '',
      password: websocket?.pass_cookie ?? '',
      token: websocket?.token_cookie ?? '',
    },
  }
}

/** A region's name, by whichever block names it; '' for a server that stands alone. */
export function clusterNameOf({ cluster, gateway }: CoreConfig): string {
  return cluster?.name || gateway?.name || ''
}

/** INFO sends clients to `client_advertise` where it is set. */
function advertised({ client_advertise, host, port }: CoreConfig): { host: string; port: number } {
  if (client_advertise === '') return { host, port }
  const match = /^(.*?)(?::(\d+))?$/.exec(client_advertise)
  const name = (match?.[1] ?? '').replace(/^\[(.*)\]$/, '$1')
  return { host: name, port: Number(match?.[2] ?? port) }
}
