/** Headers that a front door may put on a message of full size, such as MQTT's QoS. */
export const ADDED_HEADERS_BYTES_MAX = 256

/** Accounts with streams on disk that are asked for at one time, at the start. */
export const ACCOUNTS_ASKED_MAX = 32

/** How often what is left of accounts that are gone is looked at, as long as there is something. */
export const GONE_ACCOUNTS_LOOK_MS = 10_000

/** An account's JWT over HTTP: with hundreds of exports and revocations it has some tens of kilobytes. */
export const ACCOUNT_JWT_BYTES_MAX = 1024 * 1024
