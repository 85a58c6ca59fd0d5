/**
 * Writes the reply subjects of one consumer's messages, as ack-subject.ts draws them, over and over
 * into the same bytes: they are valid until the next one is written. Most differ from the one before by one in
 * their numbers, and in the end of their time: then only that is written.
 */
import { writeDigits, writePadded } from '../digits.ts'

const FIELD_DIGITS = 17
const FIELDS = 5
const TIME_DIGITS = 20
const NANOS_DIGITS = 6
const DOT = 46
const ZERO = 48
const NINE = 57
const MILLION = 1_000_000

export class ReplySubject {
  readonly #bytes: Uint8Array
  readonly #prefixEnd: number
  /** A view of each length that was needed so far: few. */
  readonly #views: Uint8Array[] = []
  #deliveries = 0
  #streamSeq = 0
  #consumerSeq = 0
  #wholeMs = 0
  #pending = 0
  /** Where the fields end that the last one had. */
  #streamSeqEnd = 0
  #consumerSeqEnd = 0
  #timeEnd = 0
  #end = 0

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
    const wholeMs = Math.floor(timeMs)
    const nanos = Math.min(MILLION - 1, Math.floor((timeMs - wholeMs) * MILLION))
    const isNext =
      deliveries === this.#deliveries &&
      streamSeq === this.#streamSeq + 1 &&
      consumerSeq === this.#consumerSeq + 1 &&
      pending === this.#pending - 1 &&
      wholeMs === this.#wholeMs &&
      this.#step()
    if (isNext) writePadded(this.#bytes, this.#timeEnd - NANOS_DIGITS, nanos)
    else this.#writeAll(deliveries, streamSeq, consumerSeq, wholeMs, nanos, pending)
    this.#deliveries = deliveries
    this.#streamSeq = streamSeq
    this.#consumerSeq = consumerSeq
    this.#wholeMs = wholeMs
    this.#pending = pending
    const end = this.#end
    let view = this.#views[end]
    if (view === undefined) {
      view = this.#bytes.subarray(0, end)
      this.#views[end] = view
    }
    return view
  }

  /** All numbers by one; false when that takes another number of digits, and all is to be written. */
  #step(): boolean {
    const bytes = this.#bytes
    return (
      countUp(bytes, this.#streamSeqEnd) &&
      countUp(bytes, this.#consumerSeqEnd) &&
      countDown(bytes, this.#end)
    )
  }

  #writeAll(
    deliveries: number,
    streamSeq: number,
    consumerSeq: number,
    wholeMs: number,
    nanos: number,
    pending: number,
  ): void {
    const bytes = this.#bytes
    let at = writeDigits(bytes, this.#prefixEnd, deliveries)
    bytes[at++] = DOT
    this.#streamSeqEnd = at = writeDigits(bytes, at, streamSeq)
    bytes[at++] = DOT
    this.#consumerSeqEnd = at = writeDigits(bytes, at, consumerSeq)
    bytes[at++] = DOT
    // Nanoseconds since the epoch, which a double cannot hold: whole milliseconds, then six more digits.
    this.#timeEnd = at = writePadded(bytes, writeDigits(bytes, at, wholeMs), nanos)
    bytes[at++] = DOT
    this.#end = writeDigits(bytes, at, pending)
  }
}

/** The number that ends there; false when there is no room for its digits. */
function countUp(bytes: Uint8Array, end: number): boolean {
  let at = end - 1
  for (; bytes[at] === NINE; at--) bytes[at] = ZERO
  const digit = bytes[at] as number
  if (digit === DOT) return false
  bytes[at] = digit + 1
  return true
}

/** The same; false when it has fewer digits then, or gets to nothing. */
function countDown(bytes: Uint8Array, end: number): boolean {
  let at = end - 1
  for (; bytes[at] === ZERO; at--) bytes[at] = NINE
  const digit = bytes[at] as number
  if (digit === DOT) return false
  bytes[at] = digit - 1
  return digit - 1 > ZERO || bytes[at - 1] !== DOT
}
