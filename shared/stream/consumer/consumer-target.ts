/** Whom a consumer delivers to, by its configuration. */
import type { ConsumerConfig } from '../config/consumer-config.ts'
import type { DeliveryTarget } from './delivery-target.ts'
import { PullTarget, type PullTargetParts } from './pull/pull-target.ts'
import { PushTarget, type PushTargetParts } from './push/push-target.ts'

export interface TargetParts extends PullTargetParts, PushTargetParts {}

export function targetOf(config: ConsumerConfig, parts: TargetParts): DeliveryTarget {
  return config.deliver_subject === undefined ? new PullTarget(parts) : new PushTarget(parts)
}
