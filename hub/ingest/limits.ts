/** Bytes that one leaf may have on the way at a time; what a welcome grants. */
export const CREDIT_BYTES = 4 * 1024 * 1024
/** Bytes of batches that wait for their commit; beyond them leaves are asked to come back. */
export const UNCOMMITTED_BYTES_MAX = 64 * 1024 * 1024
/** Subjects remembered in both their forms; longer ones are decoded each time. */
export const SUBJECTS_KNOWN_MAX = 16_384
export const SUBJECT_KNOWN_BYTES_MAX = 256
/** What users of other hubs may publish, read and compiled. */
export const STAMPS_KNOWN_MAX = 1_024
/** Hellos that a hub answers per second in each account; thousands of leaves come back at once after an outage. */
export const HELLOS_PER_SECOND_MAX = 500
/** How soon a leaf that was turned away may come back; it adds jitter of its own. */
export const RETRY_BUSY_MS = 1_000
export const RETRY_FULL_MS = 5_000
export const RETRY_FAILED_MS = 30_000
/** How often the hub looks whether what refused batches lack is there now, and how many leaves it then tells. */
export const BLOCKED_LOOK_MS = 500
export const NUDGES_PER_LOOK_MAX = 200
/** Buffers known to be refused, and how long after their last try: a leaf that is there tries each minute. */
export const BLOCKED_MAX = 65_536
export const BLOCKED_KEPT_MS = 10 * 60_000
/** How often a subject that no stream binds may be tried again. */
export const RETRY_REFUSED_MS = 5_000
