import type { PeerUrl, RemoteUrl, TlsConfig } from '../config/index.ts'
import type { SecureListener, ServerFacts } from './facts.ts'
import { given } from './given.ts'
import { nanos, timeText } from './text.ts'

/** The blocks of `/varz` that repeat the configuration. A block that is not configured is `{}`. */

const DEFAULT_TIMEOUT_S = 2
const HANDSHAKE_DEFAULT_MS = 2_000

export function clusterBlock(server: ServerFacts): object {
  const { config } = server
  const { cluster } = config
  if (cluster === undefined) return {}
  return {
    ...given({ name: cluster.name }),
    addr: cluster.listen.host,
    cluster_port: cluster.listen.port,
    auth_timeout: authTimeout(cluster.authorization),
    ...given({ urls: cluster.routes.map(hostOf) }),
    tls_timeout: tlsTimeout(cluster.tls),
    ...given({ tls_required: cluster.tls !== undefined, tls_verify: cluster.tls !== undefined }),
    ...certificateEnd(server, 'cluster'),
  }
}

export function gatewayBlock(server: ServerFacts): object {
  const { config } = server
  const { gateway } = config
  if (gateway === undefined) return {}
  const gateways = gateway.gateways.map(({ name, urls }) => ({
    name,
    tls_timeout: tlsTimeout(gateway.tls),
    ...given({ urls: urls.map(hostOf) }),
  }))
  return {
    name: gateway.name,
    host: gateway.listen.host,
    port: gateway.listen.port,
    auth_timeout: authTimeout(gateway.authorization),
    tls_timeout: tlsTimeout(gateway.tls),
    ...given({
      tls_required: gateway.tls !== undefined,
      tls_verify: gateway.tls !== undefined,
      advertise: gateway.advertise,
      gateways,
      reject_unknown: gateway.reject_unknown_cluster,
    }),
    ...certificateEnd(server, 'gateway'),
  }
}

export function leafBlock(server: ServerFacts): object {
  const { config, leafNodes } = server
  const { authorization, tls, remotes } = config.leafnodes
  const listens = leafNodes !== undefined
  return {
    ...(listens
      ? {
          ...leafNodes,
          auth_timeout: authTimeout(authorization),
          tls_timeout: tlsTimeout(tls),
          ...given({ tls_required: tls !== undefined, tls_verify: tls?.verify }),
        }
      : {}),
    ...given({
      remotes: remotes.map((remote) => ({
        ...given({
          local_account: remote.account === '$G' ? '' : remote.account,
          tls_timeout: remote.tls === undefined ? 0 : tlsTimeout(remote.tls),
          urls: remote.urls.map(hostOf),
        }),
        ...denied(remote.deny_exports, remote.deny_imports),
      })),
    }),
    ...certificateEnd(server, 'leafnodes'),
  }
}

export function mqttBlock(server: ServerFacts): object {
  const { mqtt: listen } = server
  const { mqtt } = server.config
  if (mqtt === undefined) return {}
  return {
    ...(listen ?? mqtt.listen),
    ...given({
      no_auth_user: mqtt.no_auth_user,
      auth_timeout: mqtt.authorization === undefined ? 0 : authTimeout(mqtt.authorization),
      tls_map: mqtt.tls?.verify_and_map,
    }),
    tls_timeout: tlsTimeout(mqtt.tls),
    ...given({ tls_pinned_certs: mqtt.tls?.pinned_certs }),
    ack_wait: nanos(mqtt.ack_wait),
    max_ack_pending: mqtt.max_ack_pending,
    ...certificateEnd(server, 'mqtt'),
  }
}

export function webSocketBlock(server: ServerFacts): object {
  const { webSocket: listen } = server
  const { websocket } = server.config
  if (websocket === undefined) return {}
  return {
    ...(listen ?? websocket.listen),
    ...given({
      advertise: websocket.advertise,
      no_auth_user: websocket.no_auth_user,
      jwt_cookie: websocket.jwt_cookie,
      handshake_timeout: beyondDefault(websocket.handshake_timeout),
      auth_timeout:
        websocket.authorization === undefined ? 0 : authTimeout(websocket.authorization),
      no_tls: websocket.tls === undefined,
      tls_map: websocket.tls?.verify_and_map,
      tls_pinned_certs: websocket.tls?.pinned_certs,
      same_origin: websocket.same_origin,
      allowed_origins: websocket.allowed_origins,
      compression: websocket.compression,
    }),
    ...certificateEnd(server, 'websocket'),
  }
}

/** Until when the certificate of a listener holds. */
export function certificateEnd(server: ServerFacts, listener: SecureListener): object {
  const endsMs = server.certificateEndsMs(listener)
  return endsMs === undefined ? {} : { tls_cert_not_after: timeText(endsMs) }
}

/** nats-server shows it only when the file names it. */
function beyondDefault(handshakeMs: number): number {
  return handshakeMs === HANDSHAKE_DEFAULT_MS ? 0 : nanos(handshakeMs)
}

function denied(exports: readonly string[], imports: readonly string[]): object {
  const deny = given({ exports, imports })
  return Object.keys(deny).length === 0 ? {} : { deny }
}

function authTimeout(authorization: { readonly timeout: number } | undefined): number {
  return authorization === undefined ? DEFAULT_TIMEOUT_S : authorization.timeout / 1000
}

function tlsTimeout(tls: TlsConfig | undefined): number {
  return tls === undefined ? DEFAULT_TIMEOUT_S : tls.timeout / 1000
}

/** Without what is secret in it. */
function hostOf({ host, port }: PeerUrl | RemoteUrl): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
