import { OUTPUT_HIGH_WATER_BYTES } from '../transport/index.ts'

/** Limits of the router that no configuration changes. */

/** Subjects whose receivers are remembered, per account. */
export const CACHED_SUBJECTS_MAX = 65_536

/** Bytes of remembered subjects, per account. */
export const CACHED_SUBJECT_BYTES_MAX = 8 * 1024 * 1024

/** A longer subject is routed without being remembered. */
export const CACHED_SUBJECT_BYTES = 512

/** Steps of a lookup; colliding subjects beyond are routed without being remembered. */
export const CACHE_PROBES_MAX = 32

/** Remembered subjects that each change of interest looks at, to let go of receivers who are gone. */
export const OUTDATED_ROUTES_SWEPT = 16

/** Subjects seen once that are noted before the notes begin anew; bits of the filter that notes them. */
export const FIRST_SIGHTS_MAX = 131_072
export const FIRST_SIGHT_BITS = 1 << 20

/** A message from another layer up to this size is laid out once for all its receivers. */
export const STAGED_BYTES_MAX = 64 * 1024

/**
 * Publications from within a delivery, one in the other: imports from account to account, and services
 * that answer at once. Each holds a stage. What is nested deeper reaches nobody: it would have no end.
 */
export const NESTED_PUBLICATIONS_MAX = 32

/** Publishers to a receiver with more output than this pending wait for it: the output's high water. */
export const STALL_BYTES = OUTPUT_HIGH_WATER_BYTES

/**
 * They wait this long at a time, and on while the receiver takes so much in that time. A receiver that
 * is slower gets what nats-server gives it: it must not hold up the others, and is cut off in the end.
 */
export const STALL_MS = 10
export const STALL_PROGRESS_BYTES = 64 * 1024

/** Answers of permissions that a connection remembers before it begins anew. */
export const REMEMBERED_PERMISSIONS_MAX = 4_096

/** Reply subjects that `allow_responses` lets a connection publish to at one time. */
export const PERMITTED_REPLIES_MAX = 65_536

/** Lines of the log about what clients did wrong: of each, and of all, per interval. */
export const VIOLATION_LOG_MS = 10_000
export const VIOLATIONS_LOGGED_EACH_MAX = 20
export const VIOLATIONS_LOGGED_MAX = 200

/** Looks at blocked connections per write deadline. */
export const WRITE_LOOKS_PER_DEADLINE = 4

/** Clients of a lame duck are closed no further apart than this. */
export const LAME_DUCK_STEP_MAX_MS = 1_000

/** What takes long goes on for so long before all others have their turn. */
export const TURN_MS = 5

/**
 * Who is in the middle of what it has read gets so much longer for the rest of it: for plain messages that is
 * enough, and spares them a copy and the receivers a write.
 */
export const OVERTIME_MS = 2

/** Work between two looks at the clock that is too much to be had free: so many times the usual. */
export const HEAVY_LOOKS = 4

/** Of work in pieces: what is done at once, however late it is, and then between two looks at the clock. */
export const PIECES_AT_ONCE = 64
export const PIECES_PER_LOOK = 16
