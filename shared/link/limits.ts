/** Limits of leaf links. Bytes and milliseconds; what is not named here has no limit. */

/** nats-server bounds the control lines of a leaf link at 16 times those of a client. */
export const CONTROL_LINE_BYTES_MAX = 16 * 4096

/** Arguments of the longest line: one byte each and a blank between. */
export const LINE_ARGUMENTS_MAX = CONTROL_LINE_BYTES_MAX / 2

/** The smallest head room that building a message's control line starts with. */
export const HEAD_BYTES_MIN = 8 * 1024

/** Redial after a failure: decorrelated jitter between the configured delay and this. */
export const BACKOFF_MAX_MS = 30_000

/**
 * A link that stood this long counts as good: when it is cut, its own hub is dialled again within the
 * base. So are the first of those that end sooner; whose links keep ending so has to wait longer.
 */
export const STABLE_AFTER_MS = 1_000
export const SHORT_LINKS_MAX = 2

/** How long to stay away after refusals that a redial cannot mend [leafnode protocol, 8]. */
export const LOOP_WAIT_MS = 30_000
export const SAME_CLUSTER_WAIT_MS = 30_000
export const PERMISSION_WAIT_MS = 30_000
export const DUPLICATE_WAIT_MS = 30_000
export const NAME_TAKEN_WAIT_MS = 30_000
export const AUTHORIZATION_WAIT_MS = 10_000
export const VERSION_WAIT_MS = 5_000

/** A hub may say "come back in N s"; more than this is not believed. */
export const COME_BACK_MAX_S = 3_600

/** Given waits get up to this part on top, or refused leaves come back in step. */
export const WAIT_JITTER = 0.2

/**
 * First INFO and answer to CONNECT. nats-server allows 1 and 2 s, which a radio that has to wake up
 * does not make.
 */
export const FIRST_INFO_TIMEOUT_MS = 5_000
export const CONNECT_INFO_TIMEOUT_MS = 10_000

/** Addresses that one uplink knows: those of its configuration and those its hub has told. */
export const POOL_URLS_MAX = 64

/** The same failure is logged again after this time, with a count. */
export const FAILURE_LOG_INTERVAL_MS = 5 * 60_000

/** Different failures of one outage that are told apart in the log. */
export const FAILURE_REASONS_MAX = 32

/** What the channel may hold of ours. More waits in the link, so that a PING overtakes it. */
export const IN_FLIGHT_BYTES_MAX = 256 * 1024

/** Interest that links which come up are told in one turn of the loop, all together and each: some ms. */
export const INTEREST_PER_TURN = 4_096
export const INTEREST_PER_JOB = 1_024

/** Of that, what is told between two looks at the clock. */
export const INTEREST_PER_LOOK = 16

/** Of what has been counted while an account's interest is: a larger set takes too long to grow. */
export const COUNTED_PER_SET = 16_384

/** Interests of one account in one map, and in how many maps there are the others. */
export const MAP_UNSPLIT_MAX = 65_536
export const MAP_PARTS = 32

/** How often a link looks whether its channel takes more, when the last look brought nothing. */
export const PUMP_INTERVAL_MS = 5

/** A link no slower than this is not taken for dead while its socket's buffer empties. */
export const SLOWEST_BYTES_PER_SECOND = 4 * 1024

/** What a kernel may hold of one connection, as far as the patience for a PONG reckons with it. */
export const KERNEL_BYTES_MAX = 256 * 1024

/** The round trip of a new link is measured once this soon, whatever the traffic. */
export const FIRST_PING_MS = 1_000

/** Of a leaf's name, which appears in logs and refusals. */
export const NAME_LENGTH_MAX = 256

/** How long a slow link may take for what waits for it when this server stops. */
export const DRAIN_MAX_MS = 5_000

/** A closed link has this long to send its last words; a half-open one never would. */
export const CLOSE_GRACE_MS = 1_000

/** Answers of the `withhold` rule that are remembered; beyond it the memory starts anew. */
export const WITHHOLD_CACHE_MAX = 4_096

/** Dropped messages are counted at once, and logged at most this often. */
export const DROP_LOG_INTERVAL_MS = 60_000

/** A leaf that has been here for less than this is not believed to have moved to another hub. */
export const MOVE_MIN_MS = 1_000

/** A TLS handshake of a remote without a `tls` block. */
export const TLS_TIMEOUT_MS = 5_000

/** Reply subjects that a leaf may answer by `allow_responses`. */
export const RESPONSES_MAX = 65_536

/** Connections that have not presented credentials yet. */
export const HANDSHAKES_MAX = 4_096

export interface LinkLimits {
  /** Headers and payload of one message, as INFO `max_payload`. */
  readonly payloadBytesMax: number
  readonly controlLineBytesMax: number
  /**
   * A link that was silent for so long is asked with a PING, and given up when nothing comes within
   * `pongTimeoutMs`: half-open is found within 40 s. nats-server asks every two minutes. An idle link
   * costs some 150 bytes on the wire per interval, 13 MB a month at 30 s; a metered site that has to
   * save them sets two minutes. Only silence is asked about: traffic proves the link by itself.
   */
  readonly pingIntervalMs: number
  readonly pongTimeoutMs: number
  /**
   * Messages that wait for a slow link; more are dropped and counted. As in nats-server a slow leaf
   * link is not cut: it would redial into the same backlog for ever. Live traffic is at most once.
   */
  readonly pendingBytesMax: number
  /** Subjects that one link may subscribe to. */
  readonly subscriptionsMax: number
  /** From accept to a valid CONNECT. */
  readonly authTimeoutMs: number
  /** Attached leaves per server. */
  readonly leavesMax: number
}

export const LINK_LIMITS: LinkLimits = {
  payloadBytesMax: 1024 * 1024,
  controlLineBytesMax: CONTROL_LINE_BYTES_MAX,
  pingIntervalMs: 30_000,
  pongTimeoutMs: 10_000,
  pendingBytesMax: 8 * 1024 * 1024,
  subscriptionsMax: 1_000_000,
  authTimeoutMs: 5_000,
  leavesMax: 65_536,
}

/** The accepting side asks later than the soliciting one, so that on a quiet link only one asks. */
export const ACCEPTOR_PING_FACTOR = 1.5
