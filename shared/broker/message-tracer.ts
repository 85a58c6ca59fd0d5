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
 * `Nats-Trace-Dest`, or `traceparent` in any case. Looks at the first bytes of each line only.
 */
export function holdsTraceHeader(start: number, end: number, withParent: boolean): boolean {
  for (let at = start; at < end; at++) {
    if (arenaBytes[at] !== LF) continue
    const first = arenaBytes[at + 1] ?? 0
    if (first === TRACE_DEST[0]) {
      if (isField(at + 1, end, TRACE_DEST, 0)) return true
    } else if (withParent && (first | LOWER) === TRACE_PARENT[0]) {
      if (isField(at + 1, end, TRACE_PARENT, LOWER)) return true
    }
  }
  return false
}

const LF = 10
const LOWER = 32
const COLON = 58
const TRACE_DEST = Buffer.from('Nats-Trace-Dest')
const TRACE_PARENT = Buffer.from('traceparent')

function isField(start: number, end: number, name: Uint8Array, fold: number): boolean {
  const { length } = name
  if (start + length >= end || arenaBytes[start + length] !== COLON) return false
  for (let i = 0; i < length; i++) {
    if (((arenaBytes[start + i] ?? 0) | fold) !== name[i]) return false
  }
  return true
}
