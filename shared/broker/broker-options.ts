import { CONTROL_LINE_BYTES_MAX, PAYLOAD_BYTES_MAX } from '../wire/index.ts'

/** What a broker is told once, when it is made. Counts and sizes of 0 mean no limit where it says so. */
export interface BrokerOptions {
  readonly serverId: string
  readonly serverName: string
  /** What INFO says of the listener. */
  readonly host: string
  readonly port: number
  /** INFO `jetstream` and `domain`. */
  readonly jetstream: boolean
  readonly domain: string
  readonly connectionsMax: number
  /** Per connection; 0 means no limit. */
  readonly subscriptionsMax: number
  readonly payloadBytesMax: number
  readonly controlLineBytesMax: number
  /** A client that owes more reading than this is cut off. */
  readonly pendingBytesMax: number
  readonly pingIntervalMs: number
  /** The first PING measures the round trip. */
  readonly firstPingMs: number
  readonly pingsOutMax: number
  readonly authTimeoutMs: number
}

/** nats-server's defaults. */
export const BROKER_DEFAULTS = {
  host: '0.0.0.0',
  port: 4222,
  jetstream: false,
  domain: '',
  connectionsMax: 65_536,
  subscriptionsMax: 0,
  payloadBytesMax: PAYLOAD_BYTES_MAX,
  controlLineBytesMax: CONTROL_LINE_BYTES_MAX,
  pendingBytesMax: 64 * 1024 * 1024,
  pingIntervalMs: 120_000,
  firstPingMs: 2_000,
  pingsOutMax: 2,
  authTimeoutMs: 2_000,
} as const satisfies Partial<BrokerOptions>
