import { createHash } from 'node:crypto'
import { parseGoDuration } from '../go-duration.ts'
import { NO_BYTES } from '../headers.ts'
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
const FLOW_PREFIX = '$JS.FC.'
/** Tokens from the stream's name on, in the short form. */
const TOKENS = 7

const DOT = 46
const ZERO = 48

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
  /** Says nothing of the message, and is answered all the same. */
  | { readonly type: 'other' }

const PLAIN_ACK: AckRequest = { type: 'ack' }
const OTHER: AckRequest = { type: 'other' }

/** Where the long form names a domain and there is none. */
const NO_DOMAIN = '_'

/**
 * The forms in which acks of an account come in, of which the first goes out. A server without a domain
 * takes both: it may have sent the other one before it was started with another configuration.
 * @param isNamed whether also a server without a domain sends the long form, and questions of flow control
 */
export function ackForms(
  domain: string,
  account: string,
  isNamed: boolean,
): readonly [sent: AckSubjects, ...others: AckSubjects[]] {
  if (domain !== '') return [new AckSubjects(domain, account, isNamed)]
  const long = new AckSubjects(NO_DOMAIN, account, isNamed)
  const short = new AckSubjects('', account)
  return isNamed ? [long, short] : [short, long]
}

/** The ack subjects of one account's streams. */
export class AckSubjects {
  /** What to subscribe to. */
  readonly filter: string
  readonly #prefix: string
  readonly #prefixBytes: Uint8Array
  readonly #flowPrefix: string
  readonly #isLong: boolean
  /** What the last subject began with, up to its numbers: most begin like the one before. */
  #known: Uint8Array = NO_BYTES
  /** Written anew for each subject: an ack is too small a thing to make another for it. */
  readonly #address = { stream: '', consumer: '', deliveries: 0, streamSeq: 0, consumerSeq: 0 }

  /** @param domain '' for none */
  constructor(domain: string, account: string, isFlowNamed = false) {
    this.#flowPrefix = isFlowNamed
      ? `${FLOW_PREFIX}${domain}.${accountHash(account)}.`
      : FLOW_PREFIX
    this.#isLong = domain !== ''
    this.#prefix = this.#isLong ? `${PREFIX}${domain}.${accountHash(account)}.` : PREFIX
    this.#prefixBytes = Buffer.from(this.#prefix)
    this.filter = this.#prefix + (this.#isLong ? '>' : Array(TOKENS).fill('*').join('.'))
  }

  /** What all replies of a consumer begin with. */
  prefixOf(stream: string, consumer: string): string {
    return `${this.#prefix}${stream}.${consumer}.`
  }

  /** The same of its questions of flow control. */
  flowPrefixOf(stream: string, consumer: string): string {
    return `${this.#flowPrefix}${stream}.${consumer}.`
  }

  /** undefined when the subject is none of ours; else it is valid until the next one is parsed. */
  parse(subject: Uint8Array): AckAddress | undefined {
    if (!startsWith(subject, this.#known) || this.#known.length === 0) {
      if (!this.#learn(subject)) return undefined
    }
    const deliveriesEnd = tokenEnd(subject, this.#known.length)
    const streamSeqEnd = tokenEnd(subject, deliveriesEnd + 1)
    const consumerSeqEnd = tokenEnd(subject, streamSeqEnd + 1)
    // The time and the count of pending messages, which nobody asks for here.
    const timeEnd = tokenEnd(subject, consumerSeqEnd + 1)
    if (timeEnd >= subject.length) return undefined
    if (!this.#isLong && tokenEnd(subject, timeEnd + 1) < subject.length) return undefined
    const address = this.#address
    address.streamSeq = numberAt(subject, deliveriesEnd + 1, streamSeqEnd)
    if (!(address.streamSeq >= 0)) return undefined
    address.deliveries = numberAt(subject, this.#known.length, deliveriesEnd)
    address.consumerSeq = numberAt(subject, streamSeqEnd + 1, consumerSeqEnd)
    return address
  }

  /** Remembers what the subject begins with; false when that is none of ours. */
  #learn(subject: Uint8Array): boolean {
    const start = this.#prefixBytes.length
    if (!startsWith(subject, this.#prefixBytes)) return false
    const streamEnd = tokenEnd(subject, start)
    const consumerEnd = tokenEnd(subject, streamEnd + 1)
    if (consumerEnd >= subject.length) return false
    this.#known = Uint8Array.from(subject.subarray(0, consumerEnd + 1))
    const names = Buffer.from(this.#known)
    this.#address.stream = names.toString('utf8', start, streamEnd)
    this.#address.consumer = names.toString('utf8', streamEnd + 1, consumerEnd)
    return true
  }
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  if (bytes.length < prefix.length) return false
  // From the end: consumers of one stream differ there.
  for (let i = prefix.length - 1; i >= 0; i--) if (bytes[i] !== prefix[i]) return false
  return true
}

/** Where the token that begins at `start` ends: at a dot, or at the end of all. */
function tokenEnd(bytes: Uint8Array, start: number): number {
  let at = start
  while (at < bytes.length && bytes[at] !== DOT) at++
  return at
}

/** NaN for what is not written in digits alone. */
function numberAt(bytes: Uint8Array, start: number, end: number): number {
  let number = start < end ? 0 : Number.NaN
  for (let i = start; i < end; i++) {
    const digit = (bytes[i] ?? 0) - ZERO
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

/** As nats-server takes them: nothing may stand before or behind the words that take no more. */
export function parseAck(payload: Uint8Array): AckRequest {
  if (payload.length === 0) return PLAIN_ACK
  // Nearly all, and so without making a string of it.
  if (payload.length === ACK.length && isAck(payload)) return PLAIN_ACK
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString()
  if (text === '+OK') return PLAIN_ACK
  if (text.startsWith(NAK)) return { type: 'nak', delayMs: nakDelayMs(text.slice(NAK.length)) }
  if (text === '+WPI') return { type: 'progress' }
  if (text.startsWith('+TERM')) return { type: 'term', reason: text.slice(5).trim() }
  if (text.startsWith('+NXT')) return { type: 'next', pull: Buffer.from(text.slice(4).trim()) }
  return OTHER
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
