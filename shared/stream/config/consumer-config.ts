/**
 * A consumer's configuration in JetStream's own terms, decoded strictly, defaulted and checked here
 * once. Texts and defaults as in nats-server 2.14 (setConsumerConfigDefaults, checkConsumerCfg).
 */
import { isValidSubject, subsetOf } from '../../subject/index.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { type Decoded, decodeFields } from '../json-fields.ts'
import {
  ACK_PENDING,
  ACK_WAIT_NS,
  DESCRIPTION_BYTES_MAX,
  EPHEMERAL_INACTIVE_NS,
  METADATA_BYTES_MAX,
  NAME_BYTES_MAX,
  NS_PER_MS,
  PRIORITY_TIMEOUT_NS,
  WAITING_PULLS,
  WAITING_PULLS_MAX,
} from '../limits.ts'
import { formatTime } from '../timestamp.ts'
import {
  isAssetName,
  metadataBytes,
  type StreamConfig,
  withoutServerKeys,
} from './stream-config.ts'
import { refuseUnsupportedConsumer } from './unsupported.ts'

const DELIVER_POLICIES = [
  'all',
  'last',
  'new',
  'by_start_sequence',
  'by_start_time',
  'last_per_subject',
] as const
const ACK_POLICIES = ['none', 'all', 'explicit', 'flow_control'] as const
const REPLAY_POLICIES = ['instant', 'original'] as const
const PRIORITY_POLICIES = ['none', 'overflow', 'pinned_client', 'prioritized'] as const

export type DeliverPolicy = (typeof DELIVER_POLICIES)[number]
export type AckPolicy = (typeof ACK_POLICIES)[number]
export type ReplayPolicy = (typeof REPLAY_POLICIES)[number]
export type PriorityPolicy = (typeof PRIORITY_POLICIES)[number]

/** What is `?` is left out when it is zero, empty or false, as on the wire. */
export interface ConsumerConfig {
  readonly durable_name?: string
  readonly name: string
  readonly description?: string
  readonly deliver_policy: DeliverPolicy
  readonly opt_start_seq?: number
  /** RFC 3339. */
  readonly opt_start_time?: string
  readonly ack_policy: AckPolicy
  readonly ack_wait?: number
  readonly max_deliver: number
  readonly backoff?: readonly number[]
  readonly filter_subject?: string
  readonly filter_subjects?: readonly string[]
  readonly replay_policy: ReplayPolicy
  /** Bits per second; push only. */
  readonly rate_limit_bps?: number
  readonly sample_freq?: string
  /** Pull only, and always there then. */
  readonly max_waiting?: number
  readonly max_ack_pending?: number
  readonly flow_control?: boolean
  readonly headers_only?: boolean
  readonly max_batch?: number
  readonly max_expires?: number
  readonly max_bytes?: number
  /** Present: a push consumer. Absent: one that is pulled from. */
  readonly deliver_subject?: string
  readonly deliver_group?: string
  readonly idle_heartbeat?: number
  readonly inactive_threshold?: number
  readonly num_replicas: number
  readonly mem_storage?: boolean
  /** Made by a stream that sources; not listed as a consumer to clients. */
  readonly direct?: boolean
  readonly sourcing?: boolean
  readonly metadata?: Readonly<Record<string, string>>
  /** RFC 3339. */
  readonly pause_until?: string
  readonly priority_groups?: readonly string[]
  /** Left out: none. */
  readonly priority_policy?: Exclude<PriorityPolicy, 'none'>
  readonly priority_timeout?: number
}

const FIELDS = {
  durable_name: 'string',
  name: 'string',
  description: 'string',
  deliver_policy: 'string',
  opt_start_seq: 'uint',
  opt_start_time: 'time',
  ack_policy: 'string',
  ack_wait: 'int',
  max_deliver: 'int',
  backoff: 'ints',
  filter_subject: 'string',
  filter_subjects: 'strings',
  replay_policy: 'string',
  rate_limit_bps: 'uint',
  sample_freq: 'string',
  max_waiting: 'int',
  max_ack_pending: 'int',
  flow_control: 'bool',
  headers_only: 'bool',
  max_batch: 'int',
  max_expires: 'int',
  max_bytes: 'int',
  deliver_subject: 'string',
  deliver_group: 'string',
  idle_heartbeat: 'int',
  inactive_threshold: 'int',
  num_replicas: 'int',
  mem_storage: 'bool',
  direct: 'bool',
  sourcing: 'bool',
  metadata: 'map',
  pause_until: 'time',
  priority_groups: 'strings',
  priority_policy: 'string',
  priority_timeout: 'int',
} as const

export type ConsumerRequest = Decoded<typeof FIELDS>

/** Throws 10025. */
export function decodeConsumerRequest(value: unknown): ConsumerRequest {
  return decodeFields(value, FIELDS, 'ConsumerConfig')
}

/**
 * Defaults and checks, in nats-server's order. `name` is the consumer's, whichever way it was given
 * or made. Throws the row of the error table.
 */
export function consumerConfig(
  request: ConsumerRequest,
  name: string,
  stream: StreamConfig,
): ConsumerConfig {
  checkPull(request)
  const isDurable = (request.durable_name ?? '') !== ''
  checkNames(request, name)
  checkNumbers(request, stream)
  checkFilters(request, stream)
  checkStart(request)
  const ackPolicy = choice(request.ack_policy ?? 'none', ACK_POLICIES, 10181)
  const backoff = request.backoff ?? []
  const inactive = positive(request.inactive_threshold) ?? stream.consumer_limits.inactive_threshold
  const ackPending = maxAckPending(request, ackPolicy, stream)
  const ackWait = backoff[0] ?? (positive(request.ack_wait) || ackWaitOf(ackPolicy))
  const isPush = (request.deliver_subject ?? '') !== ''
  const config: ConsumerConfig = {
    ...(isDurable ? { durable_name: name } : {}),
    name,
    ...optional('description', request.description),
    deliver_policy: choice(request.deliver_policy ?? 'all', DELIVER_POLICIES, 10094),
    ...optional('opt_start_seq', request.opt_start_seq),
    ...(request.opt_start_time === undefined
      ? {}
      : { opt_start_time: formatTime(request.opt_start_time) }),
    ack_policy: ackPolicy,
    ...optional('ack_wait', ackWait),
    max_deliver: positive(request.max_deliver) ?? -1,
    ...(backoff.length > 0 ? { backoff } : {}),
    ...optional('filter_subject', request.filter_subject),
    ...((request.filter_subjects ?? []).length > 0
      ? { filter_subjects: request.filter_subjects ?? [] }
      : {}),
    replay_policy: choice(request.replay_policy ?? 'instant', REPLAY_POLICIES, 10182),
    ...optional('sample_freq', request.sample_freq),
    ...(isPush ? {} : { max_waiting: positive(request.max_waiting) ?? WAITING_PULLS }),
    ...optional('max_ack_pending', ackPending),
    ...optional('headers_only', request.headers_only),
    ...optional('max_batch', positive(request.max_batch)),
    ...optional('max_expires', positive(request.max_expires)),
    ...optional('max_bytes', positive(request.max_bytes)),
    ...optional('inactive_threshold', inactive ?? (isDurable ? undefined : EPHEMERAL_INACTIVE_NS)),
    num_replicas: request.num_replicas ?? 0,
    ...optional('mem_storage', request.mem_storage),
    ...(request.metadata === undefined ? {} : { metadata: withoutServerKeys(request.metadata) }),
    ...pushFields(request),
    ...newerFields(request),
  }
  refuseUnsupportedConsumer(config)
  return config
}

const FIXED: readonly (readonly [keyof ConsumerConfig, string])[] = [
  ['deliver_policy', 'deliver policy can not be updated'],
  ['opt_start_seq', 'start sequence can not be updated'],
  ['opt_start_time', 'start time can not be updated'],
  ['ack_policy', 'ack policy can not be updated'],
  ['replay_policy', 'replay policy can not be updated'],
  ['max_waiting', 'max waiting can not be updated'],
  ['mem_storage', 'storage can not be updated'],
]

/** Throws 10012 when the new configuration changes what may not change. */
export function checkConsumerUpdate(old: ConsumerConfig, config: ConsumerConfig): void {
  for (const [key, problem] of FIXED) {
    if (JSON.stringify(old[key]) !== JSON.stringify(config[key])) {
      throw new JetStreamError(10012, problem)
    }
  }
}

/** The filters in force; none means every message of the stream. */
export function filtersOf(config: ConsumerConfig): readonly string[] {
  return config.filter_subjects ?? (config.filter_subject ? [config.filter_subject] : [])
}

function checkPull(request: ConsumerRequest): void {
  if ((request.deliver_subject ?? '') !== '') return
  if ((request.rate_limit_bps ?? 0) > 0) throw new JetStreamError(10086)
  if ((request.idle_heartbeat ?? 0) > 0) throw new JetStreamError(10088)
  if (request.flow_control) throw new JetStreamError(10089)
  if (request.direct) throw new JetStreamError(10090)
}

function pushFields(request: ConsumerRequest): Partial<ConsumerConfig> {
  return {
    ...optional('rate_limit_bps', request.rate_limit_bps),
    ...optional('flow_control', request.flow_control),
    ...optional('deliver_subject', request.deliver_subject),
    ...optional('deliver_group', request.deliver_group),
    ...optional('idle_heartbeat', positive(request.idle_heartbeat)),
    ...optional('direct', request.direct),
    ...optional('sourcing', request.sourcing),
  }
}

function newerFields(request: ConsumerRequest): Partial<ConsumerConfig> {
  const { pause_until, priority_groups = [] } = request
  const policy = choice(request.priority_policy || 'none', PRIORITY_POLICIES, 10025)
  const isPinned = policy === 'pinned_client'
  const timeout = positive(request.priority_timeout) ?? (isPinned ? PRIORITY_TIMEOUT_NS : undefined)
  return {
    ...(pause_until ? { pause_until: formatTime(pause_until) } : {}),
    ...(priority_groups.length > 0 ? { priority_groups } : {}),
    ...(policy === 'none' ? {} : { priority_policy: policy }),
    ...optional('priority_timeout', timeout),
  }
}

function checkNames(request: ConsumerRequest, name: string): void {
  if (!isAssetName(name)) {
    throw new JetStreamError(
      10052,
      "consumer name can not contain '.', '*', '>', '\\', '/' or white space",
    )
  }
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) throw new JetStreamError(10102, `${NAME_BYTES_MAX}`)
  if (request.durable_name && request.name && request.durable_name !== request.name) {
    throw new JetStreamError(10132)
  }
  if (Buffer.byteLength(request.description ?? '') > DESCRIPTION_BYTES_MAX) {
    throw new JetStreamError(10107, `${DESCRIPTION_BYTES_MAX}`)
  }
  if (metadataBytes(request.metadata ?? {}) > METADATA_BYTES_MAX) {
    throw new JetStreamError(10135, `${METADATA_BYTES_MAX / 1024}KB`)
  }
}

function checkNumbers(request: ConsumerRequest, stream: StreamConfig): void {
  const replicas = request.num_replicas ?? 0
  if (replicas > stream.num_replicas) throw new JetStreamError(10126)
  if (replicas < 0) throw new JetStreamError(10133)
  const backoff = request.backoff ?? []
  if (backoff.some((delay) => delay < 0)) throw new JetStreamError(10184)
  if ((request.ack_wait ?? 0) < 0) throw new JetStreamError(10183)
  const maxDeliver = positive(request.max_deliver)
  if (maxDeliver !== undefined && backoff.length > maxDeliver) throw new JetStreamError(10116)
  const expires = positive(request.max_expires)
  if (expires !== undefined && expires < NS_PER_MS) throw new JetStreamError(10115)
  const waiting = positive(request.max_waiting)
  if (waiting !== undefined && waiting > WAITING_PULLS_MAX) {
    throw new JetStreamError(10012, `max_waiting ${waiting} is above ${WAITING_PULLS_MAX}`)
  }
  const { max_ack_pending = 0, inactive_threshold = 0 } = stream.consumer_limits
  if (max_ack_pending > 0 && (request.max_ack_pending ?? 0) > max_ack_pending) {
    throw new JetStreamError(10121, `${max_ack_pending}`)
  }
  if (inactive_threshold > 0 && (request.inactive_threshold ?? 0) > inactive_threshold) {
    throw new JetStreamError(10153, `${inactive_threshold / NS_PER_MS}ms`)
  }
  const sampling = (request.sample_freq ?? '').replace(/%$/, '')
  if (sampling !== '' && !/^\d+$/.test(sampling)) {
    throw new JetStreamError(10095, `${JSON.stringify(sampling)} is not a whole percentage`)
  }
}

function checkFilters(request: ConsumerRequest, stream: StreamConfig): void {
  const single = request.filter_subject ?? ''
  const several = request.filter_subjects ?? []
  if (single !== '' && several.length > 0) throw new JetStreamError(10136)
  if (several.includes('')) throw new JetStreamError(10139)
  const filters = single === '' ? several : [single]
  for (const [i, filter] of filters.entries()) {
    if (!isValidSubject(filter)) throw new JetStreamError(10052, 'invalid subject')
    const isWithin = filters.some((other, j) => i !== j && subsetOf(filter, other))
    if (isWithin) throw new JetStreamError(10138)
    const isBound = stream.subjects.some(
      (subject) => subsetOf(filter, subject) || subsetOf(subject, filter),
    )
    if (!isBound) throw new JetStreamError(10093)
  }
}

function checkStart(request: ConsumerRequest): void {
  const policy = request.deliver_policy ?? 'all'
  const words = policy.replaceAll('_', ' ')
  const hasSeq = (request.opt_start_seq ?? 0) > 0
  const hasTime = request.opt_start_time !== undefined
  const tooMuch = (start: string): never => {
    const text = `consumer delivery policy is deliver ${words}, but optional start ${start} is also set`
    throw new JetStreamError(10094, text)
  }
  const missing = (start: string): never => {
    const text = `consumer delivery policy is deliver ${words}, but optional ${start} is not set`
    throw new JetStreamError(10094, text)
  }
  if (policy === 'by_start_sequence') {
    if (!hasSeq) missing('start sequence')
  } else if (hasSeq) tooMuch('sequence')
  if (policy === 'by_start_time') {
    if (!hasTime) missing('start time')
  } else if (hasTime) tooMuch('time')
  const hasFilter = (request.filter_subject ?? '') !== '' || request.filter_subjects?.length
  if (policy === 'last_per_subject' && !hasFilter) missing('filter subject')
}

function maxAckPending(
  request: ConsumerRequest,
  policy: AckPolicy,
  stream: StreamConfig,
): number | undefined {
  const asked = request.max_ack_pending ?? 0
  if (asked !== 0) return Math.max(asked, -1)
  const fromStream = stream.consumer_limits.max_ack_pending
  if (fromStream !== undefined && fromStream !== 0) return fromStream
  return policy === 'none' ? undefined : ACK_PENDING
}

function ackWaitOf(policy: AckPolicy): number | undefined {
  return policy === 'none' ? undefined : ACK_WAIT_NS
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined
}

/** Go's omitempty: zero, empty and false are left out. */
function optional<Key extends string, Value extends string | number | boolean>(
  key: Key,
  value: Value | undefined,
): { readonly [K in Key]?: Value } {
  return value ? ({ [key]: value } as { readonly [K in Key]: Value }) : {}
}

function choice<const Value extends string>(
  given: string,
  values: readonly Value[],
  errCode: number,
): Value {
  const found = values.find((value) => value === given)
  if (found === undefined) {
    throw new JetStreamError(errCode, `${JSON.stringify(given)} is none of ${values.join(', ')}`)
  }
  return found
}
