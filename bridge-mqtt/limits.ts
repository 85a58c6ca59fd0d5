import { OUTPUT_HIGH_WATER_BYTES } from '../shared/transport/index.ts'

/** Limits of the MQTT front door. Those of `MqttLimits` can be given to it; the others are fixed. */
export interface MqttLimits {
  /** Connections at a time; one more gets CONNACK 3. */
  readonly clientsMax: number
  /** How long a connection may take until its CONNECT is complete. */
  readonly connectTimeoutMs: number
  /** The longest keep alive of a client; 0: as it asks. */
  readonly keepAliveMaxMs: number
  /** Whether a client may come without an identifier and be given one. */
  readonly allowsEmptyClientId: boolean
  /** Where MQTT 5 clients are sent in lame duck, as DISCONNECT names it; empty: nowhere. */
  readonly serverReference: string
  /** Topic aliases of one client. */
  readonly topicAliasMax: number
  /** The longest packet; 0: what `max_payload` needs. */
  readonly packetBytesMax: number
  /** The highest QoS of a publish. */
  readonly publishQosMax: number
  /** How long a session outlives its connection at most; 0: as its client asks. */
  readonly sessionExpiryMaxMs: number
  /** Retained messages of an account; 0: none are kept. */
  readonly retainedMax: number
  /** Filters that one client may be subscribed to; the next one is answered 0x80. */
  readonly filtersPerClientMax: number
  /**
   * Publishes of one client at QoS 1 and 2 that are not seen to their end: told to MQTT 5, which keeps to
   * it; before, at this many that wait for their commit the input is paused.
   */
  readonly inboundUnackedMax: number
  /** Messages and bytes that wait for one slow QoS 1 subscriber; the newest beyond are dropped. */
  readonly queuedMessagesMax: number
  readonly queuedBytesMax: number
  /** A publish that could not be stored closes its connection after this, to slow the retries down. */
  readonly refusedCloseMs: number
  /** How long `drain` waits for commits that are on their way. */
  readonly drainMs: number
}

export const DEFAULT_LIMITS: MqttLimits = {
  clientsMax: 10_000,
  connectTimeoutMs: 10_000,
  keepAliveMaxMs: 0,
  allowsEmptyClientId: true,
  serverReference: '',
  topicAliasMax: 32,
  packetBytesMax: 0,
  publishQosMax: 2,
  sessionExpiryMaxMs: 0,
  retainedMax: 1_000_000,
  filtersPerClientMax: 10_000,
  inboundUnackedMax: 1_024,
  queuedMessagesMax: 1_000,
  queuedBytesMax: 8 * 1024 * 1024,
  refusedCloseMs: 1_000,
  drainMs: 5_000,
}

/**
 * Output that waits for one slow subscriber: above this QoS 0 is dropped and QoS 1 is queued. It is the
 * channel's high-water mark, so that its drain is told.
 */
export const DELIVERY_PENDING_BYTES_MAX = OUTPUT_HIGH_WATER_BYTES

/**
 * Deliveries stop far below this, so only answers to a client that sends and never reads get here:
 * its input is then paused.
 */
export const ANSWERS_PENDING_BYTES_MAX = 4 * OUTPUT_HIGH_WATER_BYTES

/**
 * A CONNECT may be this long: its five fields of 64 KiB at most are never all used, and who is not
 * known yet must not fill the memory.
 */
export const CONNECT_BYTES_MAX = 128 * 1024

/** A subject must fit into one control line of 4,096 bytes on its way to other servers. */
export const SUBJECT_BYTES_MAX = 3_584

/** Topics (and, the other way, subjects) whose translation is remembered, and the longest of them. */
export const CACHED_TOPICS_MAX = 16_384
export const CACHED_TOPIC_BYTES = 256

/** Entries of an acknowledgement ring: there are no more packet identifiers than that. */
export const UNACKED_RING_MAX = 65_536

/** A clean connection closes when nothing came for this many keep-alive intervals [MQTT-3.1.2-24]. */
export const KEEP_ALIVE_GRACE = 1.5

/** The same notice is logged at most once in this time. */
export const NOTICE_INTERVAL_MS = 10_000

/** What a packet may hold beside a payload: the fixed header, the longest topic, an identifier. */
export const PACKET_OVERHEAD_BYTES = 5 + 2 + 65_535 + 2

/** Connections beyond `clientsMax`: room for those whose CONNECT has not come yet. */
export const STRANGERS_MAX = 1_000

/** Of each client with a filter wider than it may receive: subjects whose answer is remembered. */
export const RECEIVABLE_SUBJECTS_MAX = 256
export const RECEIVABLE_SUBJECT_BYTES = 256
