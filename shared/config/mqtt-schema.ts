/**
 * What one MQTT client, and all clients of an account, may take of the server. Names are those that nats-server,
 * mosquitto and the specification use; a file that says nothing gets what `MQTT_DEFAULTS` says.
 */
import * as v from 'valibot'
import { MQTT_DEFAULTS } from './limits.ts'
import { count, duration, flag, reading, shown, size } from './values.ts'

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB
/** Session Expiry Interval is four bytes of seconds, and all of them set is "never" (MQTT 5, 3.1.2.11.2). */
const EXPIRY_MS_MAX = (2 ** 32 - 2) * 1000
/** Keep Alive and a packet identifier are two bytes. */
const UINT16_MAX = 65_535
const SERVER_REFERENCE_BYTES_MAX = 1_024

/** Other servers, for clients that this one sends away: `host:port`, several of them in a row (MQTT 5, 4.11). */
function serverReference() {
  return reading<string>((input) => {
    const list = Array.isArray(input) ? input : String(input).split(' ')
    const servers = list.filter((server) => server !== '')
    const whole = servers.join(' ')
    const wrong = servers.find((server) => typeof server !== 'string' || !isReference(server))
    if (wrong !== undefined) {
      return { fault: `must be servers like mqtt.example:1883, not ${shown(wrong)}` }
    }
    if (Buffer.byteLength(whole) <= SERVER_REFERENCE_BYTES_MAX) return { value: whole }
    return { fault: `must be at most ${SERVER_REFERENCE_BYTES_MAX} bytes` }
  })
}

/** A host, with a port or without; an IPv6 address in brackets. */
function isReference(server: string): boolean {
  const match = /^(?:\[[0-9a-f:.]+\]|[\p{L}\p{N}._-]+)(?::(\d{1,5}))?$/iu.exec(server)
  if (match === null) return false
  const port = match[1] === undefined ? 1 : Number(match[1])
  return port >= 1 && port <= UINT16_MAX
}

export const MQTT_LIMITS = {
  max_connections: v.optional(count(1, 1_000_000), MQTT_DEFAULTS.max_connections),
  connect_timeout: v.optional(duration(100, 300_000), '10s'),
  max_keepalive: v.optional(duration(0, UINT16_MAX * 1000), '0s'),
  allow_zero_length_clientid: v.optional(flag(), MQTT_DEFAULTS.allow_zero_length_clientid),
  reveal_reasons: v.optional(flag(), MQTT_DEFAULTS.reveal_reasons),
  server_reference: v.optional(serverReference(), ''),
  receive_maximum: v.optional(count(1, UINT16_MAX), MQTT_DEFAULTS.receive_maximum),
  topic_alias_maximum: v.optional(count(0, UINT16_MAX), MQTT_DEFAULTS.topic_alias_maximum),
  max_packet_size: v.optional(size(0, 256 * MIB), MQTT_DEFAULTS.max_packet_size),
  max_subscriptions: v.optional(count(1, 1_000_000), MQTT_DEFAULTS.max_subscriptions),
  max_queued_messages: v.optional(count(1, 10_000_000), MQTT_DEFAULTS.max_queued_messages),
  max_queued_bytes: v.optional(size(64 * KIB, 4 * GIB), MQTT_DEFAULTS.max_queued_bytes),
  max_total_queued_bytes: v.optional(size(MIB), MQTT_DEFAULTS.max_total_queued_bytes),
  max_rate: v.optional(count(0, 10_000_000), MQTT_DEFAULTS.max_rate),
  reject_qos2_publish: v.optional(flag(), MQTT_DEFAULTS.reject_qos2_publish),
  downgrade_qos2_subscribe: v.optional(flag(), MQTT_DEFAULTS.downgrade_qos2_subscribe),
  max_sessions: v.optional(count(1, 10_000_000), MQTT_DEFAULTS.max_sessions),
  max_session_expiry: v.optional(duration(0, EXPIRY_MS_MAX), '0s'),
  max_backlog_bytes: v.optional(size(MIB), MQTT_DEFAULTS.max_backlog_bytes),
  max_retained: v.optional(count(0, 100_000_000), MQTT_DEFAULTS.max_retained),
  max_retained_bytes: v.optional(size(64 * KIB), MQTT_DEFAULTS.max_retained_bytes),
  sys_interval: v.optional(duration(0, 24 * 3_600_000), '10s'),
  scram: v.optional(flag(), MQTT_DEFAULTS.scram),
}

/** Spellings of mosquitto and of the specification. */
export const MQTT_ALIASES = {
  max_clients: 'max_connections',
  max_keep_alive: 'max_keepalive',
  server_keep_alive: 'max_keepalive',
  allow_empty_client_id: 'allow_zero_length_clientid',
  max_topic_alias: 'topic_alias_maximum',
  maximum_packet_size: 'max_packet_size',
  max_inflight_messages: 'max_ack_pending',
  persistent_client_expiration: 'max_session_expiry',
}
