import { type BatchHeaders, batchHeadersOf } from '../batch/batch-headers.ts'

/** What a publisher asks of the stream with its headers; undefined for what was not sent. */
export interface PublishHeaders {
  readonly msgId: string | undefined
  readonly expectedStream: string | undefined
  readonly expectedLastMsgId: string | undefined
  /** UNREADABLE is no sequence, and so never the one that is expected. */
  readonly expectedLastSeq: number | undefined
  readonly expectedLastSubjectSeq: number | undefined
  /** May hold wildcards; the message's own subject when undefined. */
  readonly expectedSubject: string | undefined
  /** In lower case; `sub` and `all` are the ones that mean something. */
  readonly rollup: string | undefined
  readonly ttl: string | undefined
  readonly increment: string | undefined
  readonly schedule: ScheduleHeaders | undefined
  /** The subject of the schedule that this message comes from, or is to end. */
  readonly scheduler: string | undefined
  readonly scheduleNext: string | undefined
  /** Another account's import told who asks: that is not stored. */
  readonly isForwarded: boolean
  /** Where a stream that sources says that a message came from. */
  readonly source: string | undefined
  /** The atomic batch that it is part of. */
  readonly batch: BatchHeaders | undefined
}

/** `Nats-Schedule` and its kin, as they were sent. */
export interface ScheduleHeaders {
  readonly pattern: string
  readonly timeZone: string | undefined
  readonly target: string
  readonly source: string
  readonly ttl: string
  readonly rollup: string
}

export const UNREADABLE = -1

/** Of a message that asks nothing. */
export const NOTHING_ASKED: PublishHeaders = {
  msgId: undefined,
  expectedStream: undefined,
  expectedLastMsgId: undefined,
  expectedLastSeq: undefined,
  expectedLastSubjectSeq: undefined,
  expectedSubject: undefined,
  rollup: undefined,
  ttl: undefined,
  increment: undefined,
  schedule: undefined,
  scheduler: undefined,
  scheduleNext: undefined,
  source: undefined,
  isForwarded: false,
  batch: undefined,
}

export function parsePublishHeaders(headers: Uint8Array): PublishHeaders {
  if (headers.length === 0) return NOTHING_ASKED
  const found = natsHeaders(headers)
  if (found === undefined) return NOTHING_ASKED
  return {
    msgId: found.get('Nats-Msg-Id') || undefined,
    expectedStream: found.get('Nats-Expected-Stream') || undefined,
    expectedLastMsgId: found.get('Nats-Expected-Last-Msg-Id') || undefined,
    expectedLastSeq: sequence(found, 'Nats-Expected-Last-Sequence'),
    expectedLastSubjectSeq: sequence(found, 'Nats-Expected-Last-Subject-Sequence'),
    expectedSubject: found.get('Nats-Expected-Last-Subject-Sequence-Subject') || undefined,
    rollup: found.get('Nats-Rollup')?.toLowerCase() || undefined,
    ttl: found.get('Nats-TTL') || undefined,
    increment: found.get('Nats-Incr') || undefined,
    schedule: scheduleHeaders(found),
    scheduler: found.get('Nats-Scheduler') || undefined,
    scheduleNext: found.get('Nats-Schedule-Next') || undefined,
    source: found.get('Nats-Stream-Source') || undefined,
    isForwarded: found.has('Nats-Request-Info'),
    batch: batchHeadersOf(found),
  }
}

/** A time zone is judged also where there is no pattern. */
function scheduleHeaders(found: ReadonlyMap<string, string>): ScheduleHeaders | undefined {
  const pattern = found.get('Nats-Schedule') ?? ''
  const timeZone = found.get('Nats-Schedule-Time-Zone')
  if (pattern === '' && timeZone === undefined) return undefined
  return {
    pattern,
    timeZone,
    target: found.get('Nats-Schedule-Target') ?? '',
    source: found.get('Nats-Schedule-Source') ?? '',
    ttl: found.get('Nats-Schedule-TTL') ?? '',
    rollup: found.get('Nats-Schedule-Rollup') ?? '',
  }
}

/** The message id alone, '' when there is none: for recovery. */
export function messageIdOf(headers: Uint8Array): string {
  return natsHeaders(headers)?.get('Nats-Msg-Id') ?? ''
}

const LF = 10
const CR = 13
const COLON = 58
const SPACE = 32
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
        if (!found.has(name)) found.set(name, text(bytes, colon + 1, end))
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

/** Spaces before a value are no part of it, those behind it are. */
function text(bytes: Uint8Array, from: number, end: number): string {
  let start = from
  while (start < end && bytes[start] === SPACE) start++
  const stop = bytes[end - 1] === CR ? end - 1 : end
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, stop - start).toString()
}

function sequence(found: ReadonlyMap<string, string>, name: string): number | undefined {
  const value = found.get(name)
  if (value === undefined || value === '') return undefined
  return /^\d+$/.test(value) ? Number(value) : UNREADABLE
}
