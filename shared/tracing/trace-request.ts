import { decodeHeaders, isSampledParent } from '../wire/index.ts'

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

/** What the headers of a message ask for. */
export interface TraceRequest {
  /** All headers, as the trace shows them. */
  readonly header: ReadonlyMap<string, readonly string[]>
  /** Only `traceparent` asks: the account says where to, and how often. */
  readonly isExternal: boolean
}

/** Undefined when the headers ask for no trace. */
export function traceRequestOf(headers: Uint8Array): TraceRequest | undefined {
  const header = new Map<string, string[]>()
  let hasDestination = false
  let hasParent = false
  for (const [name, value] of decodeHeaders(headers)?.fields ?? []) {
    if (value === '') continue
    if (name === TRACE_HEADERS.destination) {
      if (!hasDestination && value === TRACE_DISABLED) return undefined
      hasDestination = true
    } else if (name.toLowerCase() === 'traceparent' && isSampledParent(value)) hasParent = true
    const values = header.get(name)
    if (values === undefined) header.set(name, [value])
    else values.push(value)
  }
  if (!hasDestination && !hasParent) return undefined
  return { header, isExternal: !hasDestination }
}

export function firstOf({ header }: TraceRequest, name: string): string {
  return header.get(name)?.[0] ?? ''
}
