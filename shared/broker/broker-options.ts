import { CONTROL_LINE_BYTES_MAX, PAYLOAD_BYTES_MAX } from '../wire/index.ts'

/**
 * What a broker is told when it is made, and again when the configuration is reloaded. Counts and
 * sizes of 0 mean no limit where it says so.
 */
export interface BrokerOptions {
  readonly serverId: string
  readonly serverName: string
  /** What INFO says of the listener, or of where `client_advertise` sends clients. */
  readonly host: string
  readonly port: number
  /** INFO `jetstream` and `domain`. */
  readonly jetstream: boolean
  readonly domain: string
  /** INFO `cluster`; '' for none. */
  readonly cluster: string
  /** INFO `xkey`: the public curve key for auth callouts; '' for none. */
  readonly xkey: string
  /** What clients say and are told is logged, line by line. */
  readonly tracesProtocol: boolean
  /** INFO `tls_verify`: clients must show a certificate. */
  readonly verifiesTls: boolean
  /** False with `no_header_support`. */
  readonly supportsHeaders: boolean
  /** 0 means no limit; below 0 nobody may connect. */
  readonly connectionsMax: number
  /** Per connection; 0 means no limit. */
  readonly subscriptionsMax: number
  /** Tokens of a subscription's subject; 0 means no limit. */
  readonly subscriptionTokensMax: number
  readonly payloadBytesMax: number
  readonly controlLineBytesMax: number
  /** A client that owes more reading than this is cut off. */
  readonly pendingBytesMax: number
  /** A client that takes nothing for so long is cut off; 0 means never. */
  readonly writeDeadlineMs: number
  /** Publishers are not held up by receivers that are behind: those miss messages in place of it. */
  readonly dropsForSlowConsumers: boolean
  readonly pingIntervalMs: number
  /** The first PING measures the round trip. */
  readonly firstPingMs: number
  readonly pingsOutMax: number
  readonly authTimeoutMs: number
  /** Connections that left and are still shown by monitoring. */
  readonly closedConnectionsMax: number
  /** Names of the cookies that may stand for what a WebSocket's CONNECT leaves out; '' for none. */
  readonly cookies: CookieNames
}

export interface CookieNames {
  readonly jwt: string
  readonly user: string
  readonly password: string
  readonly token: string
}

/** nats-server's defaults. */
export const BROKER_DEFAULTS = {
  host: '0.0.0.0',
  port: 4222,
  jetstream: false,
  domain: '',
  cluster: '',
  xkey: '',
  tracesProtocol: false,
  verifiesTls: false,
  supportsHeaders: true,
  connectionsMax: 65_536,
  subscriptionsMax: 0,
  subscriptionTokensMax: 0,
  payloadBytesMax: PAYLOAD_BYTES_MAX,
  controlLineBytesMax: CONTROL_LINE_BYTES_MAX,
  pendingBytesMax: 64 * 1024 * 1024,
  writeDeadlineMs: 10_000,
  dropsForSlowConsumers: false,
  pingIntervalMs: 120_000,
  firstPingMs: 2_000,
  pingsOutMax: 2,
  authTimeoutMs: 2_000,
  closedConnectionsMax: 10_000,
  cookies: { jwt: '', user: '', password: '', token: '' },
} as const satisfies Partial<BrokerOptions>
