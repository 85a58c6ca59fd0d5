/** Headers that a front door may put on a message of full size, such as MQTT's QoS. */
export const ADDED_HEADERS_BYTES_MAX = 256

/** An account's JWT over HTTP: with hundreds of exports and revocations it has some tens of kilobytes. */
export const ACCOUNT_JWT_BYTES_MAX = 1024 * 1024
