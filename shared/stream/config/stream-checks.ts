/**
 * From a request to a whole configuration: defaults and checks in nats-server's order, because of two
 * mistakes the first is told, with its codes and texts (checkStreamCfg of nats-server 2.15).
 */
import { JetStreamError } from '../jetstream-error.ts'
import {
  AGE_MIN_NS,
  DESCRIPTION_BYTES_MAX,
  DUPLICATE_WINDOW_MIN_NS,
  DUPLICATE_WINDOW_NS,
  FIRST_SEQ_MAX,
  METADATA_BYTES_MAX,
  NAME_BYTES_MAX,
  NS_PER_SECOND,
  REPLICAS_MAX,
} from '../limits.ts'
import { durationText } from '../timestamp.ts'
import {
  isAssetName,
  isLongDescription,
  isLongMetadata,
  keptMetadata,
  optional,
} from './asset-text.ts'
import { checkFeeds, mirrorDirect } from './feed-checks.ts'
import { NO_STREAM_RULES, type StreamRules } from './rules.ts'
import type { Placement, StreamConfig } from './stream-config.ts'
import type { StreamRequest } from './stream-request.ts'
import { streamSource } from './stream-source.ts'
import { checkTransform, republishOf, subjectsOf } from './subject-checks.ts'

/** Defaults and checks. Throws the row of the error table. */
export function streamConfig(
  request: StreamRequest,
  rules: StreamRules = NO_STREAM_RULES,
): StreamConfig {
  checkTexts(request)
  const replicas = replicasOf(request.num_replicas ?? 0)
  const limits = limitsOf(request)
  const maxAge = checkAge(request.max_age ?? 0)
  const window = duplicateWindow(request, maxAge, rules)
  checkCombinations(request)
  const flags = impliedFlags(request)
  checkPersistMode(request, replicas)
  const feeds = {
    ...(request.mirror && { mirror: streamSource(request.mirror) }),
    ...(request.sources?.length ? { sources: request.sources.map(streamSource) } : {}),
  }
  checkFeeds(request, feeds, limits.max_msg_size, rules)
  const subjects = subjectsOf(request, replicas)
  checkMaxBytes(request, replicas, limits.max_bytes, rules)
  const transforms = {
    ...checkTransform(request),
    ...republishOf(request, subjects),
  }
  return {
    name: request.name ?? '',
    ...optional('description', request.description),
    subjects,
    retention: request.retention ?? 'limits',
    ...limits,
    max_age: maxAge,
    discard: request.discard ?? 'old',
    storage: request.storage ?? 'file',
    num_replicas: replicas,
    ...optional('no_ack', request.no_ack),
    duplicate_window: window,
    ...placementOf(request.placement),
    ...feeds,
    compression: request.compression ?? 'none',
    ...optional('first_seq', checkFirstSeq(request.first_seq)),
    ...transforms,
    allow_direct: request.allow_direct ?? false,
    mirror_direct: mirrorDirect(request, rules),
    ...optional('discard_new_per_subject', request.discard_new_per_subject),
    sealed: request.sealed ?? false,
    deny_delete: request.deny_delete ?? false,
    ...flags,
    consumer_limits: {
      ...optional('inactive_threshold', request.consumer_limits?.inactive_threshold),
      ...optional('max_ack_pending', request.consumer_limits?.max_ack_pending),
    },
    ...optional('subject_delete_marker_ttl', request.subject_delete_marker_ttl),
    ...optional('allow_msg_counter', request.allow_msg_counter),
    ...optional('allow_atomic', request.allow_atomic),
    ...optional('allow_msg_schedules', request.allow_msg_schedules),
    ...(request.persist_mode === 'async' ? { persist_mode: 'async' } : {}),
    ...optional('allow_batched', request.allow_batched),
    ...keptMetadata(request.metadata),
  }
}

function checkTexts({ name = '', description, metadata }: StreamRequest): void {
  if (!isAssetName(name)) {
    refuse("stream name is required and can not contain '.', '*', '>', '\\', '/'")
  }
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) {
    refuse(`stream name is too long, maximum allowed is ${NAME_BYTES_MAX}`)
  }
  if (isLongDescription(description)) {
    refuse(`stream description is too long, maximum allowed is ${DESCRIPTION_BYTES_MAX}`)
  }
  if (isLongMetadata(metadata)) {
    refuse(`stream metadata exceeds maximum size of ${METADATA_BYTES_MAX} bytes`)
  }
}

function replicasOf(asked: number): number {
  if (asked > REPLICAS_MAX) refuse(`maximum replicas is ${REPLICAS_MAX}`)
  if (asked < 0) throw new JetStreamError(10133)
  return asked === 0 ? 1 : asked
}

/** 0 and everything below -1 mean no limit, which is -1. */
function limitsOf(request: StreamRequest) {
  const of = (
    key: 'max_msgs' | 'max_msgs_per_subject' | 'max_bytes' | 'max_msg_size' | 'max_consumers',
  ): number => {
    const value = request[key] ?? 0
    if (value < -1 && request.pedantic) throw new JetStreamError(10157, `${key} must be set to -1`)
    return value === 0 || value < -1 ? -1 : value
  }
  return {
    max_msgs: of('max_msgs'),
    max_msgs_per_subject: of('max_msgs_per_subject'),
    max_bytes: of('max_bytes'),
    max_msg_size: of('max_msg_size'),
    max_consumers: of('max_consumers'),
  }
}

function checkFirstSeq(seq: number | undefined): number | undefined {
  if ((seq ?? 0) > FIRST_SEQ_MAX) refuse(`first sequence can not be larger than ${FIRST_SEQ_MAX}`)
  return seq
}

function checkAge(maxAge: number): number {
  if (maxAge < 0) refuse('max age can not be negative')
  if (maxAge !== 0 && maxAge < AGE_MIN_NS) refuse('max age needs to be >= 100ms')
  return maxAge
}

function duplicateWindow(request: StreamRequest, maxAge: number, rules: StreamRules): number {
  const most = rules.duplicateWindowMaxNs
  const asked = request.duplicate_window ?? 0
  const isFed = request.mirror !== undefined || (request.sources ?? []).length > 0
  const window = asked === 0 && !isFed ? defaultWindow(request, maxAge, most) : asked
  if (window < 0) refuse('duplicates window can not be negative')
  if (maxAge !== 0 && window > maxAge) refuse('duplicates window can not be larger then max age')
  if (most > 0 && window > most) {
    refuse(`duplicates window can not be larger then server limit of ${durationText(most)}`)
  }
  if (window > 0 && window < DUPLICATE_WINDOW_MIN_NS) {
    refuse('duplicates window needs to be >= 100ms')
  }
  return window
}

function defaultWindow({ pedantic }: StreamRequest, maxAge: number, most: number): number {
  const isCapped = most > 0 && most < DUPLICATE_WINDOW_NS
  if (isCapped && pedantic) {
    throw new JetStreamError(10157, 'duplicate window limits are higher than current limits')
  }
  const window = isCapped ? most : DUPLICATE_WINDOW_NS
  if (maxAge === 0 || maxAge >= window) return window
  if (pedantic) throw new JetStreamError(10157, 'duplicate window cannot be bigger than max age')
  return maxAge
}

function checkCombinations(request: StreamRequest): void {
  const isNew = request.discard === 'new'
  if (request.deny_purge && request.allow_rollup_hdrs) {
    refuse('roll-ups require the purge permission')
  }
  if (request.allow_msg_counter) {
    if (isNew) refuse('counter stream cannot use discard new')
    if (request.allow_msg_ttl) refuse('counter stream cannot use message TTLs')
    if (request.allow_msg_schedules) refuse('counter stream cannot use message schedules')
    if ((request.retention ?? 'limits') !== 'limits') {
      refuse('counter stream can only use limits retention')
    }
  }
  if (!request.discard_new_per_subject) return
  if (!isNew) refuse('discard new per subject requires discard new policy to be set')
  if ((request.max_msgs_per_subject ?? 0) <= 0) {
    refuse('discard new per subject requires max msgs per subject > 0')
  }
}

/** Delete markers and schedules need other features, and switch them on unless pedantic. */
function impliedFlags(request: StreamRequest) {
  const { pedantic } = request
  const markerTtl = request.subject_delete_marker_ttl ?? 0
  let hasTtl = request.allow_msg_ttl ?? false
  let hasRollups = request.allow_rollup_hdrs ?? false
  if (markerTtl < 0) refuse('subject delete marker TTL must not be negative')
  if (markerTtl > 0) {
    if (markerTtl < NS_PER_SECOND) refuse('subject delete marker TTL must be at least 1 second')
    if (!hasTtl && pedantic) {
      refuse('subject delete marker cannot be set if message TTLs are disabled')
    }
    hasTtl = true
    if (!hasRollups && pedantic) {
      refuse('subject delete marker cannot be set if roll-ups are disabled')
    }
    hasRollups = true
  }
  if (request.allow_msg_schedules) {
    if (request.discard === 'new') refuse('message scheduling cannot use discard new')
    if (!hasRollups && pedantic) {
      refuse('message scheduling cannot be set if roll-ups are disabled')
    }
    hasRollups = true
  }
  return {
    deny_purge: hasRollups ? false : (request.deny_purge ?? false),
    allow_rollup_hdrs: hasRollups,
    allow_msg_ttl: hasTtl,
  }
}

function checkPersistMode(request: StreamRequest, replicas: number): void {
  if (request.persist_mode !== 'async') return
  if (request.storage === 'memory') {
    refuse('async persist mode is only supported on file storage')
  }
  if (replicas > 1) refuse('async persist mode is not supported on replicated streams')
  if (request.allow_atomic) {
    refuse('async persist mode is not supported with atomic batch publish')
  }
}

function checkMaxBytes(
  request: StreamRequest,
  replicas: number,
  maxBytes: number,
  rules: StreamRules,
): void {
  const { isRequired, most } = rules.maxBytes(request.storage ?? 'file', replicas)
  if (isRequired && maxBytes <= 0) throw new JetStreamError(10113)
  if (most > 0 && maxBytes > most) throw new JetStreamError(10122)
}

function placementOf(given: StreamRequest['placement']): { readonly placement?: Placement } {
  const { cluster, tags = [], preferred } = given ?? {}
  if (preferred) refuse('preferred server not permitted in placement')
  if (!cluster && tags.length === 0) return {}
  return { placement: { ...optional('cluster', cluster), ...(tags.length > 0 ? { tags } : {}) } }
}

function refuse(problem: string): never {
  throw new JetStreamError(10052, problem)
}
