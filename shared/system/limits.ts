/** Time between two STATSZ while somebody listens; it begins short and doubles. nats-server's. */
export const STATSZ_FIRST_MS = 250
export const STATSZ_INTERVAL_MS = 10_000
/** STATSZ that were asked for are sent no closer together. */
export const STATSZ_GAP_MS = 1_000

/** Accounts that somebody is connected to say so again after this time. */
export const CONNECTIONS_HEARTBEAT_MS = 30_000
/** Changes of an account's connections that come together are told together. */
export const CONNECTIONS_DELAY_MS = 100

/**
 * An account's request to all servers takes answers so long. So many of one connection, and of one account,
 * are open at one time: 200 bytes each, and one above is answered with an error.
 */
export const RELAY_MS = 5_000
export const RELAYS_PER_CONNECTION_MAX = 16_384
export const RELAYS_PER_ACCOUNT_MAX = 65_536

/**
 * Requests for reports that wait, as bytes: what they say, and something for each. One above is answered
 * with an error.
 */
export const REQUEST_OVERHEAD_BYTES = 256
export const WAITING_BYTES_PER_ASKER_MAX = 4 * 1024 * 1024
export const WAITING_BYTES_MAX = 64 * 1024 * 1024
/** So many who wait for the same report get it in one turn. */
export const ANSWERS_PER_TURN_MAX = 128

/** Smaller answers are not worth the compression that was asked for. */
export const COMPRESSED_BYTES_MIN = 512
