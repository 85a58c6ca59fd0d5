/** What a client asks for, held against what is there: the account's limits and its other streams. */
import { isDeepStrictEqual } from 'node:util'
import { type AccountLimits, checkReservation, checkStreamCount, tierOf } from './account-limits.ts'
import { AccountRoom } from './account-room.ts'
import { checkFeedFilters } from './config/feed-checks.ts'
import type { StreamRules } from './config/rules.ts'
import { streamConfig } from './config/stream-checks.ts'
import type { StreamConfig } from './config/stream-config.ts'
import type { StreamRequest } from './config/stream-request.ts'
import { refuseReplicas, updatedConfig } from './config/stream-update.ts'
import { JetStreamError } from './jetstream-error.ts'
import { STREAMS_MAX } from './limits.ts'
import type { Stream } from './stream.ts'
import type { StreamTotals } from './stream-totals.ts'

export class StreamJudge {
  /** What the account's streams hold together. */
  readonly room: AccountRoom
  readonly #limits: AccountLimits
  readonly #streams: ReadonlyMap<string, Stream>
  readonly #totals: StreamTotals
  readonly #rules: StreamRules

  constructor(limits: AccountLimits, streams: ReadonlyMap<string, Stream>, totals: StreamTotals) {
    this.room = new AccountRoom(limits)
    this.#limits = limits
    this.#streams = streams
    this.#totals = totals
    this.#rules = {
      get duplicateWindowMaxNs() {
        return limits.server.duplicateWindowMaxNs
      },
      maxBytes: (storage, replicas) => {
        const [, tier] = tierOf(limits, replicas)
        return {
          isRequired: tier.max_bytes_required,
          most: storage === 'memory' ? tier.memory_max_stream_bytes : tier.storage_max_stream_bytes,
        }
      },
      stream: (name) => streams.get(name)?.config,
    }
  }

  /** Streams that the account may have, whoever makes them. Throws 10120. */
  get streamsMax(): number {
    const [, { max_streams }] = tierOf(this.#limits, 1)
    return max_streams > 0 ? Math.min(max_streams, STREAMS_MAX) : STREAMS_MAX
  }

  /** The whole configuration. Throws the row of the error table. */
  configOf(request: StreamRequest): StreamConfig {
    return streamConfig(request, this.#rules)
  }

  /** How long what a stream acknowledges may wait for the disk, when it does not say; 0: not at all. */
  get syncEveryMs(): number {
    return this.#limits.server.syncEveryMs
  }

  /** What is judged before the configuration is looked at. Throws 10026, 10027, 10028, 10047, 10120. */
  checkAsked(request: StreamRequest): void {
    const asked = {
      name: request.name ?? '',
      num_replicas: request.num_replicas ?? 0,
      max_bytes: request.max_bytes ?? 0,
      max_consumers: request.max_consumers ?? 0,
      storage: request.storage,
    }
    checkStreamCount(this.#limits, asked, this.#totals)
    checkReservation(this.#limits, asked, this.#totals)
  }

  /** Returns whether there is such a stream already. Throws 10058 when it is another one. */
  isThere(config: StreamConfig): boolean {
    refuseReplicas(config)
    const existing = this.#streams.get(config.name)
    if (existing === undefined) return false
    if (!isDeepStrictEqual(existing.config, config)) throw new JetStreamError(10058)
    return true
  }

  /** Throws 10026, 10028, 10047, 10049 or 10120. */
  checkNew(config: StreamConfig): void {
    checkReservation(this.#limits, config, this.#totals)
    checkFeedFilters(config)
  }

  /** What an update leads to. Throws as `updatedConfig` and `checkNew`, and 10069. */
  updated(stream: Stream, config: StreamConfig): StreamConfig {
    const old = stream.config
    const updated = updatedConfig(old, config)
    checkReservation(this.#limits, updated, this.#totals, old.max_bytes)
    checkConsumers(stream, old, updated)
    return updated
  }
}

/** Limits that an update sets must hold for the consumers that are there. Throws 10069. */
function checkConsumers(stream: Stream, old: StreamConfig, config: StreamConfig): void {
  const { inactive_threshold = 0, max_ack_pending = 0 } = config.consumer_limits
  const isSet =
    (inactive_threshold > 0 && old.consumer_limits.inactive_threshold !== inactive_threshold) ||
    (max_ack_pending > 0 && old.consumer_limits.max_ack_pending !== max_ack_pending)
  if (!isSet) return
  const beyond = stream.consumers.list().filter(({ config: own }) => {
    const isLong = inactive_threshold > 0 && (own.inactive_threshold ?? 0) > inactive_threshold
    return isLong || (max_ack_pending > 0 && (own.max_ack_pending ?? 0) > max_ack_pending)
  })
  if (beyond.length === 0) return
  const names = beyond.map(({ name }) => name).join(', ')
  throw new JetStreamError(10069, `change to limits violates consumers: ${names}`)
}
