import { arenaBytes } from '../transport/index.ts'
import type { AccountSpace } from './account-space.ts'
import type { Peer, Publication, PublishOptions, Subscription } from './message.ts'

/** Where a message that may be traced came in, as trace events describe it. */
export interface TracedIngress {
  readonly peer: Peer
  /** What the client calls itself; '' for none. */
  readonly name: string
  readonly account: string
  /** What a mapping of the account made of the subject; the publication has the new one. */
  readonly mappedFrom?: string
  /** The message was refused with this -ERR text: it is traced, and goes nowhere. */
  readonly error?: string
  /** Whether the peer may publish to where the trace goes; absent: to everything. */
  mayPublish?(subject: string): boolean
  /** Sends -ERR; absent for who hears of no errors. */
  complain?(text: string): void
}

/** Collects what becomes of one message. It travels with the message, into other accounts too. */
export interface TraceSpan {
  /** Only the trace is wanted: nobody on this server gets the message. */
  readonly isOnly: boolean
  /** The subscription's peer was given the message, or not, because of `error`. */
  delivered(subscription: Subscription, account: string, error?: string): void
  /** A stream of the account stores it, under this subject. */
  captured(subscription: Subscription, account: string, subject: string): void
  /** It goes over a link, with the headers that are returned, or does not, or nothing is told from there: `error`. */
  forwarded(link: Peer, account: string, headers: Uint8Array, error?: string): Uint8Array
  /** It goes to the subscribers of another account, where it is called `to`. */
  exported(account: string, to: string): void
  /** It goes to the services of another account. */
  asked(account: string, from: string, to: string): void
}

/** nats-server's words for what a trace shows as not delivered. */
export const TRACE_ERRORS = {
  noEcho: 'Not delivered because of no echo',
  denied: 'Not delivered because subscription denies this subject',
  subscriptionClosed: 'Not delivered because subscription is closed',
  clientClosed: 'Not delivered because client is closed',
  onlyUnsupported: 'Not delivered because remote does not support message tracing',
  unsupported:
    'Message delivered but remote does not support message tracing so no trace event generated from there',
} as const

/**
 * Message tracing, as the router's inlets see it. They look for the headers that ask for it, and hand
 * a message with one over; what is not traced then is routed as usual.
 */
export interface MessageTracer {
  /** Whether `traceparent` counts in this account: it names a destination for traces. */
  followsTraceParent(account: string): boolean
  /**
   * Routes the message, or does not when only its trace is wanted, and publishes what became of it.
   * Returns how many took it, or would have; undefined when its headers ask for no trace after all,
   * and -1 when it goes nowhere and nobody is to be told of it.
   */
  publish(
    space: AccountSpace,
    ingress: TracedIngress,
    publication: Publication,
    options?: PublishOptions,
  ): number | undefined
}

/**
 * Whether arena bytes [start, end), a header block, hold a field that may ask for a trace:
 * `Nats-Trace-Dest`, or `traceparent` in any case. Every message with headers pays for this, so it looks
 * at one byte of about ten (Horspool's search): a view of the arena, for a native search, costs more.
 */
export function holdsTraceHeader(start: number, end: number, withParent: boolean): boolean {
  return (
    holdsField(start, end, TRACE_DEST, TRACE_DEST_SKIPS, 0) ||
    (withParent && holdsField(start, end, TRACE_PARENT, TRACE_PARENT_SKIPS, LOWER))
  )
}

const LF = 10
const COLON = 58
const LOWER = 32
const TRACE_DEST = Buffer.from('\nNats-Trace-Dest:')
const TRACE_PARENT = Buffer.from('\ntraceparent:')
const TRACE_DEST_SKIPS = skipsOf(TRACE_DEST, 0)
const TRACE_PARENT_SKIPS = skipsOf(TRACE_PARENT, LOWER)

function holdsField(
  start: number,
  end: number,
  field: Uint8Array,
  skips: Uint8Array,
  fold: number,
): boolean {
  const last = field.length - 1
  for (let at = start + last; at < end; ) {
    const byte = arenaBytes[at] ?? 0
    if (byte === COLON && isAt(at - last, field, fold)) return true
    at += skips[byte] ?? 1
  }
  return false
}

function isAt(start: number, field: Uint8Array, fold: number): boolean {
  if (arenaBytes[start] !== LF) return false
  for (let i = field.length - 2; i > 0; i--) {
    if (((arenaBytes[start + i] ?? 0) | fold) !== field[i]) return false
  }
  return true
}

/** By the byte where the field could end, how far on it could end next. */
function skipsOf(field: Uint8Array, fold: number): Uint8Array {
  const skips = new Uint8Array(256).fill(field.length)
  for (let i = 0; i < field.length - 1; i++) {
    const byte = field[i] ?? 0
    skips[byte] = field.length - 1 - i
    if (fold !== 0 && byte !== LF) skips[byte & ~fold] = field.length - 1 - i
  }
  return skips
}
