/** Whether a stream has room for one more consumer, and a work queue for its share. Each throws its row of the error table. */
import { SubjectPatterns } from '../../subject/index.ts'
import type { AccountLimits, TierLimits } from '../account-limits.ts'
import { type ConsumerConfig, filtersOf } from '../config/consumer-config.ts'
import { refuseDetours } from '../config/subject-checks.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { CONSUMERS_PER_STREAM_MAX } from '../limits.ts'

interface Existing {
  readonly name: string
  readonly config: ConsumerConfig
}

/** @param count of those that are there or on their way */
export function checkCount(
  count: number,
  maxOfStream: number,
  { max_consumers: maxOfAccount }: TierLimits,
  limits: AccountLimits,
): void {
  const isByAccount = maxOfStream <= 0 || (maxOfAccount > 0 && maxOfAccount < maxOfStream)
  const told = isByAccount ? maxOfAccount : maxOfStream
  const max = told > 0 ? told : limits.server.consumersMax
  if (max > 0 && count >= max) throw new JetStreamError(10026)
  if (count >= CONSUMERS_PER_STREAM_MAX) throw new JetStreamError(10026)
}

export function checkWorkQueue(config: ConsumerConfig, existing: readonly Existing[]): void {
  if (config.direct || config.sourcing) return
  const { ack_policy } = config
  if (ack_policy !== 'explicit' && ack_policy !== 'flow_control') throw new JetStreamError(10098)
  if (config.deliver_policy !== 'all') throw new JetStreamError(10101)
  if (existing.length === 0) return
  if (filtersOf(config).length === 0) throw new JetStreamError(10099)
  checkPartition(config, existing)
}

/** Each message of a work queue is for one consumer. */
export function checkPartition(config: ConsumerConfig, existing: readonly Existing[]): void {
  const ours = new SubjectPatterns(filtersOf(config))
  for (const other of existing) {
    if (other.name === config.name) continue
    const theirs = filtersOf(other.config)
    if (theirs.length === 0) throw new JetStreamError(10100)
    for (const their of theirs) {
      if (ours.overlaps(their)) throw new JetStreamError(10100)
      refuseDetours(ours)
    }
  }
}
