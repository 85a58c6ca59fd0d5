import type { MqttLimitsConfig } from './mqtt-config.ts'

/** Blocks and lists inside one another. Real configurations stay under ten. */
export const NESTING_MAX = 100
/** Files that include one another. */
export const INCLUDE_DEPTH_MAX = 20
/** Files that one configuration may include in all. */
export const INCLUDED_FILES_MAX = 1_000
/** One configuration file. */
export const FILE_BYTES_MAX = 16 * 1024 * 1024
/** Distinct subjects of streams that a server holds in memory, when it is not told, and what it may be told. */
export const SUBJECTS_IN_MEMORY = 10_000_000
export const SUBJECTS_IN_MEMORY_MIN = 1_000
export const SUBJECTS_IN_MEMORY_MAX = 100_000_000
/** Consumers of each stream, where neither it nor its account says; as in nats-server 2.15. */
export const CONSUMERS_PER_STREAM = 1_000
/** How far a misspelt key may be from the key that is suggested for it. */
export const SUGGESTION_DISTANCE_MAX = 3
/** The least that `mqtt.max_packet_size` may say: a CONNECT with its names must pass. */
export const MQTT_PACKET_BYTES_MIN = 1024

/** What MQTT clients may take when the file does not say. */
export const MQTT_DEFAULTS: MqttLimitsConfig = {
  max_connections: 10_000,
  connect_timeout: 10_000,
  max_keepalive: 0,
  allow_zero_length_clientid: true,
  reveal_reasons: true,
  server_reference: '',
  receive_maximum: 1_024,
  topic_alias_maximum: 32,
  max_packet_size: 0,
  max_subscriptions: 10_000,
  max_ack_pending: 1_024,
  max_queued_messages: 1_000,
  max_queued_bytes: 8 * 1024 * 1024,
  max_total_queued_bytes: 256 * 1024 * 1024,
  max_rate: 0,
  reject_qos2_publish: false,
  downgrade_qos2_subscribe: false,
  max_sessions: 100_000,
  max_session_expiry: 0,
  max_backlog_bytes: 1024 * 1024 * 1024,
  max_retained: 1_000_000,
  max_retained_bytes: 1024 * 1024 * 1024,
  sys_interval: 10_000,
  scram: true,
}
