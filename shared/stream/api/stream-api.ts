/** `$JS.API.STREAM.*`: streams as a whole. */
import { onDisk } from '../../store/index.ts'
import { SubjectFilter } from '../../subject/index.ts'
import { decodeStreamRequest } from '../config/stream-request.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { decodeFields } from '../json-fields.ts'
import { FIRST_SEQ_MAX, LIST_PAGE, LIST_TURN_SUBJECTS, NAMES_PAGE } from '../limits.ts'
import type { Stream } from '../stream.ts'
import { refuseManaged } from '../stream-plan.ts'
import {
  type ApiContext,
  type ApiRequest,
  type ApiRoute,
  isLong,
  jsonOf,
  NO_PAGE,
  optionalJson,
  pageOf,
  refusePayload,
  settledStreamOf,
  streamOf,
} from './api-context.ts'
import { deletedSeqs, listedStream, streamInfo, streamState } from './stream-info.ts'
import { checkThere, NO_SUBJECTS } from './subject-page.ts'

export const STREAM_ROUTES: Readonly<Record<string, ApiRoute>> = {
  'STREAM.CREATE': { type: 'stream_create', args: 1, handle: createStream },
  'STREAM.UPDATE': { type: 'stream_update', args: 1, handle: updateStream },
  'STREAM.INFO': { type: 'stream_info', args: 1, zeros: NO_PAGE, handle: showStream },
  'STREAM.NAMES': {
    type: 'stream_names',
    args: 0,
    zeros: { ...NO_PAGE, streams: null },
    handle: listNames,
  },
  'STREAM.LIST': {
    type: 'stream_list',
    args: 0,
    zeros: { ...NO_PAGE, streams: [] },
    handle: listStreams,
  },
  'STREAM.DELETE': { type: 'stream_delete', args: 1, handle: deleteStream },
  'STREAM.PURGE': { type: 'stream_purge', args: 1, zeros: { purged: 0 }, handle: purgeStream },
}

const INFO_FIELDS = { offset: 'int', deleted_details: 'bool', subjects_filter: 'string' } as const
const PAGED_INFO = { struct: 'ApiPagedRequest', except: ['deleted_details', 'subjects_filter'] }
const PURGE_FIELDS = { filter: 'string', seq: 'uint', keep: 'uint' } as const

async function createStream(context: ApiContext, request: ApiRequest) {
  const asked = decodeStreamRequest(jsonOf(request))
  if (isLong(request)) await context.turn()
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
  const asked = decodeStreamRequest(jsonOf(request))
  if (isLong(request)) await context.turn()
  const stream = await context.update(asked, request.args[0] ?? '')
  return streamInfo(stream, context.domain, context.level, context.nowMs())
}

async function showStream(context: ApiContext, request: ApiRequest) {
  const body = optionalJson(request)
  const fields = decodeFields(body, INFO_FIELDS, 'JSApiStreamInfoRequest', PAGED_INFO)
  const stream = await settledStreamOf(context, request)
  const deleted = fields.deleted_details ? await deletedSeqs(stream, context.turn) : []
  const filter = fields.subjects_filter ?? ''
  const offset = Math.max(0, fields.offset ?? 0)
  const { reply } = request.message
  // Whoever is not seen to listen now may be behind something; who was and is not any more has gone.
  const isSeen = context.port.hasInterest(reply)
  const isWanted = (): boolean => !isSeen || context.port.hasInterest(reply)
  const { subjects, ...paging } =
    filter === '' ? NO_SUBJECTS : await context.pages.page(stream, filter, offset, isWanted)
  checkThere(stream, context.stream(stream.name))
  const info = streamInfo(stream, context.domain, context.level, context.nowMs())
  return {
    ...paging,
    ...info,
    state: { ...streamState(stream, subjects), ...(deleted.length > 0 ? { deleted } : {}) },
    cluster: { leader: context.serverName },
  }
}

async function listNames(context: ApiContext, request: ApiRequest) {
  const { streams, offset, total } = await page(
    context,
    request,
    NAMES_PAGE,
    'JSApiStreamNamesRequest',
  )
  const names = streams.map(({ name }) => name)
  return { total, offset, limit: NAMES_PAGE, streams: names.length === 0 ? null : names }
}

async function listStreams(context: ApiContext, request: ApiRequest) {
  const { streams, offset, total } = await page(
    context,
    request,
    LIST_PAGE,
    'JSApiStreamListRequest',
  )
  await Promise.all(streams.map((stream) => stream.settled()))
  const infos = streams.map((stream) => listedStream(stream, context))
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
  const body = optionalJson(request)
  const fields = decodeFields(body, PURGE_FIELDS, 'JSApiStreamPurgeRequest')
  const { filter = '', seq = 0, keep = 0 } = fields
  if (seq > 0 && keep > 0) throw new JetStreamError(10003)
  const stream = await settledStreamOf(context, request)
  // What a buffer holds is on its way to the hub: only its owner may let go of it.
  refuseManaged(stream)
  const isWhole = filter === '' || filter === '>'
  if (isWhole && seq > Math.max(FIRST_SEQ_MAX, stream.store.assignedSeq + 1)) {
    throw new JetStreamError(10110, `sequence can not be larger than ${FIRST_SEQ_MAX}`)
  }
  const purged = await stream.purge({
    ...(isWhole ? {} : { filter: new SubjectFilter(filter) }),
    // JetStream keeps the sequence that is named, the store's bound goes with the rest.
    ...(seq === 0 ? {} : { throughSeq: seq - 1 }),
    ...(keep === 0 ? {} : { keep }),
  })
  // The sequence that is named is the stream's first then, even when nothing has it yet.
  if (isWhole && seq > stream.store.assignedSeq + 1) await skipTo(stream, seq)
  return { success: true, purged }
}

function skipTo({ store }: Stream, seq: number): Promise<void> {
  return onDisk((done) => store.skipTo(seq, done))
}

async function page(context: ApiContext, request: ApiRequest, limit: number, typeName: string) {
  const { offset, subject } = pageOf(request, typeName, true)
  const matching = subject === '' ? context.streams() : await streamsThat(context, subject)
  return {
    streams: matching.slice(offset, offset + limit),
    offset: Math.min(offset, matching.length),
    total: matching.length,
  }
}

/** Those that have a subject which overlaps this one. Streams may have very many: others get their turns between. */
async function streamsThat(context: ApiContext, subject: string): Promise<readonly Stream[]> {
  const filter = new SubjectFilter(subject)
  const matching: Stream[] = []
  let left = LIST_TURN_SUBJECTS
  for (const stream of context.streams()) {
    const { subjects } = stream.config
    if (subjects.some((own) => filter.overlaps(own))) matching.push(stream)
    left -= subjects.length + 1
    if (left > 0) continue
    left = LIST_TURN_SUBJECTS
    await context.turn()
  }
  return matching
}
