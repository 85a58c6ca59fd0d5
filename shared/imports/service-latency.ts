import type { ExportConfig } from '../config/index.ts'
import type { Random } from '../runtime/index.ts'
import { decodeHeaders, type HeaderField, isSampledParent, leadingHeaders } from '../wire/index.ts'
import type { ClientInfo } from './client-info.ts'
import { LATENCY_HEADER_BYTES_MAX } from './limits.ts'

/**
 * Latency of exported services: which requests are measured, and what is published of them. Source:
 * nats-server's server/accounts.go (shouldSample, ServiceLatency), ADR-3.
 */
export interface Sample {
  /** The headers that asked for it; shown in the measurement. */
  readonly header: Readonly<Record<string, readonly string[]>> | undefined
  /** Wall time and monotonic time of the request. */
  readonly startedWallMs: number
  readonly startedMs: number
}

export const LATENCY_TYPE = 'io.nats.server.metric.v1.service_latency'

export const LATENCY_FAILURES = {
  badRequest: [400, 'Bad Request'],
  abandoned: [408, 'Request Timeout'],
  unavailable: [503, 'Service Unavailable'],
  timeout: [504, 'Service Timeout'],
} as const

/** Undefined when the request is not to be measured; else the headers that decided it, if any did. */
export function sampledBy(
  latency: ExportConfig['latency'],
  headers: Uint8Array,
  random: Random,
): { readonly header: Sample['header'] } | undefined {
  if (latency === undefined) return undefined
  const { sampling } = latency
  if (sampling >= 100 || (sampling > 0 && random.below(100) < sampling))
    return { header: undefined }
  if (headers.length === 0) return undefined
  const leading = leadingHeaders(headers, LATENCY_HEADER_BYTES_MAX)
  const fields = decodeHeaders(leading)?.fields ?? []
  const header = headerOf(fields)
  return header === undefined ? undefined : { header }
}

/** A measurement: durations in milliseconds. */
export interface Measurement {
  readonly requestor: ClientInfo | undefined
  readonly responder: ClientInfo | undefined
  readonly header: Sample['header']
  readonly startMs: number
  readonly serviceMs: number
  readonly systemMs: number
  readonly totalMs: number
}

export function latencyEvent(
  id: string,
  wallMs: number,
  failure: readonly [status: number, text: string] | undefined,
  measurement: Measurement,
): string {
  const [status, description] = failure ?? [200, undefined]
  const { requestor, responder, header, startMs, serviceMs, systemMs, totalMs } = measurement
  return JSON.stringify({
    type: LATENCY_TYPE,
    id,
    timestamp: new Date(wallMs).toISOString(),
    status,
    description,
    requestor,
    responder,
    header,
    start: new Date(startMs).toISOString(),
    service: nanoseconds(serviceMs),
    system: nanoseconds(systemMs),
    total: nanoseconds(totalMs),
  })
}

function nanoseconds(ms: number): number {
  return Math.max(Math.round(ms * 1e6), 0)
}

/** The trace headers of the systems that nats-server knows; those that say yes are returned. */
function headerOf(fields: readonly HeaderField[]): Sample['header'] {
  const uber = valueIn(fields, 'Uber-Trace-Id')
  if (uber !== undefined) {
    const flags = uber.split(':')
    if (flags.length !== 4 || !/^[0-9a-f]{1,2}$/i.test(flags[3] ?? '')) return undefined
    if ((Number.parseInt(flags[3] ?? '', 16) & 1) === 0) return undefined
    const baggage = fields.filter(([name]) => canonical(name).startsWith('Uberctx-'))
    return grouped([['Uber-Trace-Id', uber], ...baggage])
  }
  const sampled = valueIn(fields, 'X-B3-Sampled')
  if (sampled === '0') return undefined
  if (sampled === '1' || valueIn(fields, 'X-B3-TraceId') !== undefined) {
    const names = ['X-B3-Sampled', 'X-B3-Traceid', 'X-B3-Parentspanid', 'X-B3-Spanid']
    return grouped(fields.filter(([name]) => names.includes(canonical(name))))
  }
  const b3 = valueIn(fields, 'B3')
  if (b3 !== undefined) {
    const parts = b3.split('-')
    const isDenied = parts.length > 2 ? parts[2] === '0' : parts.length === 1 && b3 === '0'
    return isDenied ? undefined : { B3: [b3] }
  }
  const parent = valueIn(fields, 'Traceparent')
  if (parent === undefined || !isSampledParent(parent)) return undefined
  const state = fields.filter(([name]) => canonical(name) === 'Tracestate')
  return grouped([['Traceparent', parent], ...state])
}

function valueIn(fields: readonly HeaderField[], name: string): string | undefined {
  const wanted = name.toLowerCase()
  return fields.find(([it]) => it.length === name.length && it.toLowerCase() === wanted)?.[1]
}

/** `traceparent` as `Traceparent`: the form that Go gives header names. */
function canonical(name: string): string {
  return name
    .toLowerCase()
    .split('-')
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1))
    .join('-')
}

function grouped(fields: readonly HeaderField[]): Record<string, string[]> {
  const values: Record<string, string[]> = {}
  for (const [name, value] of fields) {
    const key = canonical(name)
    const known = Object.hasOwn(values, key) ? values[key] : undefined
    if (known === undefined)
      Object.defineProperty(values, key, { value: [value], enumerable: true })
    else known.push(value)
  }
  return values
}
