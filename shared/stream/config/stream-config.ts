/**
 * A stream's configuration in JetStream's own terms: keys as on the wire, durations in nanoseconds.
 * A request is decoded strictly, defaulted and checked here once; all other code takes the whole
 * `StreamConfig`. Texts and defaults as in nats-server 2.14 (checkStreamCfg).
 */
import { isValidSubject, overlaps, subsetOf } from '../../subject/index.ts'
import { JetStreamError } from '../jetstream-error.ts'
import {
  AGE_MIN_NS,
  DESCRIPTION_BYTES_MAX,
  DUPLICATE_WINDOW_MIN_NS,
  DUPLICATE_WINDOW_NS,
  METADATA_BYTES_MAX,
  NAME_BYTES_MAX,
  REPLICAS_MAX,
} from '../limits.ts'
import type { StreamRequest } from './stream-request.ts'
import {
  type StreamSource,
  type SubjectTransform,
  streamSource,
  subjectTransform,
} from './stream-source.ts'
import { refuseUnsupportedStream } from './unsupported.ts'

/** What is `?` is left out when it is zero, empty or false, as on the wire. */
export interface StreamConfig {
  readonly name: string
  readonly description?: string
  /** Empty for a mirror, and for a stream that only has sources; left out on the wire then. */
  readonly subjects: readonly string[]
  readonly retention: 'limits' | 'interest' | 'workqueue'
  readonly max_consumers: number
  readonly max_msgs: number
  readonly max_bytes: number
  readonly max_age: number
  readonly max_msgs_per_subject: number
  readonly max_msg_size: number
  readonly discard: 'old' | 'new'
  /** `memory` is kept in the journal too: it outlives a restart, which no reader minds. */
  readonly storage: 'file' | 'memory'
  readonly num_replicas: number
  readonly no_ack?: boolean
  /** 0 for none; left out on the wire then. */
  readonly duplicate_window: number
  readonly placement?: Placement
  readonly mirror?: StreamSource
  readonly sources?: readonly StreamSource[]
  readonly compression: 'none' | 's2'
  readonly first_seq?: number
  readonly subject_transform?: SubjectTransform
  readonly republish?: Republish
  readonly allow_direct: boolean
  readonly mirror_direct: boolean
  readonly discard_new_per_subject?: boolean
  readonly sealed: boolean
  readonly deny_delete: boolean
  readonly deny_purge: boolean
  readonly allow_rollup_hdrs: boolean
  readonly consumer_limits: ConsumerLimits
  readonly allow_msg_ttl: boolean
  readonly subject_delete_marker_ttl?: number
  readonly allow_msg_counter?: boolean
  readonly allow_atomic?: boolean
  readonly allow_msg_schedules?: boolean
  readonly persist_mode?: 'async'
  readonly allow_batched?: boolean
  readonly metadata?: Readonly<Record<string, string>>
}

/** Where a cluster would put the stream: kept and shown by a server that has no cluster. */
export interface Placement {
  readonly cluster?: string
  readonly tags?: readonly string[]
}

/** What is stored under `src` is published again as `dest` makes of it, once it is on disk. */
export interface Republish {
  readonly src: string
  readonly dest: string
  readonly headers_only?: boolean
}

export interface ConsumerLimits {
  readonly inactive_threshold?: number
  readonly max_ack_pending?: number
}

const RETENTIONS = ['limits', 'interest', 'workqueue'] as const

/** Defaults and checks. Throws 10052, 10074 or 10157. */
export function streamConfig(request: StreamRequest): StreamConfig {
  const name = checkName(request.name ?? '')
  checkTexts(request)
  const maxAge = checkAge(request.max_age ?? 0)
  const config: StreamConfig = {
    name,
    ...(request.description ? { description: request.description } : {}),
    subjects: checkSubjects(subjectsOf(request, name), request.no_ack === true),
    retention: choice(request.retention ?? 'limits', RETENTIONS, 'invalid retention'),
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
    ...placement(request.placement),
    ...(request.mirror && { mirror: streamSource(request.mirror) }),
    ...(request.sources?.length ? { sources: request.sources.map(streamSource) } : {}),
    compression: choice(request.compression ?? 'none', ['none', 's2'], 'invalid compression'),
    ...(request.first_seq ? { first_seq: request.first_seq } : {}),
    ...transformOf(request),
    allow_direct: request.allow_direct ?? false,
    mirror_direct: request.mirror_direct ?? false,
    ...(request.discard_new_per_subject ? { discard_new_per_subject: true } : {}),
    sealed: request.sealed ?? false,
    deny_delete: request.deny_delete ?? false,
    deny_purge: request.deny_purge ?? false,
    allow_rollup_hdrs: request.allow_rollup_hdrs ?? false,
    consumer_limits: request.consumer_limits ?? {},
    allow_msg_ttl: request.allow_msg_ttl ?? false,
    ...newerFields(request),
    ...(request.metadata === undefined ? {} : { metadata: withoutServerKeys(request.metadata) }),
  }
  checkCombinations(config)
  refuseUnsupportedStream(config)
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

/** As answers show it: Go's omitempty. */
export function wireStreamConfig(config: StreamConfig): Readonly<Record<string, unknown>> {
  const { subjects, duplicate_window, ...rest } = config
  return {
    ...rest,
    ...(subjects.length > 0 ? { subjects } : {}),
    ...(duplicate_window === 0 ? {} : { duplicate_window }),
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

function checkSubjects(subjects: readonly string[], isNoAck: boolean): readonly string[] {
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

function checkReplicas(replicas: number): number {
  if (replicas > REPLICAS_MAX) refuse(`maximum replicas is ${REPLICAS_MAX}`)
  if (replicas < 0) throw new JetStreamError(10133)
  if (replicas > 1) throw new JetStreamError(10074)
  return 1
}

function subjectsOf({ subjects = [], mirror, sources = [] }: StreamRequest, name: string) {
  const isFed = mirror !== undefined || sources.length > 0
  return subjects.length === 0 && !isFed ? [name] : subjects
}

function placement(given: StreamRequest['placement']): { readonly placement?: Placement } {
  const { cluster, tags = [] } = given ?? {}
  if (!cluster && tags.length === 0) return {}
  return {
    placement: { ...(cluster ? { cluster } : {}), ...(tags.length > 0 ? { tags } : {}) },
  }
}

function transformOf(request: StreamRequest): Partial<StreamConfig> {
  const transform = subjectTransform(request.subject_transform)
  const { republish } = request
  return {
    ...(transform === undefined ? {} : { subject_transform: transform }),
    ...(republish && {
      republish: {
        src: republish.src || '>',
        dest: republish.dest ?? '',
        ...(republish.headers_only ? { headers_only: true } : {}),
      },
    }),
  }
}

function newerFields(request: StreamRequest): Partial<StreamConfig> {
  const mode = choice(request.persist_mode || 'default', ['default', 'async'], 'invalid mode')
  return {
    ...(request.subject_delete_marker_ttl
      ? { subject_delete_marker_ttl: request.subject_delete_marker_ttl }
      : {}),
    ...(request.allow_msg_counter ? { allow_msg_counter: true } : {}),
    ...(request.allow_atomic ? { allow_atomic: true } : {}),
    ...(request.allow_msg_schedules ? { allow_msg_schedules: true } : {}),
    ...(mode === 'async' ? { persist_mode: mode } : {}),
    ...(request.allow_batched ? { allow_batched: true } : {}),
  }
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
