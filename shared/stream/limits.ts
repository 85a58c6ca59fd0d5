/**
 * The bounds of this folder. The first group is wire format or nats-server's defaults (clients rely
 * on them); the second bounds our own memory.
 */
export const NS_PER_MS = 1_000_000
export const NS_PER_SECOND = 1_000_000_000
/** The greatest double below Go's longest duration, which is 2^63 - 1. */
export const DURATION_NS_MAX = 2 ** 63 - 1024

export const NAME_BYTES_MAX = 255
export const DESCRIPTION_BYTES_MAX = 4096
export const METADATA_BYTES_MAX = 128 * 1024
export const HEADER_BYTES_MAX = 0xffff
export const NAMES_PAGE = 1024
export const LIST_PAGE = 256
/** Subjects that are held against the filter of a list in one turn. */
export const LIST_TURN_SUBJECTS = 16_384
/** Subjects that one stream begins or ceases to capture in one turn, some 5 ms; a source counts for several. */
export const TAKING_STEPS = 2_048
/** A request that is longer lets others have the loop when it was read. */
export const LONG_REQUEST_BYTES = 65_536
export const SUBJECT_DETAILS_PAGE = 100_000
/** Subjects that are put in order in one turn, as runs first and then when runs are put together. */
export const SORT_RUN = 2_048
export const SORT_STEP = 8_192
export const REPLICAS_MAX = 5
export const AGE_MIN_NS = 100 * NS_PER_MS
export const DUPLICATE_WINDOW_NS = 120 * NS_PER_SECOND
export const DUPLICATE_WINDOW_MIN_NS = 100 * NS_PER_MS
export const ACK_WAIT_NS = 30 * NS_PER_SECOND
export const HEARTBEAT_MIN_NS = 100 * NS_PER_MS
/** What `ack_policy: flow_control` comes with, and nothing else. */
export const FLOW_CONTROL_HEARTBEAT_NS = NS_PER_SECOND
export const PRIORITY_TIMEOUT_NS = 120 * NS_PER_SECOND
export const WAITING_PULLS = 512
export const ACK_PENDING = 1000
/** What may be unanswered of a consumer with flow control: at first, and after enough answers. */
export const FLOW_WINDOW_BYTES_MIN = 2 * 1024 * 1024
export const FLOW_WINDOW_BYTES_MAX = 32 * 1024 * 1024
/** What a limited rate may send at once where the stream does not bound its messages. */
export const RATE_BURST_BYTES = 1024 * 1024
export const EPHEMERAL_INACTIVE_NS = 5 * NS_PER_SECOND

/** Streams and consumers in one account, when its limits do not say otherwise. */
export const STREAMS_MAX = 10_000
export const CONSUMERS_PER_STREAM_MAX = 100_000
/** API requests that are under way at one time in an account; more are refused with 10167. */
export const API_REQUESTS_MAX = 10_000
/** What they hold together. */
export const API_REQUEST_BYTES_MAX = 64 * 1024 * 1024
/**
 * How much one request may make us hold subjects against each other: branches that their wildcards open,
 * and sources that streams have of each other. Thousands of subjects need none of it as people write them;
 * what needs more is refused with 10052, where nats-server would go on for minutes.
 */
export const OVERLAP_DETOURS_MAX = 4_000_000
export const SOURCES_FOLLOWED_MAX = 1_000_000
/** Deleted sequences that one STREAM.INFO lists; more are refused with 10117. */
export const DELETED_DETAILS_MAX = 1_000_000
/** Messages looked at in one turn for that. */
export const DETAILS_TURN_MESSAGES = 65_536
/** What a multi-subject direct get may find; more is answered with 413. */
export const DIRECT_SUBJECTS_MAX = 1024
/** What one direct get sends when its request names no less: nats-server's max_pending. */
export const DIRECT_BYTES_MAX = 64 * 1024 * 1024
/** Messages that a batched direct get reads at a time, and the bytes behind which it reads no more. */
export const DIRECT_READ_MESSAGES = 256
export const DIRECT_READ_BYTES = 1024 * 1024
/** Direct gets of one account at a time, and those that wait for their turn; more are refused with 429. */
export const DIRECT_ACTIVE_MAX = 64
export const DIRECT_WAITING_MAX = 10_000
export const DIRECT_WAITING_BYTES_MAX = 16 * 1024 * 1024
/** What is kept of a name in a pull request that waits: longer than any that there may be. */
export const PULL_NAME_CHARS_MAX = 64
/** Backups that one account makes, or takes in, at a time; more are refused with 10167. */
export const SNAPSHOTS_MAX = 32
export const RESTORES_MAX = 32
/** One piece of a backup, and those that are sent and not answered: the defaults, and their bounds. */
export const SNAPSHOT_CHUNK_BYTES = 128 * 1024
export const SNAPSHOT_CHUNK_BYTES_MIN = 1024
export const SNAPSHOT_CHUNK_BYTES_MAX = 1024 * 1024
export const SNAPSHOT_WINDOW_BYTES = 8 * 1024 * 1024
export const SNAPSHOT_WINDOW_BYTES_MAX = 32 * 1024 * 1024
/** How long a backup waits for an answer, and at its beginning for somebody who listens. */
export const SNAPSHOT_ACK_TIMEOUT_MS = 5_000
export const SNAPSHOT_INTEREST_MS = 2_000
/** Damaged messages of a backup that are named. */
export const RESTORE_LOST_NAMED_MAX = 1_000
/** How long a restore waits for its next piece. */
export const RESTORE_STALL_MS = 5_000
/** Pieces of a backup that wait to be taken in; who sends more than that unanswered is refused. */
export const RESTORE_WAITING_BYTES = 64 * 1024 * 1024
/** One entry of a backup: a message, or what is known of one consumer. */
export const RESTORE_ENTRY_BYTES_MAX = 72 * 1024 * 1024
/** Message ids remembered per stream, some 50 bytes each; publishes with further ones are refused while so many are in the window. */
export const DEDUP_IDS_MAX = 10_000_000
/** How often a stream may say that it refuses them. */
export const DEDUP_FULL_TOLD_MS = 60_000
/** From so many on they are spread over so many tables, none of which takes long to grow. */
export const DEDUP_SPREAD_IDS = 4_096
export const DEDUP_SHARDS = 256
/** `max_ack_pending: -1` means this many: what is unacknowledged is kept in memory. */
export const ACK_PENDING_MAX = 65_536
/** `max_waiting` above this is refused. */
export const WAITING_PULLS_MAX = 65_536
/** One read-ahead of one consumer. */
export const READ_AHEAD_MESSAGES = 1024
export const READ_AHEAD_BYTES = 256 * 1024
/** Consumers let others have the loop after so many bytes, all of them together. */
export const DELIVERY_TURN_BYTES = 256 * 1024
/** What each may deliver in a turn that others have used up. */
export const DELIVERY_SHARE_BYTES = 16 * 1024
/** When a consumer that could not read its stream tries again. */
export const READ_RETRY_MS = 1_000
/** A replay at the original pace that is later than this goes on from where it is. */
export const REPLAY_LATENESS_MS = 100
/** How long acknowledgements gather before they are written, when nobody waits for the write. */
export const CONSUMER_STATE_DELAY_MS = 200
/** A write that failed is tried again after twice as long each time, up to so long. */
export const CONSUMER_STATE_RETRY_MAX_MS = 10_000
/** What is longer, for some 300 pending messages, is not written twice each time: an SD card wears out by pages. */
export const CONSUMER_STATE_TWICE_BYTES = 2_048
/** Runs of messages that were delivered as often as allowed, remembered per consumer. */
export const EXHAUSTED_RUNS_MAX = 65_536
/** Messages looked at in one turn for whether somebody still needs them. */
export const SWEEP_TURN_MESSAGES = 4_096
/** A count of pending messages that removals made stale is renewed at most this often. */
export const PENDING_RECOUNT_MS = 100
/** Filters of one consumer or request that are looked at one by one. */
export const FILTERS_APART_MAX = 64
/** Of what a transform makes subjects of: each message goes through all of its functions. */
export const TRANSFORM_CHARS_MAX = 16_384
/** Subjects looked at for `last_per_subject` and for `multi_last`. */
export const LAST_PER_SUBJECT_MAX = 1_000_000
/**
 * What a message counts in `bytes` of its stream, and for what account and stream may hold, beside its subject,
 * headers and payload: nats-server's files have 22 bytes before and 8 behind, and 4 more where there are headers;
 * its memory 16. Our own records take RECORD_OVERHEAD_BYTES.
 */
export const MESSAGE_OVERHEAD = {
  file: { always: 30, withHeaders: 4 },
  memory: { always: 16, withHeaders: 0 },
} as const
export const RECORD_OVERHEAD_BYTES = 48
/**
 * Nodes of all streams' subjects that one request looks at for those that overlap its own; when that does
 * not do, it is held against each stream.
 */
export const CLAIM_VISITS_MAX = 1_000_000
/** Literal subjects whose stream is remembered. */
export const SUBJECT_CACHE_MAX = 16_384
/** Totals of counters remembered per stream; others are read again when they are counted on. */
export const COUNTERS_CACHED_MAX = 65_536
/** What waits in line for a counter to be read, per stream; more is refused with 10167. */
export const INGEST_WAITING_MESSAGES = 10_000
export const INGEST_WAITING_BYTES = 128 * 1024 * 1024
/** Messages that expire in one turn, with what is read of them; the next turn goes on. */
export const EXPIRY_MESSAGES = 1_000
/** Expiry is looked at when the next is due, within these bounds; the clock may be set meanwhile. */
export const EXPIRY_CHECK_MIN_MS = 50
export const EXPIRY_CHECK_MAX_MS = 10_000
/** When expiry or a schedule that the store did not take is tried again. */
export const EXPIRY_RETRY_MS = 1_000
/** Deadlines of messages that are gone are dropped once there are so many, and more than of others. */
export const DEADLINES_PRUNE_MIN = 4_096
/** How long messages of a stream with `persist_mode: async` may wait for the disk; what a stream may ask for. */
export const ASYNC_SYNC_MS = 1_000
export const SYNC_EVERY_MS_MAX = 600_000
/** Schedules that are due fire so many at a time. */
export const SCHEDULES_FIRED = 256

/**
 * A stream may be asked to begin here at most: sequences are whole numbers up to 2^53, and this leaves half of them for
 * what is published. nats-server counts to 2^64.
 */
export const FIRST_SEQ_MAX = 2 ** 52
/** What is restored may have come as far as this: a trillion messages below where numbers end. */
export const RESTORED_SEQ_MAX = 2 ** 53 - 2 ** 40
