/**
 * Counters [ADR-49]: each message of a counter stream adds to the total of its subject, and what is
 * stored is the new total. Totals are kept with the sequence that they are of, so that whatever
 * removes or replaces the last message of a subject is seen when the next one comes: then that
 * message is read first, and who publishes waits for it in line.
 */
import type { StoredMessage } from '../../store/index.ts'
import { headerValue, withHeader } from '../headers.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { COUNTERS_CACHED_MAX } from '../limits.ts'

/** By stream and subject of origin: the total that came from there last. */
type Sources = Readonly<Record<string, Readonly<Record<string, string>>>>

interface Total {
  readonly seq: number
  /** undefined: the message is no counter's. */
  readonly value: bigint | undefined
  readonly sources: Sources | undefined
}

export interface Counted {
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  /** As PubAck says it. */
  readonly value: string
  readonly total: Omit<Total, 'seq'>
}

const NO_TOTAL: Total = { seq: 0, value: 0n, sources: undefined }

export class Counters {
  readonly #totals = new Map<string, Total>()

  /** Whether the message with this sequence, the last of its subject, has to be read first. */
  isMissing(subject: string, lastSeq: number): boolean {
    return lastSeq > 0 && this.#totals.get(subject)?.seq !== lastSeq
  }

  /** @param message what is stored under `seq`; undefined when it is gone meanwhile */
  learn(subject: string, seq: number, message: StoredMessage | undefined): void {
    this.#set(subject, message === undefined ? { ...NO_TOTAL, seq } : totalOf(message))
  }

  /**
   * What is stored for a message that adds `increment`. Throws 10172.
   * @param lastSeq the last sequence of its subject
   */
  count(subject: string, lastSeq: number, headers: Uint8Array, increment: bigint): Counted {
    const { value, sources } = this.#totalAt(subject, lastSeq)
    return counted(headers, value + increment, sources)
  }

  /**
   * The same for a message of another stream, whose payload is the total over there: only what it has
   * grown by since the last one from there is added, so that it can come again, or late.
   * @param source its `Nats-Stream-Source`
   */
  countSourced(
    subject: string,
    lastSeq: number,
    message: { readonly headers: Uint8Array; readonly payload: Uint8Array },
    source: string,
  ): Counted {
    const { value, sources } = this.#totalAt(subject, lastSeq)
    const [stream = '', , , , origin = subject] = source.split(' ')
    const there = countOf(message.payload)
    if (there === undefined) throw new JetStreamError(10172)
    const before = toBigInt(sources?.[stream]?.[origin] ?? '')
    const grown = there - before
    const now = { ...sources, [stream]: { ...sources?.[stream], [origin]: String(there) } }
    return counted(withHeader(message.headers, 'Nats-Incr', String(grown)), value + grown, now)
  }

  /** What was counted has its sequence. */
  staged(subject: string, seq: number, { total }: Counted): void {
    this.#set(subject, { ...total, seq })
  }

  /** A commit failed: what is on disk has to be looked at again. */
  undone(subject: string): void {
    this.#totals.delete(subject)
  }

  #totalAt(
    subject: string,
    lastSeq: number,
  ): { readonly value: bigint; readonly sources: Sources | undefined } {
    const { value, sources } = lastSeq === 0 ? NO_TOTAL : (this.#totals.get(subject) ?? NO_TOTAL)
    if (value === undefined) throw new JetStreamError(10172)
    return { value, sources }
  }

  #set(subject: string, total: Total): void {
    this.#totals.delete(subject)
    this.#totals.set(subject, total)
    if (this.#totals.size <= COUNTERS_CACHED_MAX) return
    for (const oldest of this.#totals.keys()) {
      this.#totals.delete(oldest)
      break
    }
  }
}

/** undefined when it is no number; the text is any number of digits. */
export function parseIncrement(text: string): bigint | undefined {
  if (!/^[-+]?\d+$/.test(text)) return undefined
  return text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text.replace('+', ''))
}

function counted(headers: Uint8Array, value: bigint, sources: Sources | undefined): Counted {
  const text = String(value)
  const payload = Buffer.from(`{"val":"${text}"}`)
  if (sources === undefined) {
    // A publisher may have sent this header itself: the next one is counted on what it says.
    return { headers, payload, value: text, total: totalOf({ seq: 0, headers, payload }) }
  }
  return {
    headers: withHeader(headers, 'Nats-Counter-Sources', JSON.stringify(sources)),
    payload,
    value: text,
    total: { value, sources },
  }
}

function totalOf({
  seq,
  headers,
  payload,
}: Pick<StoredMessage, 'seq' | 'headers' | 'payload'>): Total {
  const broken = { seq, value: undefined, sources: undefined }
  const value = countOf(payload)
  if (value === undefined) return broken
  const sources = headerValue(headers, 'Nats-Counter-Sources')
  if (sources === undefined) return { seq, value, sources: undefined }
  try {
    const parsed: unknown = JSON.parse(sources)
    return isSources(parsed) ? { seq, value, sources: parsed } : broken
  } catch {
    return broken
  }
}

/** Of `{"val":"…"}`. nats-server takes a missing or unreadable number for 0, other JSON not at all. */
function countOf(payload: Uint8Array): bigint | undefined {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(payload).toString())
    // To Go's decoder a null is nothing, wherever it stands.
    if (parsed === null) return 0n
    if (typeof parsed !== 'object' || Array.isArray(parsed)) return undefined
    const val: unknown = 'val' in parsed ? (parsed.val ?? '') : ''
    return typeof val === 'string' ? toBigInt(val) : undefined
  } catch {
    return undefined
  }
}

function toBigInt(text: string): bigint {
  return parseIncrement(text) ?? 0n
}

function isSources(value: unknown): value is Sources {
  const isObject = (part: unknown): part is Record<string, unknown> =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
  if (!isObject(value)) return false
  return Object.values(value).every(
    (subjects) =>
      isObject(subjects) && Object.values(subjects).every((total) => typeof total === 'string'),
  )
}
