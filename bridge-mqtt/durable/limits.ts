const KIB = 1024
const MIB = 1024 * KIB

/** Limits of one account's log and sessions. Those of `DurableLimits` can be given to it; the others are fixed. */
export interface DurableLimits {
  /** Sessions that outlive their connections; one more is refused. */
  readonly sessionsMax: number
  /** What the log may hold; the oldest messages make room, and sessions go on behind them. */
  readonly logBytesMax: number
}

export const DURABLE_DEFAULTS: DurableLimits = {
  sessionsMax: 100_000,
  logBytesMax: 4 * 1024 * MIB,
}

/** Packet identifiers of a session whose client did not say how many it takes. */
export const WINDOW_DEFAULT = 65_535

/** A session expiry of so many seconds is none [MQTT-3.1.2-23]. */
export const NEVER_EXPIRES = 0xffff_ffff

/** Subjects whose interest is remembered, and the longest of them. */
export const KNOWN_SUBJECTS_MAX = 4_096
export const KNOWN_SUBJECT_BYTES = 256

/** From so many filters on a session looks them up in a tree. */
export const FEW_FILTERS_MAX = 8
/** With more it has the tree from the beginning: to make one of so many takes a millisecond or two. */
export const UNPLANTED_FILTERS_MAX = 1_024

/** Messages that wait in memory for sessions that are connected: the newest ones. */
export const RECENT_BYTES_MAX = 4 * MIB
/** Of the newest messages of a log in memory; powers of two. */
export const RECENT_PLACES_MIN = 64
export const RECENT_PLACES_MAX = 16_384
/** Sessions that are asked how far they are before more places are taken: of more none is. */
export const RECENT_READERS_MAX = 64
/** Payloads of those that are short lie together in pieces of memory of this size. */
export const RECENT_SLAB_BYTES = 64 * KIB

/** Sequences that wait for one connected session; with more it reads the log until it has caught up. */
export const READY_MAX = 1_024

/** One read of a session that is behind. */
export const READ_MESSAGES = 1_024
export const READ_BYTES = 256 * KIB
/** When a log that could not be read is tried again. */
export const READ_RETRY_MS = 5_000
/**
 * Sessions that have ended and hand over at a time what they leave. Each waits for two commits and for what it
 * reads; together they read no more for one commit than one alone.
 */
export const HANDING_OVER_MAX = 16
/** Messages that a session had in flight when it ended, and that go to others of its groups in one transaction. */
export const HANDED_OVER_AT_ONCE = 32
/** Messages in flight that are read at once to be sent again. */
export const RESENT_AT_ONCE = 32

/**
 * What sessions that have more to send send together before the sockets have their turn, and the least and the
 * most of one of them: as much as publishers bring in one, or those who read fall behind those who write.
 */
export const TURN_MESSAGES = 4_096
export const TURN_MESSAGES_MIN = 64
export const TURN_MESSAGES_MAX = 2_048

/** Bytes of messages that have an identifier and wait until that is on disk. */
export const OUTGOING_BYTES_MAX = 1 * MIB

/** How long a change that nobody waits for may stay in memory only. */
export const STATE_DELAY_MS = 200
/** When a state that could not be written is tried again; doubled up to the second. */
export const STATE_RETRY_MS = 500
export const STATE_RETRY_MAX_MS = 10_000

/** How long messages that somebody is done with may gather before it is asked who still needs them. */
export const SWEEP_DELAY_MS = 500
/** At so many it is asked at once. */
export const SWEEP_CANDIDATES_MAX = 65_536
/** Messages that a sweep asks about before others have their turn. */
export const SWEEP_TURN_MESSAGES = 512

/** The longest time between two looks at what expires. */
export const EXPIRY_LOOK_MAX_MS = 60_000
/** Sessions that end in one turn. */
export const EXPIRY_TURN_SESSIONS = 64
/** After a start clients have so long to come back before their wills are published, if those say no more. */
export const WILL_RESTART_GRACE_MS = 10_000

/** Members of a shared subscription that are asked whether they have room, beside the chosen one. */
export const SHARED_MEMBERS_ASKED = 8

/** The same trouble of an account is logged at most once in this time. */
export const TROUBLE_INTERVAL_MS = 10_000
