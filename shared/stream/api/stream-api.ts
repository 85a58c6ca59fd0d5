/** `$JS.API.STREAM.*`: streams as a whole. */
import { isValidSubject, overlaps, SubjectFilter } from '../../subject/index.ts'
import { decodeStreamRequest } from '../config/stream-request.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { decodeFields, parseJson } from '../json-fields.ts'
import { LIST_PAGE, NAMES_PAGE } from '../limits.ts'
import { refuseManaged } from '../stream-plan.ts'
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

async function createStream(context: ApiContext, request: ApiRequest) {
  const asked = decodeStreamRequest(parseJson(request.message.payload))
  if ((asked.name ?? '') !== request.args[0]) throw new JetStreamError(10056)
  if (/[\\/]/.test(asked.name ?? '')) throw new JetStreamError(10128)
  if (asked.sealed) {
    throw new JetStreamError(10052, 'stream configuration for create can not be sealed')
  }
  if (asked.mirror_direct && asked.mirror === undefined) {
    throw new JetStreamError(10052, 'stream has no mirror but does have mirror direct')
  }
  const stream = await context.create(asked)
  // nats-server says so of a stream that was there too, and names no domain.
  return { ...streamInfo(stream, '', context.level, context.nowMs()), did_create: true }
}

async function updateStream(context: ApiContext, request: ApiRequest) {
  const asked = decodeStreamRequest(parseJson(request.message.payload))
  const stream = await context.update(asked, request.args[0] ?? '')
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
