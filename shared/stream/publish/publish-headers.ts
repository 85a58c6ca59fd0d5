import { JetStreamError } from '../jetstream-error.ts'
import { HEADER_BYTES_MAX } from '../limits.ts'

/** What a publisher asks of the stream with its headers; undefined for what was not sent. */
export interface PublishHeaders {
  readonly msgId: string | undefined
  readonly expectedStream: string | undefined
  readonly expectedLastMsgId: string | undefined
  readonly expectedLastSeq: number | undefined
  readonly expectedLastSubjectSeq: number | undefined
  /** May hold wildcards; the message's own subject when undefined. */
  readonly expectedSubject: string | undefined
  readonly rollup: 'sub' | 'all' | undefined
}

const NONE: PublishHeaders = {
  msgId: undefined,
  expectedStream: undefined,
  expectedLastMsgId: undefined,
  expectedLastSeq: undefined,
  expectedLastSubjectSeq: undefined,
  expectedSubject: undefined,
  rollup: undefined,
}

/** Headers of features that no stream has yet: the error that a stream without them answers. */
const DISABLED: Readonly<Record<string, number>> = {
  'Nats-TTL': 10166,
  'Nats-Incr': 10168,
  'Nats-Batch-Id': 10174,
  'Nats-Schedule': 10188,
}

/** Throws 10097, 10111, 10193, or what a stream without a feature says to its header. */
export function parsePublishHeaders(headers: Uint8Array): PublishHeaders {
  if (headers.length === 0) return NONE
  if (headers.length > HEADER_BYTES_MAX) throw new JetStreamError(10097)
  const found = natsHeaders(headers)
  if (found === undefined) return NONE
  for (const [name, errCode] of Object.entries(DISABLED)) {
    if (found.has(name)) throw new JetStreamError(errCode)
  }
  const rollup = found.get('Nats-Rollup')
  if (rollup !== undefined && rollup !== 'sub' && rollup !== 'all') {
    throw new JetStreamError(10111, `rollup value invalid: ${JSON.stringify(rollup)}`)
  }
  const expectedSubject = found.get('Nats-Expected-Last-Subject-Sequence-Subject')
  const expectedLastSubjectSeq = number(found, 'Nats-Expected-Last-Subject-Sequence')
  if (expectedSubject !== undefined && expectedLastSubjectSeq === undefined) {
    throw new JetStreamError(10193)
  }
  return {
    msgId: found.get('Nats-Msg-Id') || undefined,
    expectedStream: found.get('Nats-Expected-Stream') || undefined,
    expectedLastMsgId: found.get('Nats-Expected-Last-Msg-Id') || undefined,
    expectedLastSeq: number(found, 'Nats-Expected-Last-Sequence'),
    expectedLastSubjectSeq,
    expectedSubject,
    rollup,
  }
}

/** The message id alone, '' when there is none: for recovery. */
export function messageIdOf(headers: Uint8Array): string {
  return natsHeaders(headers)?.get('Nats-Msg-Id') ?? ''
}

const LF = 10
const CR = 13
const COLON = 58
const PREFIX = Buffer.from('Nats-')
const LINE_PREFIX = Buffer.from('\nNats-')

/** The first value of each header whose name begins with `Nats-`; undefined when there is none. */
function natsHeaders(headers: Uint8Array): ReadonlyMap<string, string> | undefined {
  // Nearly all headers are others' own, and one search in native code tells.
  if (Buffer.prototype.indexOf.call(headers, LINE_PREFIX) < 0) return undefined
  let found: Map<string, string> | undefined
  const bytes = headers
  for (let line = bytes.indexOf(LF) + 1; line > 0 && line < bytes.length; ) {
    const next = bytes.indexOf(LF, line)
    const end = next < 0 ? bytes.length : next
    if (startsWithPrefix(bytes, line)) {
      const colon = bytes.indexOf(COLON, line)
      if (colon > 0 && colon < end) {
        const name = text(bytes, line, colon)
        found ??= new Map()
        if (!found.has(name)) found.set(name, text(bytes, colon + 1, end).trim())
      }
    }
    line = end + 1
  }
  return found
}

function startsWithPrefix(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < PREFIX.length; i++) if (bytes[at + i] !== PREFIX[i]) return false
  return true
}

function text(bytes: Uint8Array, start: number, end: number): string {
  const stop = bytes[end - 1] === CR ? end - 1 : end
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, stop - start).toString()
}

function number(found: ReadonlyMap<string, string>, name: string): number | undefined {
  const value = found.get(name)
  return value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined
}
