/** Limits of client mode. What an operator sets is in `MqttRemoteConfig`; these are fixed. */

/** The longest wait before a broker is dialled again; waits grow to it from `reconnect`. */
export const BACKOFF_MAX_MS = 60_000

/** A connection that stood so long has not failed: the next wait is a short one again. */
export const STABLE_AFTER_MS = 5_000

/**
 * Publishes of the broker that wait for their commit: at this many nothing more is read. MQTT 5 brokers are
 * told, and send no more at a time (Receive Maximum).
 */
export const INBOUND_UNACKED_MAX = 1_024

/** What a PUBLISH may hold beside the largest payload: a topic and its properties. What is larger is passed over. */
export const PUBLISH_OVERHEAD_BYTES = 256 * 1024

/** Any other packet of a broker. */
export const ANSWER_BYTES_MAX = 128 * 1024

/** What is read from the queue at a time. */
export const PAGE_MESSAGES = 256
export const PAGE_BYTES = 1024 * 1024

/** Topics whose subject is remembered, either way and per remote, and the longest of them. */
export const CACHED_TOPICS_MAX = 4_096
export const CACHED_TOPIC_BYTES = 256

/** Names that a `Petiole-Via` may list: a message that came further goes no further. */
export const VIA_NAMES_MAX = 16
export const VIA_BYTES_MAX = 2_048

/** Longest silence before a PINGREQ, as a part of the keep-alive: it must be heard before that is over. */
export const PING_SHARE = 0.75

/** How long `drain` waits for what is on its way to be stored and acknowledged. */
export const DRAIN_MS = 2_000
