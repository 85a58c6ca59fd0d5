/** What the reply subject of a message says of it; see consumer/ack-subject.ts for how it is drawn. */
import { NS_PER_MS } from '../limits.ts'

export interface Delivered {
  readonly consumer: string
  readonly deliveries: number
  readonly streamSeq: number
  readonly consumerSeq: number
  readonly timeMs: number
  readonly pending: number
}

const PREFIX = '$JS.ACK.'
const SHORT_TOKENS = 9
const LONG_TOKENS = 11
/** More than these are not looked at. */
const TOKENS_MAX = 16
const NS_DIGITS = String(NS_PER_MS).length - 1
const ZERO = 48

/** Where each token ends; written anew by each call. */
const ends = new Int32Array(TOKENS_MAX)

/** undefined for what no consumer has sent. */
export function parseDelivered(reply: string): Delivered | undefined {
  if (!reply.startsWith(PREFIX)) return undefined
  const tokens = splitAt(reply)
  if (tokens !== SHORT_TOKENS && tokens < LONG_TOKENS) return undefined
  const first = tokens === SHORT_TOKENS ? 3 : LONG_TOKENS - SHORT_TOKENS + 3
  const deliveries = count(reply, startOf(first + 1), endOf(first + 1))
  const streamSeq = count(reply, startOf(first + 2), endOf(first + 2))
  const consumerSeq = count(reply, startOf(first + 3), endOf(first + 3))
  const wholeEnd = Math.max(startOf(first + 4), endOf(first + 4) - NS_DIGITS)
  const wholeMs = count(reply, startOf(first + 4), wholeEnd)
  const nanos = count(reply, wholeEnd, endOf(first + 4))
  const pending = count(reply, startOf(first + 5), endOf(first + 5))
  const least = Math.min(deliveries, streamSeq - 1, consumerSeq, wholeMs, nanos, pending)
  if (least < 0) return undefined
  const consumer = reply.slice(startOf(first), endOf(first))
  return {
    consumer,
    deliveries,
    streamSeq,
    consumerSeq,
    timeMs: wholeMs + nanos / NS_PER_MS,
    pending,
  }
}

/** Returns how many tokens there are, TOKENS_MAX at most. */
function splitAt(reply: string): number {
  let tokens = 0
  for (let at = 0; tokens < TOKENS_MAX; at++) {
    const dot = reply.indexOf('.', at)
    ends[tokens++] = dot < 0 ? reply.length : dot
    if (dot < 0) break
    at = dot
  }
  return tokens
}

function endOf(token: number): number {
  return ends[token] ?? 0
}

function startOf(token: number): number {
  return endOf(token - 1) + 1
}

/** -1 for what is no count. */
function count(text: string, from: number, end: number): number {
  let value = 0
  for (let i = from; i < end; i++) {
    const digit = text.charCodeAt(i) - ZERO
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : -1
}
