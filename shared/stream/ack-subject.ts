/**
 * The reply subject of a delivered message, which is where its acknowledgement goes:
 *
 *   $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time ns>.<pending>
 *   $JS.ACK.<domain>.<account hash>.<the same seven>[.<random>]           (2.14's longer form)
 *
 * We send the first and take both.
 */
import { NS_PER_MS } from './limits.ts'
import { nanosText } from './timestamp.ts'

export const ACK_SUBJECTS = [
  '$JS.ACK.*.*.*.*.*.*.*',
  '$JS.ACK.*.*.*.*.*.*.*.*.*',
  '$JS.ACK.*.*.*.*.*.*.*.*.*.>',
] as const

const ACK = '+ACK'
const NAK = '-NAK'

export interface AckAddress {
  readonly stream: string
  readonly consumer: string
  readonly deliveries: number
  readonly streamSeq: number
  readonly consumerSeq: number
}

export type AckRequest =
  | { readonly type: 'ack' }
  | { readonly type: 'nak'; readonly delayMs: number }
  | { readonly type: 'progress' }
  | { readonly type: 'term'; readonly reason: string }
  /** Acknowledges and asks for more: what follows is a pull request for the ack's reply subject. */
  | { readonly type: 'next'; readonly pull: Uint8Array }

export function ackSubject(
  prefix: string,
  deliveries: number,
  streamSeq: number,
  consumerSeq: number,
  timeMs: number,
  pending: number,
): string {
  const time = nanosText(timeMs)
  return `${prefix}${deliveries}.${streamSeq}.${consumerSeq}.${time}.${pending}`
}

/** undefined when the subject is none of ours. */
export function parseAckSubject(subject: string): AckAddress | undefined {
  const tokens = subject.split('.')
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK') return undefined
  if (tokens.length !== 9 && tokens.length < 11) return undefined
  const at = tokens.length === 9 ? 2 : 4
  const [stream, consumer, deliveries, streamSeq, consumerSeq] = tokens.slice(at, at + 5)
  if (stream === undefined || consumer === undefined) return undefined
  const address = {
    stream,
    consumer,
    deliveries: Number(deliveries),
    streamSeq: Number(streamSeq),
    consumerSeq: Number(consumerSeq),
  }
  return address.streamSeq > 0 && Number.isInteger(address.streamSeq) ? address : undefined
}

/** undefined for a payload that is no acknowledgement: nats-server ignores those too. */
export function parseAck(payload: Uint8Array): AckRequest | undefined {
  if (payload.length === 0) return { type: 'ack' }
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString()
  if (text === ACK || text === '+OK') return { type: 'ack' }
  if (text.startsWith(NAK)) return { type: 'nak', delayMs: nakDelayMs(text.slice(NAK.length)) }
  if (text === '+WPI') return { type: 'progress' }
  if (text.startsWith('+TERM')) return { type: 'term', reason: text.slice(5).trim() }
  if (text.startsWith('+NXT')) return { type: 'next', pull: Buffer.from(text.slice(4).trim()) }
  return undefined
}

/** `{"delay": ns}`; anything else means at once. */
function nakDelayMs(text: string): number {
  const trimmed = text.trim()
  if (!trimmed.startsWith('{')) return 0
  try {
    const { delay } = JSON.parse(trimmed) as { delay?: unknown }
    return typeof delay === 'number' && delay > 0 ? delay / NS_PER_MS : 0
  } catch {
    return 0
  }
}
