export const HELLO_DEADLINE_MS = 5_000
/** Waits between attempts to reach the home, with jitter between these. */
export const REDIAL_MS = 200
export const REDIAL_MAX_MS = 30_000
/** Waits before a refused record is tried again, growing between these. */
export const REFUSED_RETRY_MS = 5_000
export const REFUSED_RETRY_MAX_MS = 60_000
/** How long a batch may stay unanswered before the session is given up. */
export const ANSWER_DEADLINE_MIN_MS = 5_000
export const ANSWER_DEADLINE_MAX_MS = 60_000
export const ANSWER_DEADLINE_START_MS = 15_000
/** How long batches stay small after one had no answer, before larger ones are tried. */
export const BATCH_RAISE_MS = 600_000

/** Whoever says that a refused record may go in now is believed this often. */
export const RETRY_PAUSE_MS = 250

/** Bytes on the way: where a session starts, and the least that it keeps on the way. */
export const WINDOW_START_BYTES = 64 * 1024
export const WINDOW_MIN_BYTES = 8 * 1024
export const WINDOW_MAX_BYTES = 4 * 1024 * 1024
/** A delay that is above twice the shortest seen by this much is a queue that we have built. */
export const QUEUE_DELAY_MS = 150
/** A delay beyond this is too long for what waits behind it, unless the link itself is so slow. */
export const SLOW_DELAY_MS = 2_000
/** Below this rate a link is slow enough that compressing costs less than sending. */
export const COMPRESS_BELOW_BYTES_PER_S = 1024 * 1024
/** Read from disk ahead of what is sent, per buffer. */
export const READ_AHEAD_BYTES = 1024 * 1024
export const READ_AHEAD_RECORDS = 2_048
/** How long to wait before a read that gave nothing is tried again. */
export const READ_PAUSE_MS = 50

export const REPORT_INTERVAL_MS = 5_000
/** Changes are reported no more often than this. */
export const REPORT_PAUSE_MS = 500
