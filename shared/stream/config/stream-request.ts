/** STREAM.CREATE's and STREAM.UPDATE's request as it comes, its fields as on the wire. */
import { canNotUnmarshal, type Decoded, decodeFields } from '../json-fields.ts'
import { SOURCE_FIELD, TRANSFORM_FIELD } from './stream-source.ts'

const FIELDS = {
  name: 'string',
  description: 'string',
  subjects: 'strings',
  retention: { choices: ['limits', 'interest', 'workqueue'], problem: canNotUnmarshal },
  max_consumers: 'int',
  max_msgs: 'int64',
  max_bytes: 'int64',
  max_age: 'duration',
  max_msgs_per_subject: 'int64',
  max_msg_size: 'int32',
  discard: { choices: ['old', 'new'], isCaseless: true, problem: canNotUnmarshal },
  storage: { choices: ['file', 'memory'], problem: canNotUnmarshal },
  num_replicas: 'int',
  no_ack: 'bool',
  duplicate_window: 'duration',
  placement: {
    object: { cluster: 'string', tags: 'strings', preferred: 'string' },
    type: 'Placement',
  },
  mirror: SOURCE_FIELD,
  sources: { ...SOURCE_FIELD, isList: true, isPointers: true },
  compression: {
    choices: ['none', 's2'],
    isText: true,
    problem: () => 'unknown compression algorithm',
  },
  first_seq: 'uint',
  subject_transform: TRANSFORM_FIELD,
  republish: {
    object: { src: 'string', dest: 'string', headers_only: 'bool' },
    type: 'RePublish',
  },
  allow_direct: 'bool',
  mirror_direct: 'bool',
  discard_new_per_subject: 'bool',
  sealed: 'bool',
  deny_delete: 'bool',
  deny_purge: 'bool',
  allow_rollup_hdrs: 'bool',
  consumer_limits: {
    object: { inactive_threshold: 'duration', max_ack_pending: 'int' },
    type: 'StreamConsumerLimits',
  },
  allow_msg_ttl: 'bool',
  subject_delete_marker_ttl: 'duration',
  allow_msg_counter: 'bool',
  allow_atomic: 'bool',
  allow_msg_schedules: 'bool',
  persist_mode: { choices: ['default', 'async'], alsoFirst: [''], problem: canNotUnmarshal },
  allow_batched: 'bool',
  metadata: 'map',
} as const

/** Of a stream's configuration where it stands in another request. */
export const STREAM_CONFIG_FIELDS = { object: FIELDS, type: 'StreamConfig' } as const

const REQUEST_FIELDS = { ...FIELDS, pedantic: 'bool' } as const

/** What a client or a role may ask for: any of the wire's fields. */
export type StreamRequest = Decoded<typeof REQUEST_FIELDS>

/** Throws 10025. */
export function decodeStreamRequest(value: unknown): StreamRequest {
  return decodeFields(value, REQUEST_FIELDS, 'StreamConfigRequest', {
    struct: 'StreamConfig',
    except: ['pedantic'],
  })
}
