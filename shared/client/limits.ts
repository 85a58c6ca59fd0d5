/** Bytes that wait for a client's handlers; what arrives beyond them is dropped and counted. */
export const PENDING_BYTES_MAX = 64 * 1024 * 1024

/** Requests that wait for an answer at the same time, per client. */
export const REQUESTS_MAX = 65_536
