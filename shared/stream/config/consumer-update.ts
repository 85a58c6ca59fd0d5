/** What an update of a consumer may change, in the order of nats-server's checkNewConsumerConfig. */
import { JetStreamError } from '../jetstream-error.ts'
import type { ConsumerConfig } from './consumer-config.ts'

const FIXED: readonly (readonly [keyof ConsumerConfig, string])[] = [
  ['deliver_policy', 'deliver policy'],
  ['mem_storage', 'storage type'],
  ['direct', 'direct'],
  ['sourcing', 'sourcing'],
  ['opt_start_seq', 'start sequence'],
  ['opt_start_time', 'start time'],
  ['ack_policy', 'ack policy'],
  ['replay_policy', 'replay policy'],
  ['idle_heartbeat', 'heart beats'],
  ['flow_control', 'flow control'],
]

/**
 * @param hasInterest whether somebody listens to a subject
 * @throws 10012 when the new configuration changes what may not change; 10013 when a push consumer
 *   would leave those whom it delivers to
 */
export function checkConsumerUpdate(
  old: ConsumerConfig,
  config: ConsumerConfig,
  hasInterest: (subject: string) => boolean,
): void {
  const fixed = FIXED.find(([key]) => old[key] !== config[key])
  if (fixed !== undefined) throw new JetStreamError(10012, `${fixed[1]} can not be updated`)
  if (old.deliver_subject !== config.deliver_subject) {
    if (old.deliver_subject === undefined) {
      throw new JetStreamError(10012, 'can not update pull consumer to push based')
    }
    if (config.deliver_subject === undefined) {
      throw new JetStreamError(10012, 'can not update push consumer to pull based')
    }
    if (hasInterest(old.deliver_subject)) throw new JetStreamError(10013)
  }
  if (old.max_waiting !== config.max_waiting) {
    throw new JetStreamError(10012, 'max waiting can not be updated')
  }
}
