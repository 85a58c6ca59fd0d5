/** What MQTT clients may take of the server, and what it serves them. Milliseconds and bytes. */
export interface MqttLimitsConfig {
  /** Clients at a time. */
  readonly max_connections: number
  /** How long a connection may take until its CONNECT is complete. */
  readonly connect_timeout: number
  /** The longest Keep Alive; 0: as each client asks. */
  readonly max_keepalive: number
  /** Whether the server names clients that come without an id [MQTT-3.1.3-6]. */
  readonly allow_zero_length_clientid: boolean
  readonly reveal_reasons: boolean
  /** Where clients are sent in lame duck: `host:port`, several in a row; '' for nowhere. */
  readonly server_reference: string
  /** Publishes of one client at QoS 1 and 2 that may be under way. */
  readonly receive_maximum: number
  /** Topic aliases that a client may use; 0: none. */
  readonly topic_alias_maximum: number
  /** The longest packet of a client; 0: what `max_payload` needs. */
  readonly max_packet_size: number
  /** Topic filters of one client. */
  readonly max_subscriptions: number
  /** Unacknowledged deliveries per session. */
  readonly max_ack_pending: number
  /** What waits for one client without a durable session that is behind. */
  readonly max_queued_messages: number
  readonly max_queued_bytes: number
  /** What waits for all of them together, in memory. */
  readonly max_total_queued_bytes: number
  /** Publishes of one client per second; 0: no limit. */
  readonly max_rate: number
  /** Whether clients may not publish at QoS 2, and are granted 1 where they ask for 2. */
  readonly reject_qos2_publish: boolean
  readonly downgrade_qos2_subscribe: boolean
  /** Sessions of one account that outlive their connections. */
  readonly max_sessions: number
  /** How long a session may outlive its connection; 0: as its client asks. */
  readonly max_session_expiry: number
  /** What is stored for the durable sessions of one account. */
  readonly max_backlog_bytes: number
  /** Retained messages of one account; 0: none are kept. */
  readonly max_retained: number
  readonly max_retained_bytes: number
  /** From one report on the topics under `$SYS` to the next; 0: none are made. */
  readonly sys_interval: number
  /** Whether clients may log in by SCRAM-SHA-256. */
  readonly scram: boolean
}
