/** Single messages: STREAM.MSG.GET and MSG.DELETE with JSON answers, DIRECT.GET with the message itself. */
import { messageOf } from '../../runtime/index.ts'
import type { StoredMessage } from '../../store/index.ts'
import { SubjectFilter } from '../../subject/index.ts'
import { NO_BYTES, statusHeaders, withHeaders } from '../headers.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { type Decoded, decodeFields, isObject, parseJson } from '../json-fields.ts'
import type { Stream } from '../stream.ts'
import { formatTime } from '../timestamp.ts'
import { type ApiContext, type ApiRequest, type ApiRoute, streamOf } from './api-context.ts'

export const MESSAGE_ROUTES: Readonly<Record<string, ApiRoute>> = {
  'STREAM.MSG.GET': { type: 'stream_msg_get', args: 1, handle: getMessage },
  'STREAM.MSG.DELETE': { type: 'stream_msg_delete', args: 1, handle: deleteMessage },
}

const GET_FIELDS = {
  seq: 'uint',
  last_by_subj: 'string',
  next_by_subj: 'string',
  no_hdr: 'bool',
  start_time: 'time',
} as const
const DELETE_FIELDS = { seq: 'uint', no_erase: 'bool' } as const
/** Asked for by DIRECT.GET in batches, which later versions answer. */
const BATCH_FIELDS = ['batch', 'max_bytes', 'multi_last', 'up_to_seq', 'up_to_time'] as const

type GetRequest = Decoded<typeof GET_FIELDS>

async function getMessage(context: ApiContext, request: ApiRequest) {
  const stream = streamOf(context, request)
  const body = parseJson(request.message.payload)
  const asked = decodeFields(body, GET_FIELDS, 'JSApiMsgGetRequest')
  if (!isMeaningful(asked)) throw new JetStreamError(10003)
  const message = await find(stream, asked)
  if (message === undefined) throw new JetStreamError(10037)
  const hasHeaders = message.headers.length > 0 && !asked.no_hdr
  return {
    message: {
      subject: message.subject,
      seq: message.seq,
      ...(hasHeaders ? { hdrs: Buffer.from(message.headers).toString('base64') } : {}),
      ...(message.payload.length > 0
        ? { data: Buffer.from(message.payload).toString('base64') }
        : {}),
      time: formatTime(message.timeMs),
    },
  }
}

async function deleteMessage(context: ApiContext, request: ApiRequest) {
  const stream = streamOf(context, request)
  const body = parseJson(request.message.payload)
  const { seq } = decodeFields(body, DELETE_FIELDS, 'JSApiMsgDeleteRequest')
  if (seq === undefined || seq === 0) throw new JetStreamError(10003)
  if (!stream.mode.isCapturing) {
    throw new JetStreamError(10057, `stream ${stream.name} is managed by this server`)
  }
  await stream.removeMessage(seq)
  return { success: true }
}

/** DIRECT.GET.<stream>[.<subject>]: the message, or a status, to the request's reply. */
export async function directGet(context: ApiContext, request: ApiRequest): Promise<void> {
  const { reply } = request.message
  const [name = '', ...subjectTokens] = request.args
  const stream = context.stream(name)
  const answer = (status: string): void =>
    context.port.publish(reply, '', statusHeaders(status), NO_BYTES)
  if (reply === '') return
  if (stream === undefined || !stream.config.allow_direct) return answer('503')
  const asked = decodeDirect(request.message.payload, subjectTokens.join('.'))
  if (typeof asked === 'string') return answer(asked)
  try {
    const message = await find(stream, asked)
    if (message === undefined) return answer('404 Message Not Found')
    const headers = withHeaders(asked.no_hdr ? NO_BYTES : message.headers, [
      ['Nats-Stream', stream.name],
      ['Nats-Subject', message.subject],
      ['Nats-Sequence', String(message.seq)],
      ['Nats-Time-Stamp', formatTime(message.timeMs)],
    ])
    context.port.publish(reply, '', headers, message.payload)
  } catch (error) {
    answer(`500 ${messageOf(error).replace(/[\r\n]+/g, ' ')}`)
  }
}

/** The request, or the status that refuses it. */
function decodeDirect(payload: Uint8Array, subject: string): GetRequest | string {
  if (payload.length === 0) {
    return subject === '' ? '408 Empty Request' : { last_by_subj: subject }
  }
  let body: unknown
  try {
    body = parseJson(payload)
  } catch {
    return '408 Malformed Request'
  }
  if (isObject(body) && BATCH_FIELDS.some((field) => field in body)) {
    return '408 Bad Request - batched direct get is not supported yet by this version'
  }
  try {
    const asked = decodeFields(body, GET_FIELDS, 'JSApiMsgGetRequest')
    if (subject === '') return isMeaningful(asked) ? asked : '408 Empty Request'
    const { no_hdr, ...rest } = asked
    if (Object.keys(rest).length > 0) return '408 Bad Request'
    return { last_by_subj: subject, ...(no_hdr === undefined ? {} : { no_hdr }) }
  } catch {
    return '408 Malformed Request'
  }
}

/** Exactly one way of saying which message. */
function isMeaningful({ seq = 0, last_by_subj = '', next_by_subj = '', start_time }: GetRequest) {
  if (last_by_subj !== '') return seq === 0 && next_by_subj === '' && start_time === undefined
  if (start_time !== undefined) return seq === 0
  return seq > 0 || next_by_subj !== ''
}

async function find(stream: Stream, asked: GetRequest): Promise<StoredMessage | undefined> {
  const { store } = stream
  const { seq = 0, last_by_subj = '', next_by_subj = '', start_time } = asked
  if (last_by_subj !== '') {
    const last = lastSeqWhere(stream, new SubjectFilter(last_by_subj))
    return last === 0 ? undefined : store.get(last)
  }
  if (next_by_subj === '' && start_time === undefined) return store.get(seq)
  const fromSeq = start_time === undefined ? Math.max(1, seq) : await store.seqAtTime(start_time)
  return firstFrom(stream, fromSeq, new SubjectFilter(next_by_subj || '>'))
}

function lastSeqWhere({ store }: Stream, filter: SubjectFilter): number {
  if (filter.isLiteral) return store.lastSeqOf(filter.subject)
  if (filter.isAll) return store.state.lastSeq
  let last = 0
  for (const subject of store.subjects(filter, Number.MAX_SAFE_INTEGER).keys()) {
    last = Math.max(last, store.lastSeqOf(subject))
  }
  return last
}

async function firstFrom(
  { store }: Stream,
  fromSeq: number,
  filter: SubjectFilter,
): Promise<StoredMessage | undefined> {
  let seq = fromSeq
  while (seq <= store.state.lastSeq) {
    const batch = await store.read({ fromSeq: seq, messagesMax: 1, bytesMax: 1, filter })
    if (batch.messages[0] !== undefined) return batch.messages[0]
    if (batch.nextSeq <= seq) return undefined
    seq = batch.nextSeq
  }
  return undefined
}
