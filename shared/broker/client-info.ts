import { API_LEVEL, SERVER_VERSION, type ServerInfo } from '../wire/index.ts'
import type { BrokerOptions } from './broker-options.ts'
import type { ClientConnection } from './client-connection.ts'

/** What INFO says of the server, beside its options. */
export interface Announcement {
  readonly port: number
  /** Where else clients can go, `host:port`. */
  readonly connectUrls: readonly string[]
  /** The same for WebSocket clients, who see them in place of the others. */
  readonly webSocketUrls: readonly string[]
  readonly isLameDuck: boolean
  /** Whether the account is the servers' own. */
  isSystemAccount(account: string): boolean
}

/** INFO for one client, in the order of nats-server's fields. What is false or empty is left out. */
export function infoFor(
  connection: ClientConnection,
  options: BrokerOptions,
  announcement: Announcement,
): ServerInfo {
  const { channel, identity, door, handshake, security } = connection
  const isWebSocket = channel.kind === 'websocket'
  const urls = isWebSocket ? announcement.webSocketUrls : announcement.connectUrls
  const isTls = security === 'awaited' || security === 'tls'
  return {
    server_id: options.serverId,
    server_name: options.serverName,
    version: SERVER_VERSION,
    proto: 1,
    go: process.version,
    host: door.host ?? options.host,
    port: door.port ?? announcement.port,
    headers: options.supportsHeaders,
    ...(handshake.authenticator.isRequired ? { auth_required: true } : {}),
    ...(isTls ? { tls_required: true } : {}),
    ...(options.verifiesTls && security !== 'plain' ? { tls_verify: true } : {}),
    ...(security === 'offered' || (isTls && isWebSocket) ? { tls_available: true } : {}),
    max_payload: connection.payloadBytesMax,
    ...(options.jetstream ? { jetstream: true } : {}),
    client_id: connection.id,
    // nats-server leaves it out as well where a PROXY header is still to come.
    ...(door.isProxied && !handshake.hasSaidConnect ? {} : { client_ip: channel.remoteAddress }),
    ...(handshake.nonce === '' || handshake.hasSaidConnect ? {} : { nonce: handshake.nonce }),
    ...(options.cluster === '' ? {} : { cluster: options.cluster }),
    ...(options.domain === '' ? {} : { domain: options.domain }),
    ...(urls.length === 0 ? {} : { connect_urls: urls }),
    ...(announcement.isLameDuck ? { ldm: true } : {}),
    ...(connection.tellsAccount && identity !== undefined
      ? {
          connect_info: true,
          remote_account: identity.account,
          ...(announcement.isSystemAccount(identity.account) ? { acc_is_sys: true } : {}),
        }
      : {}),
    api_lvl: API_LEVEL,
    ...(options.xkey === '' ? {} : { xkey: options.xkey }),
  }
}
