/** What an account and a server allow as they stand now: updates and reloads change it under streams at work. */
import type { Account } from '../account/index.ts'
import type { JetStreamConfig, JetStreamLimitsConfig } from '../config/index.ts'
import {
  type AccountLimits,
  type BatchLimits,
  DEDUP_IDS_MAX,
  NO_TIER_LIMITS,
  type ServerLimits,
  type StreamEngine,
  type TierLimits,
} from '../stream/index.ts'

type Tiers = ReadonlyMap<string, TierLimits>

/** An account of the file has one tier, one of an operator those of its JWT. */
export class LimitsNow implements AccountLimits {
  readonly server: ServerLimits
  readonly #account: () => Account | undefined
  /** What the tiers were made of: that is replaced as a whole. */
  #source: Account | undefined
  #tiers: Tiers = NO_TIERS

  constructor(account: () => Account | undefined, server: ServerLimits) {
    this.#account = account
    this.server = server
  }

  get tiers(): Tiers {
    const account = this.#account()
    if (account !== this.#source) {
      this.#source = account
      this.#tiers = tiersOf(account)
    }
    return this.#tiers
  }
}

export class ServerLimitsNow implements ServerLimits {
  readonly held = { memory: 0 }
  readonly messageIdsMax = DEDUP_IDS_MAX
  readonly refused = { messageIds: 0 }
  readonly #config: () => JetStreamConfig
  readonly #engines: ReadonlyMap<string, StreamEngine>

  constructor(config: () => JetStreamConfig, engines: ReadonlyMap<string, StreamEngine>) {
    this.#config = config
    this.#engines = engines
  }

  get ackPendingMax(): number {
    return this.#config().limits.max_ack_pending
  }

  get requestBatchMax(): number {
    return this.#config().limits.max_request_batch
  }

  get consumersMax(): number {
    return this.#config().limits.default_max_consumers
  }

  get duplicateWindowMaxNs(): number {
    return this.#config().limits.duplicate_window * NS_PER_MS
  }

  get memoryBytesMax(): number {
    return this.#config().max_mem
  }

  get storageBytesMax(): number {
    return this.#config().max_file
  }

  get apiRequestsMax(): number {
    return this.#config().request_queue_limit
  }

  get apiInfosMax(): number {
    return this.#config().info_queue_limit
  }

  get bufferedMessagesMax(): number {
    return this.#config().max_buffered_msgs
  }

  get bufferedBytesMax(): number {
    return this.#config().max_buffered_size
  }

  get batches(): BatchLimits {
    const { batch } = this.#config().limits
    return {
      perStreamMax: batch.max_inflight_per_stream,
      perServerMax: batch.max_inflight_total,
      messagesMax: batch.max_msgs,
      idleMs: batch.timeout,
    }
  }

  get syncEveryMs(): number {
    return this.#config().sync_interval
  }

  get isStrict(): boolean {
    return this.#config().strict
  }

  reserved(storage: 'file' | 'memory'): number {
    let bytes = 0
    for (const engine of this.#engines.values()) {
      bytes += engine.reservedBytes(storage)
    }
    return bytes
  }
}

const NS_PER_MS = 1_000_000
const NO_TIERS: Tiers = new Map([['', NO_TIER_LIMITS]])

function tierOfFile(limits: JetStreamLimitsConfig): TierLimits {
  const { max_store, mem_max_stream_bytes, disk_max_stream_bytes, ...rest } = limits
  return {
    ...rest,
    max_storage: max_store,
    memory_max_stream_bytes: mem_max_stream_bytes,
    storage_max_stream_bytes: disk_max_stream_bytes,
  }
}

/** What claims leave at 0 is answered as this. */
const NO_LIMIT = -1

function tiersOf(account: Account | undefined): Tiers {
  const storage = account?.claims?.storage
  if (storage === undefined) {
    const limits = account?.config.jetstream_limits
    return limits === undefined ? NO_TIERS : new Map([['', tierOfFile(limits)]])
  }
  return new Map(
    [...storage].map(([name, tier]) => [
      name,
      {
        max_memory: tier.memoryBytes,
        max_storage: tier.diskBytes,
        max_streams: tier.streams,
        max_consumers: tier.consumers,
        max_ack_pending: tier.maxAckPending || NO_LIMIT,
        memory_max_stream_bytes: tier.memoryMaxStreamBytes || NO_LIMIT,
        storage_max_stream_bytes: tier.diskMaxStreamBytes || NO_LIMIT,
        max_bytes_required: tier.maxBytesRequired,
      },
    ]),
  )
}
