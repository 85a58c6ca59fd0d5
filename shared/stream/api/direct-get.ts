/**
 * DIRECT.GET: messages as they are, or a status, to the request's reply: one, a batch of those that
 * follow each other, or the newest of several subjects [ADR-31].
 */
import { messageOf } from '../../runtime/index.ts'
import type { StoredMessage } from '../../store/index.ts'
import { SubjectFilter } from '../../subject/index.ts'
import { headerValue, NO_BYTES, nobodyHeaders, statusHeaders, withHeaderLines } from '../headers.ts'
import { joinedFilters } from '../joined-filters.ts'
import { decodeOne } from '../json-fields.ts'
import {
  DIRECT_BYTES_MAX,
  DIRECT_READ_BYTES,
  DIRECT_READ_MESSAGES,
  DIRECT_SUBJECTS_MAX,
} from '../limits.ts'
import type { PortMessage } from '../port.ts'
import type { Stream } from '../stream.ts'
import { formatTime } from '../timestamp.ts'
import type { ApiContext, ApiRequest } from './api-context.ts'
import { findMessage, GET_FIELDS, type GetRequest } from './message-api.ts'

type Header = readonly [name: string, value: string | number]

const NOT_FOUND = '404 Message Not Found'
const NO_RESULTS = '404 No Results'
const BAD_REQUEST = '408 Bad Request'
const EMPTY_REQUEST = '408 Empty Request'
const MALFORMED_REQUEST = '408 Malformed Request'

/** DIRECT.GET.<stream>[.<subject>] */
export async function directGet(context: ApiContext, request: ApiRequest): Promise<void> {
  const { reply, headers, payload } = request.message
  if (reply === '') return
  const [name = '', ...subjectTokens] = request.args
  const stream = servingStream(context, name)
  const answer = new DirectAnswer(context, reply, stream?.name ?? name)
  if (stream === undefined) return answer.nobody(request.message.subject)
  const required = headerValue(headers, 'Nats-Required-Api-Level')
  if (required !== undefined && !(Number(required) <= context.level.level)) {
    return answer.status('412 Required Api Level')
  }
  const subject = subjectTokens.join('.')
  const asked = decodeDirect(payload, subjectTokens.length > 0 ? subject : undefined)
  if (typeof asked === 'string') return answer.status(asked)
  try {
    // Who publishes to the origin asks the mirror at once: what has come from there counts.
    if (stream.config.mirror !== undefined) await stream.settled()
    if ((asked.multi_last ?? []).length > 0) await sendLast(stream, asked, answer)
    else if ((asked.batch ?? 0) !== 0) await sendBatch(stream, asked, answer)
    else await sendOne(stream, asked, answer)
  } catch (error) {
    answer.status(`500 ${messageOf(error).replace(/[\r\n]+/g, ' ')}`)
  }
}

/**
 * Answers within the turn who asks for the last message of one subject, and nothing else, if it is at hand: that is
 * what reads of a key-value bucket are. False: it is `directGet`'s.
 *
 * @param rest of the request's subject: <stream>.<subject>
 */
export function directGetNow(context: ApiContext, rest: string, message: PortMessage): boolean {
  const { reply, headers, payload } = message
  const dot = rest.indexOf('.')
  if (dot < 0 || reply === '' || headers.length > 0 || payload.length > 0) return false
  const stream = context.stream(rest.slice(0, dot))
  if (!stream?.config.allow_direct || stream.config.mirror !== undefined) return false
  const subject = rest.slice(dot + 1)
  if (subject.includes('*') || subject.includes('>')) return false
  const found = atHand(stream, subject)
  if (found === undefined) return false
  new DirectAnswer(context, reply, stream.name).message(found, [])
  return true
}

/** What cannot be read is told by who waits for it. */
function atHand({ store }: Stream, subject: string): StoredMessage | undefined {
  try {
    return store.recent(store.lastSeqOf(subject))
  } catch {
    return undefined
  }
}

/** The stream of that name, or a mirror of it here that may answer in its place. */
function servingStream(context: ApiContext, name: string): Stream | undefined {
  const stream = context.stream(name)
  if (stream?.config.allow_direct) return stream
  return context.fedBy(name).find(({ feeds }) => feeds.isReadableAs(name))
}

/** The request, or the status that refuses it. @param subject undefined: none in the request's subject */
function decodeDirect(payload: Uint8Array, subject: string | undefined): GetRequest | string {
  if (payload.length === 0 && subject === undefined) return EMPTY_REQUEST
  let asked: GetRequest
  try {
    asked = payload.length === 0 ? {} : decodeOne(payload, GET_FIELDS, 'JSApiMsgGetRequest')
  } catch {
    return MALFORMED_REQUEST
  }
  if (subject !== undefined) {
    const { no_hdr, max_bytes, ...rest } = asked
    const isOfSubject = subject !== '' && !Object.values(rest).some(isSaid)
    if (!isOfSubject) return BAD_REQUEST
    return { ...asked, last_by_subj: subject }
  }
  return whatIsWrong(asked) ?? asked
}

function isSaid(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== 0 && value !== '' && value !== false
}

function whatIsWrong(asked: GetRequest): string | undefined {
  const { seq = 0, last_by_subj = '', next_by_subj = '', multi_last = [], start_time } = asked
  const { batch = 0, up_to_seq = 0, up_to_time } = asked
  const isTimed = start_time !== undefined
  const isMulti = multi_last.length > 0
  if (seq === 0 && last_by_subj === '' && next_by_subj === '' && !isMulti && !isTimed) {
    return EMPTY_REQUEST
  }
  const isLast = last_by_subj !== ''
  const hasConflict =
    (isLast && (seq > 0 || isTimed || next_by_subj !== '' || batch > 0 || isMulti)) ||
    (seq > 0 && isTimed) ||
    (next_by_subj !== '' && isMulti) ||
    (up_to_seq > 0 && up_to_time !== undefined)
  return hasConflict ? BAD_REQUEST : undefined
}

async function sendOne(stream: Stream, asked: GetRequest, answer: DirectAnswer): Promise<void> {
  const message = await findMessage(stream, asked)
  if (message === undefined) answer.status(NOT_FOUND)
  else answer.message(message, asked.no_hdr ? undefined : [])
}

/** Messages from a sequence or a time on, all or those on some subjects, and a status behind them. */
async function sendBatch(stream: Stream, asked: GetRequest, answer: DirectAnswer): Promise<void> {
  const { store } = stream
  const { batch = 1, next_by_subj = '', start_time } = asked
  const filter = new SubjectFilter(next_by_subj === '' ? '>' : next_by_subj)
  let seq = start_time === undefined ? (asked.seq ?? 0) : await store.seqAtTime(start_time)
  const limitSeq = store.state.lastSeq
  let pending = store.countFrom(Math.max(seq, 1), filter)
  let left = batch
  let bytes = bytesMaxOf(asked)
  let lastSeq = 0
  while (left > 0 && bytes > 0 && seq <= store.state.lastSeq) {
    const read = await store.read({
      fromSeq: Math.max(seq, 1),
      messagesMax: Math.min(left, DIRECT_READ_MESSAGES),
      bytesMax: Math.min(bytes, DIRECT_READ_BYTES),
      filter,
    })
    for (const message of read.messages) {
      if (left === 0 || bytes <= 0) break
      if (asked.no_hdr) answer.message(message, undefined)
      else {
        if (pending > 0) pending--
        answer.message(message, [
          ['Nats-Num-Pending', pending],
          ['Nats-Last-Sequence', lastSeq],
        ])
      }
      lastSeq = message.seq
      left--
      bytes -= sizeOf(message)
    }
    const isWhole = left > 0 && bytes > 0
    seq = isWhole ? read.nextSeq : lastSeq + 1
  }
  // Who asks for less than nothing is told how much there is.
  if (lastSeq === 0 && batch > 0) {
    answer.status(NOT_FOUND)
    return
  }
  if (store.state.lastSeq > limitSeq) pending = store.countFrom(lastSeq + 1, filter)
  answer.status('204 EOB', [
    ['Nats-Num-Pending', pending],
    ['Nats-Last-Sequence', lastSeq],
  ])
}

/** The newest message of each subject, as of a sequence or a time, in the order of their sequences. */
async function sendLast(stream: Stream, asked: GetRequest, answer: DirectAnswer): Promise<void> {
  const { store } = stream
  const { multi_last = [], seq: fromSeq = 0, batch = 0, up_to_time } = asked
  let throughSeq = asked.up_to_seq ?? 0
  if (up_to_time !== undefined) {
    throughSeq = (await store.seqAtTime(up_to_time)) - 1
    if (throughSeq < Math.max(store.state.firstSeq, 1)) return answer.status(NO_RESULTS)
  }
  if (throughSeq === 0) throughSeq = store.state.lastSeq
  const filters = joinedFilters(multi_last.map((subject) => new SubjectFilter(subject)))
  const seqs = await store.lastSeqsInTurns(filters, { throughSeq, max: DIRECT_SUBJECTS_MAX })
  if (seqs === undefined) return answer.status('413 Too Many Results')
  if (seqs.length === 0) return answer.status(NO_RESULTS)
  let pending = seqs.length
  let bytes = bytesMaxOf(asked)
  let sent = 0
  let lastSeq = 0
  for (const seq of seqs) {
    pending--
    if (seq < fromSeq) continue
    const message = await store.get(seq)
    if (message === undefined) return answer.status(NOT_FOUND)
    answer.message(message, [
      ['Nats-Num-Pending', pending],
      ['Nats-Last-Sequence', lastSeq],
    ])
    lastSeq = seq
    bytes -= sizeOf(message)
    sent++
    if (bytes <= 0 || sent === batch) break
  }
  answer.status('204 EOB', [
    ['Nats-Num-Pending', pending],
    ['Nats-Last-Sequence', lastSeq],
    ['Nats-UpTo-Sequence', throughSeq],
  ])
}

/** A bound that makes no sense ends the batch behind its first message. */
function bytesMaxOf({ max_bytes = 0 }: GetRequest): number {
  if (max_bytes === 0) return DIRECT_BYTES_MAX
  return Math.max(1, Math.min(max_bytes, DIRECT_BYTES_MAX))
}

function sizeOf({ subjectBytes, headers, payload }: StoredMessage): number {
  return subjectBytes.length + headers.length + payload.length
}

class DirectAnswer {
  readonly #context: ApiContext
  readonly #reply: string
  readonly #streamName: string

  constructor(context: ApiContext, reply: string, streamName: string) {
    this.#context = context
    this.#reply = reply
    this.#streamName = streamName
  }

  nobody(subject: string): void {
    this.#context.port.publish(this.#reply, '', nobodyHeaders(subject), NO_BYTES)
  }

  status(status: string, headers: readonly Header[] = []): void {
    this.#context.port.publish(this.#reply, '', statusHeaders(status, headers), NO_BYTES)
  }

  /** @param added undefined: without any headers, its own included */
  message(message: StoredMessage, added: readonly Header[] | undefined): void {
    const headers =
      added === undefined ? NO_BYTES : withHeaderLines(message.headers, this.#lines(message, added))
    this.#context.port.publish(this.#reply, '', headers, message.payload)
  }

  #lines({ subject, seq, timeMs }: StoredMessage, added: readonly Header[]): string {
    let lines =
      `Nats-Stream: ${this.#streamName}\r\nNats-Subject: ${subject}\r\n` +
      `Nats-Sequence: ${seq}\r\nNats-Time-Stamp: ${formatTime(timeMs)}\r\n`
    for (const [name, value] of added) lines += `${name}: ${value}\r\n`
    return lines
  }
}
