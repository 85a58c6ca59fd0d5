/** What a configuration means for the parts of a consumer. */
import type { ConsumerConfig } from '../config/consumer-config.ts'
import { ACK_PENDING_MAX, NS_PER_MS } from '../limits.ts'
import type { AckRules } from './ack-ledger.ts'

/** Whether its configuration and state are on disk: what sources asks for its consumer again itself. */
export function isStored({ mem_storage, direct }: ConsumerConfig): boolean {
  return !mem_storage && !direct
}

export function rulesOf(config: ConsumerConfig): AckRules {
  return {
    policy: config.ack_policy,
    ackWaitMs: config.ack_wait ? config.ack_wait / NS_PER_MS : Number.POSITIVE_INFINITY,
    backoffMs: (config.backoff ?? []).map((ns) => ns / NS_PER_MS),
    maxDeliver: config.max_deliver,
  }
}

export function ackPendingMaxOf(config: ConsumerConfig): number {
  const asked = config.max_ack_pending ?? 0
  return asked > 0 ? Math.min(asked, ACK_PENDING_MAX) : ACK_PENDING_MAX
}

/** How long it may be unused; 0: for ever. */
export function thresholdMsOf(config: ConsumerConfig, hasPending: boolean): number {
  const { inactive_threshold = 0, deliver_subject, ack_wait = 0 } = config
  if (inactive_threshold === 0) return 0
  // What is pending may be worked on: its time to be acknowledged counts as use.
  const isBusy = deliver_subject === undefined && hasPending
  return (inactive_threshold + (isBusy ? ack_wait : 0)) / NS_PER_MS
}
