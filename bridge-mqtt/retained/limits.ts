const KIB = 1024
const MIB = 1024 * KIB

/** Limits of the retained messages of one account, 0: none. Those that are kept stay when a limit is reached. */
export interface RetainedLimits {
  readonly messagesMax: number
  /** Topics, properties and payloads, with some bytes for each message. */
  readonly bytesMax: number
}

export const RETAINED_DEFAULTS: RetainedLimits = {
  messagesMax: 1_000_000,
  bytesMax: 1024 * MIB,
}

/** What one message counts beside its subject, headers and payload. */
export const MESSAGE_OVERHEAD_BYTES = 48

/** One page of a replay ends behind the message that passes this. */
export const PAGE_BYTES = 64 * KIB
/** Filters that match no more than this are looked up by subject; for others the stream is gone through. */
export const FEW_SUBJECTS_MAX = 1_024
/** Messages that are read at once before it is known how large they are. */
export const READ_TOGETHER = 8
/** Pages that are read from disk at a time, for all replays: many thousand clients may come back at once. */
export const PAGES_AT_ONCE = 16
/** Messages that are read together to be listed. */
export const LISTED_AT_ONCE = 256
/** What a replay in memory looks at before others have their turn. */
export const STEPS_IN_TURN = 2_048

/** Messages whose time is over that are taken away before others have their turn, and how long that takes at least. */
export const EXPIRED_AT_ONCE = 1_024
export const EXPIRY_CHECK_MIN_MS = 50
/** Deadlines of messages that are gone are dropped each time that there are twice as many as were left. */
export const DEADLINES_PRUNE_MIN = 4_096
