/**
 * The headers that name where a record was born. They come first in the record's header block;
 * fields of the same names that it came with are dropped, so that nobody can pretend another origin.
 *
 *     NATS/1.0
 *     Petiole-Leaf: press-7
 *     Petiole-Buffer: telemetry
 *     Petiole-Seq: 4711
 *     Petiole-Time: 2026-11-21T06:20:31.120Z
 *     … the record's own fields
 */

import { isSame } from '../subject/index.ts'
import { formatDecimal } from '../wire/index.ts'

const FOREIGN = Buffer.from('Petiole-')
const OWN_FIELD = /^Petiole-(Leaf|Buffer|Seq|Time):/
const TIME_LABEL = Buffer.from('\r\nPetiole-Time: ')
const TIME_BYTES = '2026-11-21T06:20:31.120Z'.length
const SEQ_DIGITS_MAX = 16
const LINE_END = Buffer.from('\r\n')
const NO_BYTES = new Uint8Array(0)
const OWN_KEPT_BYTES_MAX = 512
const LF = 10
const CR = 13
/** The last letter of the label: tells most other blocks apart without a comparison. */
const LABEL_END = 102
const LEAF_LABEL = Buffer.from('NATS/1.0\r\nPetiole-Leaf: ')
const ZERO = 48
/** The largest time that a Date can print with four digits of year. */
const TIME_MAX_MS = 253_402_300_799_999

/** Writes the blocks of one buffer's records into memory of its own, one after the other. */
export class OriginHeaders {
  readonly #prefix: Buffer
  #scratch = Buffer.alloc(0)
  #second = Number.NaN
  /** The block of the last record, and what of it goes into the new one: most have the same. */
  #lastOwn: Uint8Array = NO_BYTES
  #lastFields: Uint8Array = LINE_END

  constructor(leaf: string, buffer: string) {
    this.#prefix = Buffer.from(
      `NATS/1.0\r\nPetiole-Leaf: ${leaf}\r\nPetiole-Buffer: ${buffer}\r\nPetiole-Seq: `,
    )
    this.#reserve(0)
  }

  /** The block for one record; valid until the next call. */
  block(seq: number, timeMs: number, own: Uint8Array): Uint8Array {
    const fields = this.#fieldsOf(own)
    this.#reserve(fields.length)
    const out = this.#scratch
    let at = formatDecimal(out, this.#prefix.length, seq)
    out.set(TIME_LABEL, at)
    at = this.#writeTime(at + TIME_LABEL.length, timeMs)
    out.set(LINE_END, at)
    at += LINE_END.length
    out.set(fields, at)
    return out.subarray(0, at + fields.length)
  }

  #fieldsOf(own: Uint8Array): Uint8Array {
    if (isSame(this.#lastOwn, own, 0, own.length)) return this.#lastFields
    const fields = fieldsOf(own)
    if (own.length <= OWN_KEPT_BYTES_MAX) {
      this.#lastOwn = Uint8Array.from(own)
      this.#lastFields = Uint8Array.from(fields)
    }
    return fields
  }

  #writeTime(start: number, timeMs: number): number {
    const out = this.#scratch
    const wholeMs = Math.min(Math.max(Math.floor(timeMs), 0), TIME_MAX_MS)
    const second = Math.floor(wholeMs / 1_000)
    if (second !== this.#second) {
      this.#second = second
      out.write(new Date(second * 1_000).toISOString(), out.length - TIME_BYTES, 'latin1')
    }
    out.copyWithin(start, out.length - TIME_BYTES, out.length)
    const ms = wholeMs - second * 1_000
    const at = start + TIME_BYTES - 4
    out[at] = ZERO + Math.floor(ms / 100)
    out[at + 1] = ZERO + (Math.floor(ms / 10) % 10)
    out[at + 2] = ZERO + (ms % 10)
    return start + TIME_BYTES
  }

  /** The scratch holds the prefix at its start, and the time of the last second at its end. */
  #reserve(fieldBytes: number): void {
    const fixed = this.#prefix.length + SEQ_DIGITS_MAX + TIME_LABEL.length + 2 * TIME_BYTES + 2
    if (this.#scratch.length >= fixed + fieldBytes) return
    this.#scratch = Buffer.allocUnsafe(2 * (fixed + fieldBytes))
    this.#scratch.set(this.#prefix)
    this.#second = Number.NaN
  }
}

/**
 * Whether a message is a synced record of this leaf: links do not bring it back there. Looks at the
 * first field only, which is where a hub puts it.
 */
export function isFromLeaf(headers: Uint8Array, leaf: string): boolean {
  if (headers.length <= LEAF_LABEL.length || headers[LEAF_LABEL.length - 3] !== LABEL_END)
    return false
  const bytes = Buffer.from(headers.buffer, headers.byteOffset, headers.length)
  if (bytes.compare(LEAF_LABEL, 0, LEAF_LABEL.length, 0, LEAF_LABEL.length) !== 0) return false
  const end = bytes.indexOf(CR, LEAF_LABEL.length)
  return bytes.toString('utf8', LEAF_LABEL.length, end) === leaf
}

/** Behind the version line, with the empty line at the end. */
function fieldsOf(block: Uint8Array): Uint8Array {
  if (block.length === 0) return LINE_END
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.length)
  const fields = bytes.subarray(bytes.indexOf(LF) + 1)
  if (fields.indexOf(FOREIGN) < 0) return fields
  const lines = fields.toString('latin1').split('\r\n')
  return Buffer.from(lines.filter((line) => !OWN_FIELD.test(line)).join('\r\n'), 'latin1')
}
