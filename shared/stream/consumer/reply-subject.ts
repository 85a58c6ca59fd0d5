/**
 * Writes the reply subjects of one consumer's messages, as ack-subject.ts draws them, over and over
 * into the same bytes: they are valid until the next one is written.
 */
import { writeDigits, writePadded } from '../digits.ts'

const FIELD_DIGITS = 17
const FIELDS = 5
const TIME_DIGITS = 20
const DOT = 46
const MILLION = 1_000_000

export class ReplySubject {
  readonly #bytes: Uint8Array
  readonly #prefixEnd: number
  /** A view of each length that was needed so far: few. */
  readonly #views: Uint8Array[] = []

  /** @param prefix as `AckSubjects.prefixOf` makes it */
  constructor(prefix: string) {
    const bytes = Buffer.from(prefix)
    this.#prefixEnd = bytes.length
    this.#bytes = new Uint8Array(bytes.length + FIELDS * (FIELD_DIGITS + 1) + TIME_DIGITS)
    this.#bytes.set(bytes)
  }

  write(
    deliveries: number,
    streamSeq: number,
    consumerSeq: number,
    timeMs: number,
    pending: number,
  ): Uint8Array {
    const bytes = this.#bytes
    let at = writeDigits(bytes, this.#prefixEnd, deliveries)
    bytes[at++] = DOT
    at = writeDigits(bytes, at, streamSeq)
    bytes[at++] = DOT
    at = writeDigits(bytes, at, consumerSeq)
    bytes[at++] = DOT
    at = writeNanos(bytes, at, timeMs)
    bytes[at++] = DOT
    const end = writeDigits(bytes, at, pending)
    let view = this.#views[end]
    if (view === undefined) {
      view = bytes.subarray(0, end)
      this.#views[end] = view
    }
    return view
  }
}

/** Nanoseconds since the epoch, which a double cannot hold: whole milliseconds, then six more digits. */
function writeNanos(bytes: Uint8Array, at: number, timeMs: number): number {
  const wholeMs = Math.floor(timeMs)
  const nanos = Math.min(MILLION - 1, Math.floor((timeMs - wholeMs) * MILLION))
  return writePadded(bytes, writeDigits(bytes, at, wholeMs), nanos)
}
