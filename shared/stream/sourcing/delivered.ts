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
const DOMAIN_TOKENS = 2
const NS_DIGITS = String(NS_PER_MS).length - 1

/** undefined for what no consumer has sent. */
export function parseDelivered(reply: string): Delivered | undefined {
  if (!reply.startsWith(PREFIX)) return undefined
  const tokens = reply.split('.')
  if (tokens.length !== SHORT_TOKENS && tokens.length < LONG_TOKENS) return undefined
  const from = tokens.length === SHORT_TOKENS ? 3 : 3 + DOMAIN_TOKENS
  const [consumer = '', deliveries, streamSeq, consumerSeq, time = '', pending] = tokens.slice(from)
  const delivered = {
    consumer,
    deliveries: Number(deliveries),
    streamSeq: Number(streamSeq),
    consumerSeq: Number(consumerSeq),
    timeMs: Number(time.slice(0, -NS_DIGITS)) + Number(time.slice(-NS_DIGITS)) / NS_PER_MS,
    pending: Number(pending),
  }
  const { consumer: _, timeMs, ...counts } = delivered
  const isWhole = Object.values(counts).every((count) => Number.isSafeInteger(count) && count >= 0)
  if (!isWhole || !(timeMs >= 0) || delivered.streamSeq === 0) return undefined
  return delivered
}
