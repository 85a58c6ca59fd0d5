/**
 * The fleet's status as operators and programs read it: `petiole fleet status --json`, `$FLEET.STATUS`
 * and the console. What is not known is null, never 0.
 */
export interface FleetStatus {
  /** ISO 8601, by the hub's clock. */
  readonly as_of: string
  /** Whose leaves these are: those that have their home at this hub, and those attached to it. */
  readonly hub?: string
  readonly leaves: readonly LeafStatus[]
}

/**
 * `offline`: not heard of, its buffers may grow. `refused`: the hub does not take some record, see
 * the buffer's `refused`. `draining`: has a backlog and works on it. `in_sync`: the hub has all.
 */
export type LeafState = 'in_sync' | 'draining' | 'refused' | 'offline'

/** The account that a leaf's link is bound to: left out of the default one's. */
export interface AccountLabel {
  /** In operator mode its id. */
  readonly account?: string
  /** What it is called, where that is not the same. */
  readonly account_name?: string
}

export interface LeafStatus extends AccountLabel {
  readonly name: string
  readonly id: string
  readonly region: string
  readonly state: LeafState
  /** ISO 8601; null when this hub has not heard of it yet. */
  readonly last_seen: string | null
  readonly version: string | null
  /** The hub that keeps its buffers' records; null when it has not come to one yet, or is not known. */
  readonly home: string | null
  /** As it was last told; null when it was not: since this hub started, or by a leaf of before this was told. */
  readonly store: StoreStatus | null
  readonly buffers: readonly BufferStatus[]
}

/** A leaf's store and its disk; since the leaf started, but for what was ever written. */
export interface StoreStatus {
  /** `full` and `failed` refuse what devices send. */
  readonly condition: 'open' | 'full' | 'failed'
  readonly damaged_records: number
  /** Indexes, cards and the identity: damaged, and written again from what says the same. */
  readonly mended_files: number
  readonly quarantine_bytes: number
  readonly disk_bytes: number
  /** What it can still grow by; null when that is not known. */
  readonly free_bytes: number | null
  /** Since the store was made, all that wears the disk. */
  readonly written_bytes: number
  readonly write_amplification: number
}

export interface BufferStatus {
  readonly name: string
  readonly incarnation: string
  /** The first sequence that the leaf still has. */
  readonly first_seq: number | null
  readonly last_seq: number | null
  /** The last sequence that is durable at this hub. */
  readonly synced_seq: number | null
  readonly backlog_msgs: number | null
  readonly backlog_bytes: number | null
  /** ISO 8601; null when nothing waits, or when its time is not known. */
  readonly oldest_unsynced_at: string | null
  /** Dropped by the leaf's quota before they could be sent, over all incarnations. */
  readonly evicted_msgs: number | null
  readonly duplicates_dropped: number | null
  /** Neither at the hub nor dropped by a policy: damaged on a disk, or lost by a restored hub. */
  readonly lost_msgs: number | null
  /** Messages per second into the buffer, and out of it to the hub. */
  readonly in_rate: number | null
  readonly drain_rate: number | null
  /** Seconds until the hub has all, at these rates; null when it does not get there. */
  readonly eta_s: number | null
  /** Why the hub does not take the next record. */
  readonly refused: { readonly subject: string; readonly reason: string } | null
}
