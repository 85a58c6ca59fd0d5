/** What a consumer has when nothing else is said, in the order of setConsumerConfigDefaults. */
import { JetStreamError } from '../jetstream-error.ts'
import {
  ACK_PENDING,
  ACK_WAIT_NS,
  FLOW_CONTROL_HEARTBEAT_NS,
  PRIORITY_TIMEOUT_NS,
  WAITING_PULLS,
} from '../limits.ts'
import { formatTime } from '../timestamp.ts'
import { keptMetadata, optional } from './asset-text.ts'
import type { ConsumerConfig, ConsumerRequest } from './consumer-config.ts'
import type { ConsumerRules } from './rules.ts'
import type { StreamConfig } from './stream-config.ts'

/**
 * The request with all defaults, not checked yet.
 * @throws 10157 when a pedantic request would be changed
 */
export function withDefaults(
  request: ConsumerRequest,
  name: string,
  stream: StreamConfig,
  rules: ConsumerRules,
  isPedantic: boolean,
): ConsumerConfig {
  const numbers = defaultNumbers(request, stream, rules, isPedantic)
  const { backoff = [], ack_policy = 'none', priority_policy = 'none', pause_until } = request
  const isByFlow = ack_policy === 'flow_control' && !isPedantic
  return {
    ...optional('durable_name', request.durable_name),
    name,
    ...optional('description', request.description),
    deliver_policy: request.deliver_policy ?? 'all',
    ...optional('opt_start_seq', request.opt_start_seq),
    ...(request.opt_start_time === undefined
      ? {}
      : { opt_start_time: formatTime(request.opt_start_time) }),
    ack_policy,
    ...optional('ack_wait', numbers.ackWait),
    max_deliver: numbers.maxDeliver,
    ...(backoff.length > 0 ? { backoff } : {}),
    ...optional('filter_subject', request.filter_subject),
    ...(request.filter_subjects?.length ? { filter_subjects: request.filter_subjects } : {}),
    replay_policy: request.replay_policy ?? 'instant',
    ...optional('rate_limit_bps', request.rate_limit_bps),
    ...optional('sample_freq', request.sample_freq),
    ...optional('max_waiting', numbers.maxWaiting),
    ...optional('max_ack_pending', numbers.ackPending),
    ...optional('flow_control', isByFlow || request.flow_control),
    ...optional('headers_only', request.headers_only),
    ...optional('max_batch', numbers.batch),
    ...optional('max_expires', numbers.expires),
    ...optional('max_bytes', numbers.bytes),
    ...optional('deliver_subject', request.deliver_subject),
    ...optional('deliver_group', request.deliver_group),
    ...optional('idle_heartbeat', isByFlow ? FLOW_CONTROL_HEARTBEAT_NS : numbers.heartbeat),
    ...optional('inactive_threshold', numbers.threshold),
    num_replicas: request.num_replicas ?? 0,
    ...optional('mem_storage', request.mem_storage),
    ...optional('direct', request.direct),
    ...optional('sourcing', request.sourcing),
    ...keptMetadata(request.metadata),
    ...(pause_until === undefined ? {} : { pause_until: formatTime(pause_until) }),
    ...(request.priority_groups?.length ? { priority_groups: request.priority_groups } : {}),
    ...(priority_policy === 'none' ? {} : { priority_policy }),
    ...optional('priority_timeout', numbers.priorityTimeout),
  }
}

type NotNegative =
  | 'max_waiting'
  | 'max_batch'
  | 'max_expires'
  | 'max_bytes'
  | 'idle_heartbeat'
  | 'inactive_threshold'
  | 'priority_timeout'

function defaultNumbers(
  request: ConsumerRequest,
  stream: StreamConfig,
  rules: ConsumerRules,
  isPedantic: boolean,
) {
  const pedantic = (isBroken: boolean, problem: string): void => {
    if (isPedantic && isBroken) throw new JetStreamError(10157, problem)
  }
  const floored = (key: NotNegative): number => {
    pedantic((request[key] ?? 0) < 0, `${key} must not be negative`)
    return Math.max(0, request[key] ?? 0)
  }
  const { max_deliver = 0, max_ack_pending = 0, backoff = [] } = request
  const { ack_policy = 'none', priority_policy } = request
  pedantic(max_deliver < -1, 'max_deliver must be set to -1')
  const maxWaiting = floored('max_waiting')
  pedantic(max_ack_pending < -1, 'max_ack_pending must be set to -1')
  const batch = floored('max_batch')
  const expires = floored('max_expires')
  const bytes = floored('max_bytes')
  const heartbeat = floored('idle_heartbeat')
  const threshold = floored('inactive_threshold')
  const timeout = floored('priority_timeout')
  const isPull = (request.deliver_subject ?? '') === ''
  const isWaiting = ack_policy === 'explicit' || ack_policy === 'all'
  const ackWait = request.ack_wait || (isWaiting ? ACK_WAIT_NS : 0)
  const [firstBackoff = ackWait] = backoff
  pedantic(firstBackoff !== ackWait, 'first backoff value has to equal batch AckWait')
  const limits = stream.consumer_limits
  const { max_ack_pending: streamAcks = 0, inactive_threshold: streamThreshold = 0 } = limits
  const set = "must be set if it's configured in stream limits"
  pedantic(max_ack_pending === 0 && streamAcks > 0, `max_ack_pending ${set}`)
  pedantic(threshold === 0 && streamThreshold > 0, `inactive_threshold ${set}`)
  const needsBatch = isPull && batch === 0 && rules.requestBatchMax > 0
  pedantic(needsBatch, "max_request_batch must be set if it's JetStream limits are set")
  const isPinned = priority_policy === 'pinned_client'
  return {
    maxDeliver: max_deliver > 0 ? max_deliver : -1,
    maxWaiting: maxWaiting === 0 && isPull ? WAITING_PULLS : maxWaiting,
    ackWait: firstBackoff,
    ackPending: Math.max(-1, max_ack_pending) || streamAcks || ackPendingOf(ack_policy, rules),
    batch: needsBatch ? rules.requestBatchMax : batch,
    expires,
    bytes,
    heartbeat,
    threshold: threshold || streamThreshold,
    priorityTimeout: timeout || (isPinned ? PRIORITY_TIMEOUT_NS : 0),
  }
}

function ackPendingOf(policy: string, rules: ConsumerRules): number {
  if (policy === 'none') return 0
  const limits = [rules.ackPendingMax, rules.accountAckPendingMax].filter((limit) => limit > 0)
  return Math.min(ACK_PENDING, ...limits)
}
