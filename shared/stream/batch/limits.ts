/** nats-server's limits of batches, which clients rely on, and the bounds of our own memory. */
import { RECORD_OVERHEAD_BYTES } from '../limits.ts'

export const BATCH_ID_BYTES_MAX = 64
/** A batch that nobody adds to for so long is abandoned. */
export const BATCH_IDLE_MS = 10_000
export const ATOMIC_MESSAGES_MAX = 1_000
/** What the configuration may raise that to: a batch is one transaction, held in memory until then. */
export const ATOMIC_MESSAGES_LIMIT = 100_000
export const ATOMIC_PER_STREAM_MAX = 50
export const ATOMIC_PER_SERVER_MAX = 1_000
export const FAST_PER_STREAM_MAX = 1_000
export const FAST_PER_SERVER_MAX = 50_000
/** Messages between two acknowledgements of a fast batch: at most, and for who names no number. */
export const FLOW_MESSAGES_MAX = 500
export const FLOW_MESSAGES = 10
export const FLOW_MESSAGES_ASKED_MAX = 0xffff

/** What one atomic batch may hold: it is one transaction, and one write of the journal. */
export const ATOMIC_BYTES_MAX = 32 * 1024 * 1024
/** What all atomic batches of a server hold in memory before they are committed. */
export const ATOMIC_STAGED_BYTES_MAX = 128 * 1024 * 1024
/** What a message in a batch takes in memory beside its own bytes. */
export const STAGED_OVERHEAD_BYTES = 512 + RECORD_OVERHEAD_BYTES
