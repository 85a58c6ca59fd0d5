/** The bounds of mirrors and sources; the first group is nats-server's (stream.go). */
import { NS_PER_MS } from '../limits.ts'

export const HEARTBEAT_MS = 1_000
/** A consumer that has said nothing for so long is made anew, and is gone at its own end. */
export const STALL_MS = 10_000
export const ANSWER_MS = 30_000
/** A consumer that somebody else made is only put back to where it was. */
export const RESET_ANSWER_MS = 5_000
/** Between two requests of one feed. */
export const RETRY_LEAST_MS = 2_000
/** For each try in a row that failed. */
export const BACKOFF_MS = 10_000
export const BACKOFF_MAX_MS = 120_000
export const JITTER_MS = 100
/** Requests to origins in one turn of the event loop, of all feeds together; some 5 ms where they are answered here. */
export const ASKS_PER_TURN = 32
/** What beginning or ending a feed counts for, beside a subject that is captured (see TAKING_STEPS). */
export const FEED_STEPS = 8
export const ACK_WAIT_NS = 22 * 3_600_000 * NS_PER_MS
/** A mirror answers for its origin when fewer messages than this are still to come. */
export const CAUGHT_UP_MESSAGES = 10

/** Messages of one feed that are stored together, with the place in the origin that they lead to. */
export const BATCH_MESSAGES = 512
/** What of one feed may be here and not on disk; an origin that heeds flow control sends less. */
export const UNSTORED_BYTES_MAX = 64 * 1024 * 1024
/** A link that came back has so long to show that its consumer is still there. */
export const REVIVAL_MS = 1_300
/** Places of sources that are configured no more, which go on from there should they come back. */
export const PLACES_KEPT = 1_024
