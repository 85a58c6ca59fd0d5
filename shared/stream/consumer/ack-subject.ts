import { createHash } from 'node:crypto'
import { parseGoDuration } from '../go-duration.ts'
import { NS_PER_MS } from '../limits.ts'

/**
 * The reply subject of a delivered message, which is where its acknowledgement goes:
 *
 *   $JS.ACK.<domain>.<account hash>.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time ns>.<pending>
 *   $JS.ACK.<stream>.<consumer>.<the same five>                          without a domain
 *
 * The short form means "the consumer of the server I am connected to", and servers that are linked
 * may each have one of the name: an ack for the one would clear what is pending at the other. So a
 * server with a domain sends the long form, and takes nothing but what names its own domain and
 * account. Further tokens may follow the long form. Source: nats-server since 2.14 [ADR-15]; its
 * `js_ack_fc_v2` flag chooses the form there.
 */

const PREFIX = '$JS.ACK.'
/** Tokens from the stream's name on, in the short form. */
const TOKENS = 7

const HASH_LENGTH = 8
const HASH_DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

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

const PLAIN_ACK: AckRequest = { type: 'ack' }

/** The ack subjects of one account's streams. */
export class AckSubjects {
  /** What to subscribe to. */
  readonly filter: string
  readonly #prefix: string
  readonly #isLong: boolean

  /** @param domain '' for none */
  constructor(domain: string, account: string) {
    this.#isLong = domain !== ''
    this.#prefix = this.#isLong ? `${PREFIX}${domain}.${accountHash(account)}.` : PREFIX
    this.filter = this.#prefix + (this.#isLong ? '>' : Array(TOKENS).fill('*').join('.'))
  }

  /** What all replies of a consumer begin with. */
  prefixOf(stream: string, consumer: string): string {
    return `${this.#prefix}${stream}.${consumer}.`
  }

  /** undefined when the subject is none of ours. */
  parse(subject: string): AckAddress | undefined {
    if (!subject.startsWith(this.#prefix)) return undefined
    const streamEnd = subject.indexOf('.', this.#prefix.length)
    const consumerEnd = subject.indexOf('.', streamEnd + 1)
    if (streamEnd < 0 || consumerEnd < 0) return undefined
    const deliveriesEnd = subject.indexOf('.', consumerEnd + 1)
    const streamSeqEnd = subject.indexOf('.', deliveriesEnd + 1)
    const consumerSeqEnd = subject.indexOf('.', streamSeqEnd + 1)
    if (deliveriesEnd < 0 || streamSeqEnd < 0 || consumerSeqEnd < 0) return undefined
    // The time and the count of pending messages, which nobody asks for here.
    const timeEnd = subject.indexOf('.', consumerSeqEnd + 1)
    if (timeEnd < 0 || (!this.#isLong && subject.indexOf('.', timeEnd + 1) >= 0)) return undefined
    const streamSeq = numberAt(subject, deliveriesEnd + 1, streamSeqEnd)
    if (!(streamSeq > 0)) return undefined
    return {
      stream: subject.slice(this.#prefix.length, streamEnd),
      consumer: subject.slice(streamEnd + 1, consumerEnd),
      deliveries: numberAt(subject, consumerEnd + 1, deliveriesEnd),
      streamSeq,
      consumerSeq: numberAt(subject, streamSeqEnd + 1, consumerSeqEnd),
    }
  }
}

/** NaN for what is not written in digits alone. */
function numberAt(text: string, start: number, end: number): number {
  let number = start < end ? 0 : Number.NaN
  for (let i = start; i < end; i++) {
    const digit = text.charCodeAt(i) - 48
    number = digit >= 0 && digit <= 9 ? number * 10 + digit : Number.NaN
  }
  return number
}

/** The first bytes of the name's SHA-256, each as a digit of base 62: as nats-server hashes names. */
export function accountHash(account: string): string {
  const digest = createHash('sha256').update(account).digest()
  return Array.from(
    digest.subarray(0, HASH_LENGTH),
    (byte) => HASH_DIGITS[byte % HASH_DIGITS.length],
  ).join('')
}

/** undefined for a payload that is no acknowledgement: nats-server ignores those too. */
export function parseAck(payload: Uint8Array): AckRequest | undefined {
  if (payload.length === 0) return PLAIN_ACK
  // Nearly all, and so without making a string of it.
  if (payload.length === ACK.length && isAck(payload)) return PLAIN_ACK
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString()
  if (text === '+OK') return PLAIN_ACK
  if (text.startsWith(NAK)) return { type: 'nak', delayMs: nakDelayMs(text.slice(NAK.length)) }
  if (text === '+WPI') return { type: 'progress' }
  if (text.startsWith('+TERM')) return { type: 'term', reason: text.slice(5).trim() }
  if (text.startsWith('+NXT')) return { type: 'next', pull: Buffer.from(text.slice(4).trim()) }
  return undefined
}

function isAck(payload: Uint8Array): boolean {
  for (let i = 0; i < ACK.length; i++) if (payload[i] !== ACK.charCodeAt(i)) return false
  return true
}

/** `{"delay": ns}` or a duration as Go writes it; anything else means at once. */
function nakDelayMs(text: string): number {
  const trimmed = text.trim()
  if (!trimmed.startsWith('{')) return Math.max(0, (parseGoDuration(trimmed) ?? 0) / NS_PER_MS)
  try {
    const { delay } = JSON.parse(trimmed) as { delay?: unknown }
    return typeof delay === 'number' && delay > 0 ? delay / NS_PER_MS : 0
  } catch {
    return 0
  }
}
