/** A consumer as CONSUMER.INFO shows it. */
import type { Clock } from '../../runtime/index.ts'
import type { ConsumerConfig } from '../config/consumer-config.ts'
import { formatTime } from '../timestamp.ts'
import type { AckLedger } from './ack-ledger.ts'
import type { DeliveryTarget } from './delivery-target.ts'
import type { Pause } from './pause.ts'

export interface ConsumerFacts {
  readonly clock: Clock
  readonly streamName: string
  readonly config: ConsumerConfig
  readonly createdMs: number
  readonly ledger: AckLedger
  readonly target: DeliveryTarget
  readonly pause: Pause
  /** Messages that are still to be delivered for the first time. */
  readonly remaining: number
  /** Monotonic; undefined: nothing yet. */
  readonly lastDeliveredMs: number | undefined
  readonly lastAckedMs: number | undefined
}

export function infoOf(facts: ConsumerFacts): Record<string, unknown> {
  const { clock, config, ledger, target } = facts
  const { delivered, ackFloor, pending, redelivered } = ledger
  const groups = target.groups?.() ?? []
  return {
    stream_name: facts.streamName,
    name: config.name,
    created: formatTime(facts.createdMs),
    config,
    delivered: {
      consumer_seq: delivered.consumerSeq,
      stream_seq: delivered.streamSeq,
      ...lastActive(clock, facts.lastDeliveredMs),
    },
    ack_floor: {
      consumer_seq: ackFloor.consumerSeq,
      stream_seq: ackFloor.streamSeq,
      ...lastActive(clock, facts.lastAckedMs),
    },
    num_ack_pending: pending.size,
    num_redelivered: redelivered,
    num_waiting: target.waiting,
    num_pending: facts.remaining,
    ...(target.isBound ? { push_bound: true } : {}),
    ...facts.pause.info(),
    ts: formatTime(clock.wallMs()),
    ...(groups.length > 0 ? { priority_groups: groups } : {}),
  }
}

function lastActive(clock: Clock, ms: number | undefined): { last_active?: string } {
  if (ms === undefined) return {}
  const ago = clock.monotonicMs() - ms
  return { last_active: formatTime(clock.wallMs() - ago) }
}
