/** Single messages: STREAM.MSG.GET and MSG.DELETE with JSON answers, and how a message is asked for. */
import type { StoredMessage } from '../../store/index.ts'
import { SubjectFilter } from '../../subject/index.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { type Decoded, decodeFields } from '../json-fields.ts'
import type { Stream } from '../stream.ts'
import { refuseManaged } from '../stream-plan.ts'
import { formatTime } from '../timestamp.ts'
import {
  type ApiContext,
  type ApiRequest,
  type ApiRoute,
  isEmptyRequest,
  jsonOf,
  settledStreamOf,
} from './api-context.ts'

export const MESSAGE_ROUTES: Readonly<Record<string, ApiRoute>> = {
  'STREAM.MSG.GET': { type: 'stream_msg_get', args: 1, handle: getMessage },
  'STREAM.MSG.DELETE': { type: 'stream_msg_delete', args: 1, handle: deleteMessage },
}

export const GET_FIELDS = {
  seq: 'uint',
  last_by_subj: 'string',
  next_by_subj: 'string',
  batch: 'int',
  max_bytes: 'int',
  start_time: 'time',
  multi_last: 'strings',
  up_to_seq: 'uint',
  up_to_time: 'time',
  no_hdr: 'bool',
} as const
const DELETE_FIELDS = { seq: 'uint', no_erase: 'bool' } as const

export type GetRequest = Decoded<typeof GET_FIELDS>

async function getMessage(context: ApiContext, request: ApiRequest) {
  if (isEmptyRequest(request)) throw new JetStreamError(10003)
  const asked = decodeFields(jsonOf(request), GET_FIELDS, 'JSApiMsgGetRequest')
  const { batch = 0, max_bytes = 0 } = asked
  const isOne = batch <= 0 && max_bytes <= 0
  if (!isOne || !isMeaningful(asked)) throw new JetStreamError(10003)
  const message = await findMessage(await settledStreamOf(context, request), asked)
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
  if (isEmptyRequest(request)) throw new JetStreamError(10003)
  const body = jsonOf(request)
  // With or without `no_erase`: what is deleted is not read again, and gone from the disk when its segment is rewritten.
  const { seq = 0 } = decodeFields(body, DELETE_FIELDS, 'JSApiMsgDeleteRequest')
  const stream = await settledStreamOf(context, request)
  refuseManaged(stream)
  try {
    await stream.removeMessage(seq)
  } catch (error) {
    if (!(error instanceof JetStreamError) || error.errCode !== 10043) throw error
    // As nats-server's two kinds of stores say it.
    if (stream.config.storage === 'memory') throw error
    const { firstSeq, lastSeq } = stream.store.state
    if (seq < Math.max(firstSeq, 1)) throw new JetStreamError(10057, 'no message found')
    if (seq > lastSeq) throw new JetStreamError(10057, 'stream store EOF')
    throw error
  }
  return { success: true }
}

/** Exactly one way of saying which message. */
function isMeaningful({ seq = 0, last_by_subj = '', next_by_subj = '', start_time }: GetRequest) {
  if (last_by_subj !== '') return seq === 0 && next_by_subj === '' && start_time === undefined
  if (start_time !== undefined) return seq === 0
  return seq > 0 || next_by_subj !== ''
}

/** The message that is meant; what is asked says so in exactly one way. */
export async function findMessage(
  { store }: Stream,
  asked: GetRequest,
): Promise<StoredMessage | undefined> {
  const { last_by_subj = '', next_by_subj = '', start_time } = asked
  if (last_by_subj !== '') {
    return store.get(store.lastSeqMatching(new SubjectFilter(last_by_subj)))
  }
  const seq = start_time === undefined ? (asked.seq ?? 0) : await store.seqAtTime(start_time)
  if (next_by_subj === '') return store.get(seq)
  return store.get(store.firstSeqMatching(new SubjectFilter(next_by_subj), seq))
}
