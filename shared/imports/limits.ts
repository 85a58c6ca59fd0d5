/** Limits of imports that no configuration changes. */

/**
 * Answers that one exporting account waits for in the name of one importing account; the oldest of that
 * account is given up for a new one, and nobody else's.
 */
export const PENDING_RESPONSES_PER_IMPORTER_MAX = 32_768

/** How long an answer is waited for where the export does not say; nats-server's default. */
export const RESPONSE_THRESHOLD_MS = 2 * 60_000

/**
 * When a wildcard subscription ends, that many requests are looked through for those that nobody waits
 * for any more. Of more, the rest end by their threshold.
 */
export const ABANDONED_SCAN_MAX = 1_024

/** Accounts that the search for cycles goes through, one in the other; nats-server's bound. */
export const CYCLE_SEARCH_DEPTH_MAX = 1_024

/** Bytes of a `Nats-Request-Info` header that came with a request and are still read. */
export const REQUEST_INFO_BYTES_MAX = 16 * 1024

/** Subjects of a stream import whose names in the importing account are remembered, and how long they are. */
export const REMEMBERED_NAMES_MAX = 256
export const REMEMBERED_NAME_BYTES_MAX = 256

/** Bytes of a request's headers that are read for those which ask for a measurement. */
export const LATENCY_HEADER_BYTES_MAX = 16 * 1024
