import { arenaBytes } from '../transport/index.ts'
import type { AccountSpace } from './account-space.ts'
import type { Peer, Publication } from './message.ts'

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
}

/**
 * Message tracing, as the router's inlets see it. They look for the headers that ask for it, and hand
 * a message with one over; what is not traced then is routed as usual.
 */
export interface MessageTracer {
  /** Whether `traceparent` counts in this account: it names a destination for traces. */
  followsTraceParent(account: string): boolean
  /**
   * Routes the message, or does not when only its trace is wanted, and publishes what became of it.
   * Returns how many took it, or would have; undefined when its headers ask for no trace after all.
   */
  publish(space: AccountSpace, ingress: TracedIngress, publication: Publication): number | undefined
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
