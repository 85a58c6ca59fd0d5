/** `$JS.API.INFO` and `$JS.API.STREAM.*`: streams as a whole. */
import { isValidSubject, overlaps, SubjectFilter } from '../../subject/index.ts'
import { decodeStreamRequest, type StreamRequest } from '../config/stream-request.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { decodeFields, parseJson } from '../json-fields.ts'
import { LIST_PAGE, NAMES_PAGE } from '../limits.ts'
import type { Stream } from '../stream.ts'
import {
  type ApiContext,
  type ApiRequest,
  type ApiRoute,
  pageOf,
  refusePayload,
  streamOf,
} from './api-context.ts'
import { stateWithSubjects, streamInfo } from './stream-info.ts'

export const STREAM_ROUTES: Readonly<Record<string, ApiRoute>> = {
  INFO: { type: 'account_info', args: 0, handle: accountInfo },
  'STREAM.CREATE': { type: 'stream_create', args: 1, handle: createStream },
  'STREAM.UPDATE': { type: 'stream_update', args: 1, handle: updateStream },
  'STREAM.INFO': { type: 'stream_info', args: 1, handle: showStream },
  'STREAM.NAMES': { type: 'stream_names', args: 0, handle: listNames },
  'STREAM.LIST': { type: 'stream_list', args: 0, handle: listStreams },
  'STREAM.DELETE': { type: 'stream_delete', args: 1, handle: deleteStream },
  'STREAM.PURGE': { type: 'stream_purge', args: 1, handle: purgeStream },
}

const INFO_FIELDS = { offset: 'int', deleted_details: 'bool', subjects_filter: 'string' } as const
const PURGE_FIELDS = { filter: 'string', seq: 'uint', keep: 'uint' } as const

function accountInfo(context: ApiContext): Record<string, unknown> {
  const { limits, level, counts, domain } = context
  const streams = context.streams()
  let storage = 0
  let consumers = 0
  for (const stream of streams) {
    storage += stream.store.state.bytes
    consumers += stream.consumers.size
  }
  const limit = (value: number): number => (value === 0 ? -1 : value)
  return {
    memory: 0,
    storage,
    reserved_memory: 0,
    reserved_storage: 0,
    streams: streams.length,
    consumers,
    limits: {
      max_memory: -1,
      max_storage: limit(limits.storageBytesMax),
      max_streams: limit(limits.streamsMax),
      max_consumers: limit(limits.consumersPerStreamMax),
      max_ack_pending: -1,
      memory_max_stream_bytes: -1,
      storage_max_stream_bytes: -1,
      max_bytes_required: false,
    },
    ...(domain === '' ? {} : { domain }),
    api: {
      ...(level.hasMetadata ? { level: level.level } : {}),
      total: counts.total,
      errors: counts.errors,
      ...(counts.inflight > 1 ? { inflight: counts.inflight - 1 } : {}),
    },
  }
}

async function createStream(context: ApiContext, request: ApiRequest) {
  const { stream, isNew } = await context.create(requestedStream(request))
  const info = streamInfo(stream, context.domain, context.level, context.nowMs())
  return isNew ? { ...info, did_create: true } : info
}

async function updateStream(context: ApiContext, request: ApiRequest) {
  refuseManaged(streamOf(context, request))
  const stream = await context.update(requestedStream(request))
  return streamInfo(stream, context.domain, context.level, context.nowMs())
}

function showStream(context: ApiContext, request: ApiRequest): Record<string, unknown> {
  const stream = streamOf(context, request)
  const fields = decodeFields(
    parseJson(request.message.payload),
    INFO_FIELDS,
    'JSApiStreamInfoRequest',
  )
  if (fields.deleted_details && stream.store.state.deleted > 0) {
    throw new JetStreamError(10052, 'deleted_details is not supported yet by this version')
  }
  const info = streamInfo(stream, context.domain, context.level, context.nowMs())
  const filter = fields.subjects_filter ?? ''
  if (filter === '') return info
  const { state, paging } = stateWithSubjects(stream, filter, Math.max(0, fields.offset ?? 0))
  return { ...info, ...paging, state }
}

function listNames(context: ApiContext, request: ApiRequest): Record<string, unknown> {
  const { streams, offset, total } = page(context, request, NAMES_PAGE)
  const names = streams.map(({ name }) => name)
  return { total, offset, limit: NAMES_PAGE, streams: names.length === 0 ? null : names }
}

function listStreams(context: ApiContext, request: ApiRequest): Record<string, unknown> {
  const { streams, offset, total } = page(context, request, LIST_PAGE)
  const infos = streams.map((stream) =>
    streamInfo(stream, context.domain, context.level, context.nowMs()),
  )
  return { total, offset, limit: LIST_PAGE, streams: infos }
}

async function deleteStream(context: ApiContext, request: ApiRequest) {
  refusePayload(request)
  const stream = streamOf(context, request)
  refuseManaged(stream)
  if (!(await context.remove(stream.name))) throw new JetStreamError(10059)
  return { success: true }
}

async function purgeStream(context: ApiContext, request: ApiRequest) {
  const stream = streamOf(context, request)
  const { message } = request
  const fields = decodeFields(parseJson(message.payload), PURGE_FIELDS, 'JSApiStreamPurgeRequest')
  const { filter, seq, keep } = fields
  if (seq !== undefined && seq > 0 && keep !== undefined && keep > 0) {
    throw new JetStreamError(10003)
  }
  // What a buffer holds is on its way to the hub: only its owner may let go of it.
  refuseManaged(stream)
  if (filter !== undefined && filter !== '' && !isValidSubject(filter)) {
    throw new JetStreamError(10110, 'invalid subject')
  }
  const purged = await stream.purge({
    ...(filter === undefined || filter === '' || filter === '>'
      ? {}
      : { filter: new SubjectFilter(filter) }),
    // JetStream keeps the sequence that is named, the store's bound goes with the rest.
    ...(seq === undefined || seq === 0 ? {} : { throughSeq: seq - 1 }),
    ...(keep === undefined || keep === 0 ? {} : { keep }),
  })
  return { success: true, purged }
}

/** Streams that a role manages are not a client's to change. Throws 10052. */
export function refuseManaged(stream: Stream): void {
  if (stream.mode.isCapturing) return
  throw new JetStreamError(
    10052,
    `stream ${stream.name} is managed by this server's configuration: change it there`,
  )
}

function requestedStream({ args, message }: ApiRequest): StreamRequest {
  const request = decodeStreamRequest(parseJson(message.payload))
  if ((request.name ?? '') !== args[0]) throw new JetStreamError(10056)
  return request
}

function page(context: ApiContext, request: ApiRequest, limit: number) {
  const { offset, subject } = pageOf(request)
  const matching = context
    .streams()
    .filter(({ config }) => subject === '' || config.subjects.some((own) => overlaps(own, subject)))
  return {
    streams: matching.slice(offset, offset + limit),
    offset: Math.min(offset, matching.length),
    total: matching.length,
  }
}
