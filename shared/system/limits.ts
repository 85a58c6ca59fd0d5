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
 * An account's request to all servers takes answers so long, and so many of one account are open at one time:
 * each makes every server write a report, so this is also how many reports an account gets in that time.
 */
export const RELAY_MS = 5_000
export const RELAYS_PER_ACCOUNT_MAX = 64

/** Smaller answers are not worth the compression that was asked for. */
export const COMPRESSED_BYTES_MIN = 512
