/**
 * What an account may take, and whether a stream still has room in it. Limits are read anew each time:
 * updates of an account and reloads change them while its streams are at work. They bind what comes
 * after; what is stored stays. Facts from nats-server 2.15 (jetstream.go, selectLimits, checkLimits).
 */
import type { StreamConfig } from './config/stream-config.ts'
import { JetStreamError } from './jetstream-error.ts'
import { DEDUP_IDS_MAX } from './limits.ts'
import type { StreamTotals } from './stream-totals.ts'

/** What the streams of one tier may take together, keys as on the wire. -1, and mostly 0, is no limit. */
export interface TierLimits {
  readonly max_memory: number
  readonly max_storage: number
  readonly max_streams: number
  /** Of each stream. */
  readonly max_consumers: number
  readonly max_ack_pending: number
  readonly memory_max_stream_bytes: number
  readonly storage_max_stream_bytes: number
  readonly max_bytes_required: boolean
}

/** What a server allows, whoever asks; 0 is no limit. */
export interface ServerLimits {
  readonly ackPendingMax: number
  readonly requestBatchMax: number
  /** Of each stream that has no limit of its own, in an account that has none. */
  readonly consumersMax: number
  readonly duplicateWindowMaxNs: number
  /** What all `max_bytes` of all accounts may sum up to. */
  readonly memoryBytesMax: number
  readonly storageBytesMax: number
  /** What they sum up to now. */
  reserved(storage: StreamConfig['storage']): number
  /** Bytes of messages in memory, of all accounts: whoever stores some counts them here. */
  readonly held: { memory: number }
  /** Requests under way in one account, and those among them that only ask. */
  readonly apiRequestsMax: number
  readonly apiInfosMax: number
  /** What may wait for the disk in one stream. */
  readonly bufferedMessagesMax: number
  readonly bufferedBytesMax: number
  /** Message ids in the duplicate window of each stream, and what all streams refused for want of room there. */
  readonly messageIdsMax: number
  readonly refused: { messageIds: number }
  readonly batches: BatchLimits
  /** How long what is acknowledged may wait for the disk, for streams that do not say; 0: not at all. */
  readonly syncEveryMs: number
  /** Whether requests with fields that nobody knows are refused. */
  readonly isStrict: boolean
}

/** Of batch publishing; 0: as in nats-server. */
export interface BatchLimits {
  readonly perStreamMax: number
  readonly perServerMax: number
  readonly messagesMax: number
  readonly idleMs: number
}

export interface AccountLimits {
  /** `''` alone: one tier for every stream. Otherwise by the number of copies: `R1`, `R3`. */
  readonly tiers: ReadonlyMap<string, TierLimits>
  readonly server: ServerLimits
}

export const NO_TIER_LIMITS: TierLimits = {
  max_memory: -1,
  max_storage: -1,
  max_streams: -1,
  max_consumers: -1,
  max_ack_pending: -1,
  memory_max_stream_bytes: -1,
  storage_max_stream_bytes: -1,
  max_bytes_required: false,
}

export const UNLIMITED: AccountLimits = {
  tiers: new Map([['', NO_TIER_LIMITS]]),
  server: {
    ackPendingMax: 0,
    requestBatchMax: 0,
    consumersMax: 0,
    duplicateWindowMaxNs: 0,
    memoryBytesMax: 0,
    storageBytesMax: 0,
    reserved: () => 0,
    held: { memory: 0 },
    apiRequestsMax: 0,
    apiInfosMax: 0,
    bufferedMessagesMax: 0,
    bufferedBytesMax: 0,
    messageIdsMax: DEDUP_IDS_MAX,
    refused: { messageIds: 0 },
    batches: { perStreamMax: 0, perServerMax: 0, messagesMax: 0, idleMs: 0 },
    syncEveryMs: 0,
    isStrict: true,
  },
}

/** What a stream reserves is judged by. */
export interface Reservation {
  readonly name: string
  readonly num_replicas: number
  readonly max_bytes: number
  readonly max_consumers: number
  /** undefined: not decided yet, and not looked at. */
  readonly storage?: StreamConfig['storage'] | undefined
}

export function tierNameOf(replicas: number): string {
  return `R${Math.max(1, replicas)}`
}

/** The tier that a stream with so many copies is in. Throws 10120. */
export function tierOf(
  { tiers }: AccountLimits,
  replicas: number,
): readonly [name: string, limits: TierLimits] {
  const whole = tiers.get('')
  if (whole !== undefined) return ['', whole]
  const name = tierNameOf(replicas)
  const limits = tiers.get(name)
  if (limits === undefined) throw new JetStreamError(10120)
  return [name, limits]
}

/** Throws 10027 when the account has as many streams as it may. */
export function checkStreamCount(
  limits: AccountLimits,
  { name, num_replicas }: Reservation,
  totals: StreamTotals,
): void {
  const [tier, { max_streams }] = tierOf(limits, num_replicas)
  if (max_streams > 0 && totals.count(tier, name) >= max_streams) throw new JetStreamError(10027)
}

/**
 * Throws 10026, 10028 or 10047.
 * @param before the `max_bytes` that the stream has already
 */
export function checkReservation(
  limits: AccountLimits,
  asked: Reservation,
  totals: StreamTotals,
  before = 0,
): void {
  const { name, num_replicas, max_bytes, max_consumers, storage } = asked
  const [tierName, tier] = tierOf(limits, num_replicas)
  if (max_consumers > 0 && tier.max_consumers > 0 && max_consumers > tier.max_consumers) {
    throw new JetStreamError(10026)
  }
  if (storage === undefined) return
  const isMemory = storage === 'memory'
  const errCode = isMemory ? 10028 : 10047
  const held = Math.max(0, before)
  // A stream without a bound of its own fits where there is any room at all.
  const added = max_bytes < 0 && held === 0 ? 1 : Math.max(0, max_bytes - held)
  const kept = held === 0 ? 0 : Math.min(held, Math.max(0, max_bytes))
  const reserved = kept + totals.reservedBytes(storage, tierName, name)
  const most = isMemory ? tier.max_memory : tier.max_storage
  if (most >= 0 && reserved + added > most) throw new JetStreamError(errCode)
  const { server } = limits
  const serverMost = isMemory ? server.memoryBytesMax : server.storageBytesMax
  if (serverMost > 0 && server.reserved(storage) + added > serverMost) {
    throw new JetStreamError(errCode)
  }
}

/** The sum of what streams say they may grow to, by storage. */
export function reservedBytes(
  streams: Iterable<StreamConfig>,
  storage: StreamConfig['storage'],
  tier = '',
): number {
  let bytes = 0
  for (const config of streams) {
    const isCounted = config.storage === storage && config.max_bytes > 0
    if (isCounted && isInTier(config, tier)) bytes += config.max_bytes
  }
  return bytes
}

export function isInTier({ num_replicas }: StreamConfig, tier: string): boolean {
  return tier === '' || tierNameOf(num_replicas) === tier
}
