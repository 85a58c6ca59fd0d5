/** Limits of the links between hubs. Bytes and milliseconds; what is not named here has no limit. */

/** Hubs that one hub is linked with: each keeps a link to every other. */
export const PEERS_MAX = 256

/** Connections that have not proven who they are yet. */
export const HANDSHAKES_MAX = 256

/** A line before a peer is known, and after. The second holds any interest and any message's head. */
export const HELLO_LINE_BYTES_MAX = 64 * 1024
export const LINE_BYTES_MAX = 1024 * 1024

/**
 * Account, subject and queue of one interest; what is longer is not told. Twice what fits the longest line
 * that a leaf may send, so that all that comes from there is.
 */
export const INTEREST_BYTES_MAX = 128 * 1024

/** What may wait for a peer that is being told of the interest that there is; more follows later. */
export const INTEREST_PENDING_MAX = 256 * 1024

/** Queue groups that one message names to one hub; more are served by further messages. */
export const QUEUES_MAX = 50

/** Accounts whose names a parser remembers as text; beyond it the memory starts anew. */
export const ACCOUNT_NAMES_MAX = 65_536

/** Of a server's name, its region's and its version: they appear in logs and refusals. */
export const NAME_LENGTH_MAX = 256
export const ADDRESS_LENGTH_MAX = 300

/** Addresses of one kind that a hub tells for its clients and leaves. */
export const URLS_MAX = 64

/** Redial after a failure: decorrelated jitter between these two. */
export const REDIAL_BASE_MS = 250
export const REDIAL_MAX_MS = 15_000

/** An address that turned out to be our own is tried again: a name may lead to another hub next time. */
export const SELF_WAIT_MS = 60_000

/** A refusal that a redial does not mend by itself: wrong port, wrong region, taken name, credentials. */
export const REFUSED_WAIT_MS = 5_000

/** Of two hubs that hear of each other the one with the smaller id dials; the other one after this time. */
export const GOSSIP_PATIENCE_MS = 1_000

/** A hub that nobody configured is dialled no more when it was out of reach for so long. */
export const FORGET_AFTER_MS = 10 * 60_000

/** The same failure of one address is logged the first time and then once in so many, as nats-server. */
export const FAILURES_PER_LOG = 120

/** Earlier starts of a hub that are remembered, to tell a restart from a copy of its store directory. */
export const BOOTS_MAX = 16

/** A link whose peer says it is new is asked whether it still stands, and has this long to say so. */
export const PROBE_TIMEOUT_MS = 2_000

/** A closed link has this long to send its last words; a half-open one never would. */
export const CLOSE_GRACE_MS = 1_000

export interface PeerLimits {
  readonly payloadBytesMax: number
  readonly dialTimeoutMs: number
  /** From the connection to the end of the handshake. */
  readonly handshakeTimeoutMs: number
  /** Asked whatever the traffic, since the round trip decides which region is near. */
  readonly pingIntervalMs: number
  /** Nothing heard since a PING for so long: the peer is gone. */
  readonly pongTimeoutMs: number
  /** Messages beyond it are not waited for: the link is cut, and dialled again. */
  readonly pendingBytesMax: number
  /** Bytes that wait and none of which leaves for so long: the same. */
  readonly writeDeadlineMs: number
  /** Subjects that one peer may be interested in, over all accounts. */
  readonly subscriptionsMax: number
  /** Accounts that one peer may be interested in. */
  readonly accountsMax: number
}

export const PEER_LIMITS: PeerLimits = {
  payloadBytesMax: 1024 * 1024,
  dialTimeoutMs: 2_000,
  handshakeTimeoutMs: 5_000,
  pingIntervalMs: 10_000,
  pongTimeoutMs: 5_000,
  pendingBytesMax: 64 * 1024 * 1024,
  writeDeadlineMs: 10_000,
  subscriptionsMax: 2_000_000,
  accountsMax: 65_536,
}
