/** Answers of "is this subject buffered" that are remembered; beyond it the memory starts anew. */
export const SUBJECT_CACHE_MAX = 8_192
/** The mark of what is synced is written, and what is synced is purged, this long after a confirmation … */
export const SETTLE_DELAY_MS = 5_000
/** … or when this much of the buffer is confirmed: it bounds the room that synced messages take. */
export const SETTLE_BYTES = 4 * 1024 * 1024
/**
 * Ranges of damaged records that are remembered until they are settled with the hub; beyond it the
 * closest ones are joined, so that what was damaged never counts as dropped by the quota.
 */
export const DAMAGED_RANGES_MAX = 4_096

/** The largest header block that is remembered as sound. */
export const SOUND_HEADERS_BYTES_MAX = 256
