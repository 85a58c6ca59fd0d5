import type { AccountLimits } from '../account-limits.ts'
import type { StreamRequest } from '../config/stream-request.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { decodeFields, parseJson } from '../json-fields.ts'
import type { PortMessage, StreamPort } from '../port.ts'
import type { Stream } from '../stream.ts'
import type { ApiAudit } from './api-audit.ts'
import type { ApiLevel } from './api-level.ts'

export const API_PREFIX = '$JS.API.'

/** What the API's handlers may do with the engine behind them. */
export interface ApiContext {
  readonly port: StreamPort
  readonly domain: string
  readonly level: ApiLevel
  readonly limits: AccountLimits
  readonly counts: { total: number; errors: number; inflight: number }
  nowMs(): number
  stream(name: string): Stream | undefined
  streams(): readonly Stream[]
  /** The stream that was there already, when it is as asked for. */
  create(request: StreamRequest): Promise<Stream>
  /** @param name the stream's in the request's subject */
  update(request: StreamRequest, name: string): Promise<Stream>
  remove(name: string): Promise<boolean>
  /** A consumer's name nobody has. */
  newName(): string
  readonly audit: ApiAudit
  advise(event: string, type: string, facts: Readonly<Record<string, unknown>>): void
}

/** One request of the API, its subject cut up. */
export interface ApiRequest {
  /** The tokens after the route's own. */
  readonly args: readonly string[]
  readonly message: PortMessage
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
  readonly handle: ApiHandler
}

/** The stream that the first token names. Throws 10059. */
export function streamOf(context: ApiContext, { args }: ApiRequest): Stream {
  const stream = context.stream(args[0] ?? '')
  if (stream === undefined) throw new JetStreamError(10059)
  return stream
}

/** `offset` of a list request. */
export function pageOf(request: ApiRequest): { offset: number; subject: string } {
  const fields = decodeFields(
    parseJson(request.message.payload),
    { offset: 'int', subject: 'string' },
    'ApiPagedRequest',
  )
  return { offset: Math.max(0, fields.offset ?? 0), subject: fields.subject ?? '' }
}

/** Requests that take nothing take an empty payload. Throws 10038. */
export function refusePayload({ message }: ApiRequest): void {
  const text = Buffer.from(message.payload).toString().trim()
  if (text !== '' && text !== '{}') throw new JetStreamError(10038)
}
