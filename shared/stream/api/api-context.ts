import type { AccountLimits } from '../account-limits.ts'
import type { StreamRequest } from '../config/stream-request.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { type Decoded, decodeFields, isObject, parseJson, parseOneJson } from '../json-fields.ts'
import { LONG_REQUEST_BYTES } from '../limits.ts'
import type { PortMessage, StreamPort } from '../port.ts'
import type { SnapshotDesk } from '../snapshot/snapshot-desk.ts'
import type { Stream } from '../stream.ts'
import type { ApiAudit } from './api-audit.ts'
import type { ApiLevel } from './api-level.ts'
import type { SubjectPages } from './subject-page.ts'

export const API_PREFIX = '$JS.API.'

/** What the API's handlers may do with the engine behind them. */
export interface ApiContext {
  readonly port: StreamPort
  readonly domain: string
  readonly serverName: string
  readonly level: ApiLevel
  readonly limits: AccountLimits
  readonly counts: { total: number; errors: number; inflight: number }
  nowMs(): number
  stream(name: string): Stream | undefined
  streams(): readonly Stream[]
  /** Those whose mirror or source has the name. */
  fedBy(origin: string): readonly Stream[]
  /** The stream that was there already, when it is as asked for. */
  create(request: StreamRequest): Promise<Stream>
  /** @param name the stream's in the request's subject */
  update(request: StreamRequest, name: string): Promise<Stream>
  remove(name: string): Promise<boolean>
  /** A consumer's name nobody has. */
  newName(): string
  /** Lets others have the loop, in the middle of long work. */
  turn(): Promise<void>
  readonly pages: SubjectPages
  readonly audit: ApiAudit
  readonly snapshots: SnapshotDesk
  advise(event: string, type: string, facts: Readonly<Record<string, unknown>>): void
}

/** One request of the API, its subject cut up. */
export interface ApiRequest {
  /** The tokens after the route's own. */
  readonly args: readonly string[]
  readonly message: PortMessage
  /** Whether fields that nobody knows are refused. */
  readonly isStrict: boolean
  /** Those of the answer. */
  readonly headers: (readonly [name: string, value: string])[]
}

/** Answers with the body of the response, without its `type`. */
export type ApiHandler = (
  context: ApiContext,
  request: ApiRequest,
) => Promise<Readonly<Record<string, unknown>>> | Readonly<Record<string, unknown>>

export interface ApiRoute {
  /** What follows `io.nats.jetstream.api.v1.` in the answer's type, without `_response`. */
  readonly type: string
  /** How many tokens follow the route's own; more are taken when it is the least of an open route. */
  readonly args: number
  readonly isOpen?: boolean
  /** What stands beside an error too: fields that nats-server's answers have in any case. */
  readonly zeros?: Readonly<Record<string, unknown>>
  /** Whether anybody answers at all; absent: somebody does, whatever the request names. */
  readonly isServed?: (context: ApiContext, args: readonly string[]) => boolean
  /** What is refused even before it is asked whether the account has JetStream. */
  readonly judge?: (request: ApiRequest) => void
  readonly handle: ApiHandler
}

/** Of answers that come in pages. */
export const NO_PAGE = { total: 0, offset: 0, limit: 0 }

/** The stream that the first token names. Throws 10059. */
export function streamOf(context: ApiContext, { args }: ApiRequest): Stream {
  const stream = context.stream(args[0] ?? '')
  if (stream === undefined) throw new JetStreamError(10059)
  return stream
}

/**
 * The same, with all that was published before the request: who did not wait for an answer to that asks
 * for what he published all the same.
 */
export async function settledStreamOf(context: ApiContext, request: ApiRequest): Promise<Stream> {
  const stream = streamOf(context, request)
  await stream.settled()
  return stream
}

/** The JSON of a request. Throws 10025. */
export function jsonOf({ message, isStrict }: ApiRequest): unknown {
  return parseJson(message.payload, isStrict)
}

/** The JSON of a request that may do without: what does not begin as an object or array is not looked at. */
export function optionalJson(request: ApiRequest): unknown {
  const first = request.message.payload.find((byte) => !BLANKS.has(byte))
  return first === OBJECT || first === ARRAY ? jsonOf(request) : {}
}

/** Whether a request says nothing: no payload, or an object without fields. */
export function isEmptyRequest({ message }: ApiRequest): boolean {
  if (message.payload.length === 0) return true
  try {
    const body = parseOneJson(message.payload)
    const isObjectOfNothing = isObject(body) && Object.keys(body).length === 0
    // `null` is taken for an object everywhere else.
    return isObjectOfNothing && message.payload.includes(OBJECT)
  } catch {
    return false
  }
}

/** Whether others get the loop once it was read, before what takes long, too. */
export function isLong({ message }: ApiRequest): boolean {
  return message.payload.length > LONG_REQUEST_BYTES
}

const PAGE_FIELDS = { offset: 'int' } as const
const FILTERED_PAGE_FIELDS = { offset: 'int', subject: 'string' } as const

/** `offset` of a list request, and the filter of those that have one. @param typeName in Go's texts */
export function pageOf(
  request: ApiRequest,
  typeName: string,
  isFiltered = false,
): { offset: number; subject: string } {
  const fields: Decoded<typeof FILTERED_PAGE_FIELDS> = decodeFields(
    optionalJson(request),
    isFiltered ? FILTERED_PAGE_FIELDS : PAGE_FIELDS,
    typeName,
    { struct: 'ApiPagedRequest', except: ['subject'] },
  )
  return { offset: Math.max(0, fields.offset ?? 0), subject: fields.subject ?? '' }
}

/** Requests that take nothing take an empty payload. Throws 10038. */
export function refusePayload(request: ApiRequest): void {
  if (!isEmptyRequest(request)) throw new JetStreamError(10038)
}

const BLANKS: ReadonlySet<number> = new Set(Buffer.from(' \t\r\n'))
const OBJECT = 123
const ARRAY = 91
