/**
 * A stream's configuration in JetStream's own terms: keys as on the wire, durations in nanoseconds.
 * A request is decoded strictly, defaulted and checked here once; all other code takes the whole
 * `StreamConfig`. Texts and defaults as in nats-server 2.14 (checkStreamCfg).
 */
import { isValidSubject, overlaps, subsetOf } from '../../subject/index.ts'
import { JetStreamError, notSupported } from '../jetstream-error.ts'
import { type Decoded, decodeFields, isObject } from '../json-fields.ts'
import {
  AGE_MIN_NS,
  DESCRIPTION_BYTES_MAX,
  DUPLICATE_WINDOW_MIN_NS,
  DUPLICATE_WINDOW_NS,
  METADATA_BYTES_MAX,
  NAME_BYTES_MAX,
  REPLICAS_MAX,
} from '../limits.ts'

export interface StreamConfig {
  readonly name: string
  readonly description?: string
  readonly subjects: readonly string[]
  readonly retention: 'limits'
  readonly max_consumers: number
  readonly max_msgs: number
  readonly max_bytes: number
  readonly max_age: number
  readonly max_msgs_per_subject: number
  readonly max_msg_size: number
  readonly discard: 'old' | 'new'
  /** `memory` is kept in the journal too: it outlives a restart, which no reader minds. */
  readonly storage: 'file' | 'memory'
  readonly num_replicas: 1
  readonly no_ack?: boolean
  readonly duplicate_window: number
  readonly compression: 'none'
  readonly allow_direct: boolean
  readonly mirror_direct: boolean
  readonly discard_new_per_subject?: boolean
  readonly sealed: boolean
  readonly deny_delete: boolean
  readonly deny_purge: boolean
  readonly allow_rollup_hdrs: boolean
  readonly consumer_limits: ConsumerLimits
  readonly allow_msg_ttl: false
  readonly metadata?: Readonly<Record<string, string>>
}

export interface ConsumerLimits {
  readonly inactive_threshold?: number
  readonly max_ack_pending?: number
}

const FIELDS = {
  name: 'string',
  description: 'string',
  subjects: 'strings',
  retention: 'string',
  max_consumers: 'int',
  max_msgs: 'int',
  max_bytes: 'int',
  max_age: 'int',
  max_msgs_per_subject: 'int',
  max_msg_size: 'int',
  discard: 'string',
  storage: 'string',
  num_replicas: 'int',
  no_ack: 'bool',
  duplicate_window: 'int',
  placement: 'json',
  mirror: 'json',
  sources: 'json',
  compression: 'string',
  first_seq: 'uint',
  subject_transform: 'json',
  republish: 'json',
  allow_direct: 'bool',
  mirror_direct: 'bool',
  discard_new_per_subject: 'bool',
  sealed: 'bool',
  deny_delete: 'bool',
  deny_purge: 'bool',
  allow_rollup_hdrs: 'bool',
  consumer_limits: 'json',
  allow_msg_ttl: 'bool',
  subject_delete_marker_ttl: 'int',
  allow_msg_counter: 'bool',
  allow_atomic: 'bool',
  allow_msg_schedules: 'bool',
  persist_mode: 'string',
  allow_batched: 'bool',
  metadata: 'map',
  pedantic: 'bool',
} as const

const CONSUMER_LIMIT_FIELDS = { inactive_threshold: 'int', max_ack_pending: 'int' } as const

/** What a client or a role may ask for: any of the wire's fields. */
export type StreamRequest = Decoded<typeof FIELDS>

/** Throws 10025. */
export function decodeStreamRequest(value: unknown): StreamRequest {
  return decodeFields(value, FIELDS, 'StreamConfigRequest')
}

/** Defaults and checks. Throws 10052, 10074 or 10157. */
export function streamConfig(request: StreamRequest): StreamConfig {
  const name = checkName(request.name ?? '')
  refuseUnsupported(request)
  checkTexts(request)
  const maxAge = checkAge(request.max_age ?? 0)
  const config: StreamConfig = {
    name,
    ...(request.description ? { description: request.description } : {}),
    subjects: checkSubjects(request.subjects ?? [], name, request.no_ack === true),
    retention: 'limits',
    max_consumers: limit(request, 'max_consumers'),
    max_msgs: limit(request, 'max_msgs'),
    max_bytes: limit(request, 'max_bytes'),
    max_age: maxAge,
    max_msgs_per_subject: limit(request, 'max_msgs_per_subject'),
    max_msg_size: limit(request, 'max_msg_size'),
    discard: choice(request.discard ?? 'old', ['old', 'new'], 'invalid discard policy'),
    storage: choice(request.storage ?? 'file', ['file', 'memory'], 'invalid storage type'),
    num_replicas: checkReplicas(request.num_replicas ?? 1),
    ...(request.no_ack ? { no_ack: true } : {}),
    duplicate_window: duplicateWindow(request, maxAge),
    compression: 'none',
    allow_direct: request.allow_direct ?? false,
    mirror_direct: request.mirror_direct ?? false,
    ...(request.discard_new_per_subject ? { discard_new_per_subject: true } : {}),
    sealed: request.sealed ?? false,
    deny_delete: request.deny_delete ?? false,
    deny_purge: request.deny_purge ?? false,
    allow_rollup_hdrs: request.allow_rollup_hdrs ?? false,
    consumer_limits: consumerLimits(request.consumer_limits),
    allow_msg_ttl: false,
    ...(request.metadata === undefined ? {} : { metadata: withoutServerKeys(request.metadata) }),
  }
  checkCombinations(config)
  return config
}

/** The configuration that an update leads to. Throws 10052 when something may not change. */
export function updatedConfig(old: StreamConfig, config: StreamConfig): StreamConfig {
  if (config.storage !== old.storage)
    refuse('stream configuration update can not change storage type')
  if (old.sealed && !config.sealed) {
    refuse('stream configuration update can not unseal a sealed stream')
  }
  if (old.deny_delete && !config.deny_delete) {
    refuse('stream configuration update can not cancel deny message deletes')
  }
  if (old.deny_purge && !config.deny_purge) {
    refuse('stream configuration update can not cancel deny purge')
  }
  if (!config.sealed) return config
  return {
    ...config,
    max_age: 0,
    discard: 'new',
    deny_delete: true,
    deny_purge: true,
    allow_rollup_hdrs: false,
  }
}

/** Metadata as a client gave it: `_nats.*` is what a server adds to its answers. */
export function withoutServerKeys(
  metadata: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(metadata).filter(([key]) => !key.startsWith('_nats.')))
}

/** Whether a stream or consumer may have this name. */
export function isAssetName(name: string): boolean {
  return name !== '' && !/[.*>\s/\\]/.test(name)
}

function checkName(name: string): string {
  if (!isAssetName(name)) {
    refuse("stream name is required and can not contain '.', '*', '>', '\\', '/'")
  }
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) {
    refuse(`stream name is too long, maximum allowed is ${NAME_BYTES_MAX}`)
  }
  return name
}

/** Later versions honour these; until then a request that relies on one is told so. */
function refuseUnsupported(request: StreamRequest): void {
  const { retention = 'limits', compression = 'none', persist_mode = 'default' } = request
  choice(retention, ['limits', 'interest', 'workqueue'], 'invalid retention')
  choice(compression, ['none', 's2'], 'invalid compression')
  const asked: readonly (readonly [boolean, string])[] = [
    [retention !== 'limits', `retention ${retention}`],
    [request.mirror !== undefined, 'a mirror'],
    [Array.isArray(request.sources) && request.sources.length > 0, 'sourcing from other streams'],
    [request.placement !== undefined, 'placement'],
    [compression !== 'none', `compression ${compression}`],
    [(request.first_seq ?? 0) > 1, 'first_seq'],
    [request.subject_transform !== undefined, 'subject_transform'],
    [request.republish !== undefined, 'republish'],
    [request.allow_msg_ttl === true, 'allow_msg_ttl'],
    [(request.subject_delete_marker_ttl ?? 0) !== 0, 'subject_delete_marker_ttl'],
    [request.allow_msg_counter === true, 'allow_msg_counter'],
    [request.allow_atomic === true, 'allow_atomic'],
    [request.allow_msg_schedules === true, 'allow_msg_schedules'],
    [request.allow_batched === true, 'allow_batched'],
    [persist_mode !== 'default' && persist_mode !== '', `persist_mode ${persist_mode}`],
  ]
  for (const [isAsked, feature] of asked) if (isAsked) throw notSupported(10052, feature)
}

function checkTexts(request: StreamRequest): void {
  if (Buffer.byteLength(request.description ?? '') > DESCRIPTION_BYTES_MAX) {
    refuse(`stream description is too long, maximum allowed is ${DESCRIPTION_BYTES_MAX}`)
  }
  if (metadataBytes(request.metadata ?? {}) > METADATA_BYTES_MAX) {
    refuse(`stream metadata exceeds maximum size of ${METADATA_BYTES_MAX} bytes`)
  }
}

export function metadataBytes(metadata: Readonly<Record<string, string>>): number {
  let bytes = 0
  for (const [key, value] of Object.entries(metadata)) {
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value)
  }
  return bytes
}

function checkSubjects(
  given: readonly string[],
  name: string,
  isNoAck: boolean,
): readonly string[] {
  const subjects = given.length === 0 ? [name] : given
  for (const [i, subject] of subjects.entries()) {
    if (!isValidSubject(subject)) refuse(`invalid subject ${JSON.stringify(subject)}`)
    const others = subjects.slice(i + 1)
    if (others.includes(subject)) refuse('duplicate subjects detected')
    const other = others.find((candidate) => overlaps(candidate, subject))
    if (other !== undefined) refuse(`subject ${JSON.stringify(other)} overlaps with "${subject}"`)
    if (isNoAck) continue
    if (subject === '>') refuse('capturing all subjects requires no-ack to be true')
    // The API would answer itself; events are safe, nothing asks for them with a reply.
    for (const [reserved, allowed] of RESERVED) {
      if (overlaps(subject, reserved) && !subsetOf(subject, allowed)) {
        refuse(
          reserved === '$SYS.>'
            ? 'subjects that overlap with system api require no-ack to be true'
            : 'subjects that overlap with jetstream api require no-ack to be true',
        )
      }
    }
  }
  return subjects
}

const RESERVED: readonly (readonly [reserved: string, allowed: string])[] = [
  ['$JS.>', '$JS.EVENT.>'],
  ['$JSC.>', '$JS.EVENT.>'],
  ['$NRG.>', '$JS.EVENT.>'],
  ['$SYS.>', '$SYS.ACCOUNT.>'],
]

function limit(
  request: StreamRequest,
  key: 'max_consumers' | 'max_msgs' | 'max_bytes' | 'max_msgs_per_subject' | 'max_msg_size',
): number {
  const value = request[key] ?? -1
  if (value < -1 && request.pedantic) throw new JetStreamError(10157, `${key} must be set to -1`)
  return value === 0 || value < -1 ? -1 : value
}

function checkAge(maxAge: number): number {
  if (maxAge < 0) refuse('max age can not be negative')
  if (maxAge !== 0 && maxAge < AGE_MIN_NS) refuse('max age needs to be >= 100ms')
  return maxAge
}

function duplicateWindow(request: StreamRequest, maxAge: number): number {
  const asked = request.duplicate_window ?? 0
  if (asked < 0) refuse('duplicates window can not be negative')
  if (asked === 0) {
    if (maxAge === 0 || maxAge >= DUPLICATE_WINDOW_NS) return DUPLICATE_WINDOW_NS
    if (request.pedantic) {
      throw new JetStreamError(10157, 'duplicate window cannot be bigger than max age')
    }
    return maxAge
  }
  if (maxAge !== 0 && asked > maxAge) refuse('duplicates window can not be larger then max age')
  if (asked < DUPLICATE_WINDOW_MIN_NS) refuse('duplicates window needs to be >= 100ms')
  return asked
}

function checkReplicas(replicas: number): 1 {
  if (replicas > REPLICAS_MAX) refuse(`maximum replicas is ${REPLICAS_MAX}`)
  if (replicas < 0) throw new JetStreamError(10133)
  if (replicas > 1) throw new JetStreamError(10074)
  return 1
}

function consumerLimits(value: unknown): ConsumerLimits {
  if (value === undefined || !isObject(value)) return {}
  return decodeFields(value, CONSUMER_LIMIT_FIELDS, 'StreamConsumerLimits')
}

function checkCombinations(config: StreamConfig): void {
  if (config.deny_purge && config.allow_rollup_hdrs) {
    refuse('roll-ups require the purge permission')
  }
  if (config.discard_new_per_subject !== true) return
  if (config.discard !== 'new') {
    refuse('discard new per subject requires discard new policy to be set')
  }
  if (config.max_msgs_per_subject <= 0) {
    refuse('discard new per subject requires max msgs per subject > 0')
  }
}

function choice<const Value extends string>(
  given: string,
  values: readonly Value[],
  problem: string,
): Value {
  const found = values.find((value) => value === given)
  return found ?? refuse(problem)
}

function refuse(problem: string): never {
  throw new JetStreamError(10052, problem)
}
