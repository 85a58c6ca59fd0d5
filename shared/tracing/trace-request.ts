import {
  decodeHeaders,
  filledHeaderValue,
  type HeaderField,
  hasSampledParent,
  leadingHeaders,
} from '../wire/index.ts'
import { TRACE_FIELDS_MAX, TRACE_HEADER_BYTES_MAX } from './limits.ts'

/** nats-server's headers for tracing [ADR-41]. */
export const TRACE_HEADERS = {
  destination: 'Nats-Trace-Dest',
  only: 'Nats-Trace-Only',
  hop: 'Nats-Trace-Hop',
  originAccount: 'Nats-Trace-Origin-Account',
  acceptEncoding: 'Accept-Encoding',
  contentEncoding: 'Content-Encoding',
} as const

/** In place of a destination: other servers are not to trace. No subject can be like that. */
export const TRACE_DISABLED = 'trace disabled'

/** What the headers of a message ask for; '' for what they do not say. */
export interface TraceRequest {
  /** The headers, as the trace shows them. */
  readonly header: ReadonlyMap<string, readonly string[]>
  /** Only `traceparent` asks: the account says where to, and how often. */
  readonly isExternal: boolean
  readonly destination: string
  readonly only: string
  readonly hop: string
  readonly originAccount: string
  readonly acceptEncoding: string
}

/**
 * Undefined when the headers ask for no trace. Their sender may write as many as a message may be long:
 * what decides is searched for natively, and what is shown is bounded.
 */
export function traceRequestOf(headers: Uint8Array): TraceRequest | undefined {
  const firstOf = (name: string): string => filledHeaderValue(headers, name, TRACE_FIELDS_MAX)
  const destination = firstOf(TRACE_HEADERS.destination)
  if (destination === TRACE_DISABLED) return undefined
  if (destination === '' && !hasSampledParent(headers)) return undefined
  const leading = decodeHeaders(leadingHeaders(headers, TRACE_HEADER_BYTES_MAX))
  if (leading === undefined) return undefined
  const request = {
    isExternal: destination === '',
    destination,
    only: firstOf(TRACE_HEADERS.only),
    hop: firstOf(TRACE_HEADERS.hop),
    originAccount: firstOf(TRACE_HEADERS.originAccount),
    acceptEncoding: firstOf(TRACE_HEADERS.acceptEncoding),
  }
  return { header: shownHeader(leading.fields, request), ...request }
}

/** What reads a trace puts its parts together by the hop: that is shown wherever it stands. */
function shownHeader(
  fields: readonly HeaderField[],
  { destination, only, hop }: Omit<TraceRequest, 'header'>,
): Map<string, string[]> {
  const header = new Map<string, string[]>()
  for (const [name, value] of fields) {
    if (value === '') continue
    const values = header.get(name)
    if (values === undefined) header.set(name, [value])
    else values.push(value)
  }
  const own = [
    [TRACE_HEADERS.destination, destination],
    [TRACE_HEADERS.only, only],
    [TRACE_HEADERS.hop, hop],
  ] as const
  for (const [name, value] of own) {
    if (value !== '' && !header.has(name)) header.set(name, [value])
  }
  return header
}
