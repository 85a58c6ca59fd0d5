/**
 * A consumer's configuration in JetStream's own terms, and the request that it comes from. A request
 * is decoded strictly, defaulted and checked in this folder, once.
 */
import { canNotUnmarshal, type Decoded, decodeFields } from '../json-fields.ts'
import { formatTime } from '../timestamp.ts'
import type { Metadata } from './asset-text.ts'

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

/** What Go clients send as the time that there is none. */
const NO_TIME = formatTime(0)

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
  readonly metadata?: Metadata
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
  deliver_policy: {
    choices: DELIVER_POLICIES,
    alsoFirst: ['undefined'],
    problem: canNotUnmarshal,
  },
  opt_start_seq: 'uint',
  opt_start_time: 'time',
  ack_policy: { choices: ACK_POLICIES, problem: canNotUnmarshal },
  ack_wait: 'duration',
  max_deliver: 'int',
  backoff: 'durations',
  filter_subject: 'string',
  filter_subjects: 'strings',
  replay_policy: { choices: REPLAY_POLICIES, problem: canNotUnmarshal },
  rate_limit_bps: 'uint',
  sample_freq: 'string',
  max_waiting: 'int',
  max_ack_pending: 'int',
  flow_control: 'bool',
  headers_only: 'bool',
  max_batch: 'int',
  max_expires: 'duration',
  max_bytes: 'int',
  deliver_subject: 'string',
  deliver_group: 'string',
  idle_heartbeat: 'duration',
  inactive_threshold: 'duration',
  num_replicas: 'int',
  mem_storage: 'bool',
  direct: 'bool',
  sourcing: 'bool',
  metadata: 'map',
  pause_until: 'time',
  priority_groups: 'strings',
  priority_policy: {
    choices: PRIORITY_POLICIES,
    problem: (json: string) => `unknown priority policy: ${json}`,
  },
  priority_timeout: 'duration',
} as const

/** CONSUMER.CREATE's `action`. */
export type CreateAction = '' | 'create' | 'update'

const CREATE_FIELDS = {
  stream_name: 'string',
  config: { object: FIELDS, type: 'ConsumerConfig' },
  action: {
    choices: ['', 'create', 'update'],
    problem: (json: string) => `unknown consumer action: ${json}`,
  },
  pedantic: 'bool',
} as const

export type ConsumerRequest = Decoded<typeof FIELDS>

/** Throws 10025. */
export function decodeConsumerRequest(value: unknown): ConsumerRequest {
  return decodeFields(value, FIELDS, 'ConsumerConfig')
}

/** The whole of CONSUMER.CREATE. Throws 10025. */
export function decodeCreateRequest(value: unknown) {
  return decodeFields(value, CREATE_FIELDS, 'CreateConsumerRequest')
}

/** The filters in force; none means every message of the stream. */
export function filtersOf({
  filter_subject,
  filter_subjects = [],
}: {
  readonly filter_subject?: string
  readonly filter_subjects?: readonly string[]
}): readonly string[] {
  return filter_subject ? [...filter_subjects, filter_subject] : filter_subjects
}

/** Lists that may be left out, and that Go tells from none when they are given without anything in them. */
const LISTS = ['backoff', 'filter_subjects', 'priority_groups'] as const

/** Which lists a request gives empty: the same configuration to us, and another to nats-server's `create`. */
export function emptyListsOf(request: ConsumerRequest): string {
  return LISTS.filter((name) => request[name]?.length === 0).join()
}

/** The least API level of a server that can do this [jetstream_versioning.go]. */
export function consumerApiLevel(config: ConsumerConfig): number {
  if (config.ack_policy === 'flow_control') return 4
  const { pause_until = NO_TIME, priority_policy, priority_timeout, priority_groups } = config
  const isPaused = pause_until !== NO_TIME
  return isPaused || priority_policy || priority_timeout || priority_groups ? 1 : 0
}
