import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib'
import { PetioleError } from '../runtime/index.ts'
import { isSame } from '../subject/index.ts'
import { isHeaderBlock, isPublishable } from './batch-checks.ts'
import { BATCH_GAPS_MAX, BATCH_RECORDS_MAX, INFLATED_BYTES_MAX, NAME_BYTES_MAX } from './limits.ts'

/**
 * A batch: a span of one buffer's sequences, without holes. Every sequence from `firstSeq` to
 * `lastSeq` is either a record or inside a gap that says why there is none, so that the receiver can
 * account for each of them. All integers are big-endian, sequences and times are f64.
 *
 *     magic 'P' | version 1 | codec | 0 | crc32 of all that follows | body, deflated if codec is 1
 *     body    leaf, buffer, incarnation (u8 length + utf-8 each) | first seq | last seq
 *             | u32 records | u32 gaps | gap… | record…
 *     gap     first seq | last seq | u8 cause
 *     record  u16 subject length | u32 headers length | u32 payload length | time ms | bytes of the three
 *
 * Records and gaps ascend; a record's sequence follows from what came before it.
 */

export const BATCH_VERSION = 1
const MAGIC = 0x50
const FRAME_BYTES = 8
const CODEC_NONE = 0
const CODEC_DEFLATE = 1
/** Bytes that a gap takes in a batch. */
export const GAP_BYTES = 17
const RECORD_BYTES = 18
const NO_HEADERS = new Uint8Array(0)

/**
 * Why a sequence has no record: a quota made room, somebody deleted it, its record on disk was
 * damaged, or the hub had acknowledged it and then lost it (restored from an older backup).
 */
export type GapCause = 'evicted' | 'removed' | 'damaged' | 'forgotten'
const GAP_CAUSES: readonly GapCause[] = ['evicted', 'removed', 'damaged', 'forgotten']

export interface Gap {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly cause: GapCause
}

export interface BatchHeader {
  readonly leaf: string
  readonly buffer: string
  readonly incarnation: string
  readonly firstSeq: number
  readonly lastSeq: number
  readonly gaps: readonly Gap[]
}

/** What the encoder reads of a record: `StoredMessage` fits. */
export interface BatchRecord {
  readonly subjectBytes: Uint8Array
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  readonly timeMs: number
}

/** Bytes that a record takes in a batch. */
export function recordBytes(record: BatchRecord): number {
  return RECORD_BYTES + record.subjectBytes.length + record.headers.length + record.payload.length
}

/** A new buffer with the batch in it. `isCompressed` asks; a batch that would grow stays as it is. */
export function encodeBatch(
  header: BatchHeader,
  records: readonly BatchRecord[],
  isCompressed: boolean,
): Buffer {
  const names = [header.leaf, header.buffer, header.incarnation].map((name) => Buffer.from(name))
  let size = FRAME_BYTES + 16 + 8 + header.gaps.length * GAP_BYTES
  for (const name of names) size += 1 + name.length
  for (const record of records) size += recordBytes(record)
  const out = Buffer.allocUnsafe(size)
  let at = FRAME_BYTES
  for (const name of names) {
    at = out.writeUInt8(name.length, at)
    out.set(name, at)
    at += name.length
  }
  at = out.writeDoubleBE(header.firstSeq, at)
  at = out.writeDoubleBE(header.lastSeq, at)
  at = out.writeUInt32BE(records.length, at)
  at = out.writeUInt32BE(header.gaps.length, at)
  for (const gap of header.gaps) {
    at = out.writeDoubleBE(gap.firstSeq, at)
    at = out.writeDoubleBE(gap.lastSeq, at)
    at = out.writeUInt8(GAP_CAUSES.indexOf(gap.cause), at)
  }
  for (const record of records) at = writeRecord(out, at, record)
  return frame(out, isCompressed)
}

function writeRecord(out: Buffer, start: number, record: BatchRecord): number {
  const { subjectBytes, headers, payload } = record
  out.writeUInt16BE(subjectBytes.length, start)
  out.writeUInt32BE(headers.length, start + 2)
  out.writeUInt32BE(payload.length, start + 6)
  out.writeDoubleBE(record.timeMs, start + 10)
  let at = start + RECORD_BYTES
  out.set(subjectBytes, at)
  at += subjectBytes.length
  if (headers.length > 0) out.set(headers, at)
  at += headers.length
  out.set(payload, at)
  return at + payload.length
}

function frame(plain: Buffer, isCompressed: boolean): Buffer {
  let out = plain
  let codec = CODEC_NONE
  if (isCompressed) {
    const packed = deflateRawSync(plain.subarray(FRAME_BYTES), { level: 1 })
    if (packed.length < plain.length - FRAME_BYTES) {
      out = Buffer.concat([plain.subarray(0, FRAME_BYTES), packed])
      codec = CODEC_DEFLATE
    }
  }
  out[0] = MAGIC
  out[1] = BATCH_VERSION
  out[2] = codec
  out[3] = 0
  out.writeUInt32BE(crc32(out.subarray(FRAME_BYTES)), 4)
  return out
}

/**
 * A received batch, checked whole before the first record is used. `next()` steps through the
 * records; the fields then tell where the current one lies in `bytes`, so that a batch of thousands
 * makes no objects.
 */
export class ReceivedBatch implements BatchHeader {
  readonly leaf: string
  readonly buffer: string
  readonly incarnation: string
  readonly firstSeq: number
  readonly lastSeq: number
  readonly gaps: readonly Gap[]
  readonly records: number
  /** The body, inflated. */
  readonly bytes: Buffer
  seq = 0
  timeMs = 0
  subjectStart = 0
  headersStart = 0
  payloadStart = 0
  payloadEnd = 0
  readonly #recordsStart: number
  #index = 0
  #gap = 0
  #at = 0
  /** Of the record that was checked last: most have the same. */
  #lastHeaders: Uint8Array = NO_HEADERS

  /** Throws PETIOLE_SYNC_BATCH_INVALID for anything that is not a whole, consistent batch. */
  constructor(message: Uint8Array) {
    const body = unframe(message)
    const cursor = new BodyCursor(body)
    this.bytes = body
    this.leaf = cursor.name('leaf')
    this.buffer = cursor.name('buffer')
    this.incarnation = cursor.name('incarnation')
    this.firstSeq = cursor.seq('first sequence')
    this.lastSeq = cursor.seq('last sequence')
    this.records = cursor.count('records', BATCH_RECORDS_MAX)
    this.gaps = cursor.gaps(cursor.count('gaps', BATCH_GAPS_MAX))
    this.#recordsStart = cursor.at
    this.#checkSpan()
    this.rewind()
    while (this.next()) this.#checkRecord()
    if (this.#at !== body.length) throw invalid(`${body.length - this.#at} bytes behind the end`)
    this.rewind()
  }

  /** Back to before the first record. */
  rewind(): void {
    this.#index = 0
    this.#gap = 0
    this.#at = this.#recordsStart
    this.seq = this.firstSeq - 1
  }

  /** Moves to the next record; false behind the last one. */
  next(): boolean {
    if (this.#index === this.records) return false
    this.#index++
    let seq = this.seq + 1
    for (; ; this.#gap++) {
      const gap = this.gaps[this.#gap]
      if (gap === undefined || gap.firstSeq !== seq) break
      seq = gap.lastSeq + 1
    }
    this.seq = seq
    const { bytes } = this
    const start = this.#at
    if (start + RECORD_BYTES > bytes.length) throw invalid(`record ${seq} is cut short`)
    this.timeMs = bytes.readDoubleBE(start + 10)
    this.subjectStart = start + RECORD_BYTES
    this.headersStart = this.subjectStart + bytes.readUInt16BE(start)
    this.payloadStart = this.headersStart + bytes.readUInt32BE(start + 2)
    this.payloadEnd = this.payloadStart + bytes.readUInt32BE(start + 6)
    if (this.payloadEnd > bytes.length) throw invalid(`record ${seq} is cut short`)
    this.#at = this.payloadEnd
    return true
  }

  get subjectBytes(): Uint8Array {
    return this.bytes.subarray(this.subjectStart, this.headersStart)
  }

  get headers(): Uint8Array {
    if (this.headersStart === this.payloadStart) return NO_HEADERS
    return this.bytes.subarray(this.headersStart, this.payloadStart)
  }

  get payload(): Uint8Array {
    return this.bytes.subarray(this.payloadStart, this.payloadEnd)
  }

  #checkSpan(): void {
    let covered = this.records
    let from = this.firstSeq
    for (const gap of this.gaps) {
      if (gap.firstSeq < from || gap.lastSeq < gap.firstSeq || gap.lastSeq > this.lastSeq) {
        throw invalid(`gap ${gap.firstSeq}-${gap.lastSeq} is out of order or out of the span`)
      }
      covered += gap.lastSeq - gap.firstSeq + 1
      from = gap.lastSeq + 1
    }
    if (covered === 0 || covered !== this.lastSeq - this.firstSeq + 1) {
      throw invalid(`${covered} sequences where ${this.firstSeq}-${this.lastSeq} are announced`)
    }
  }

  #checkHeaders(): void {
    const { bytes, headersStart, payloadStart } = this
    if (isSame(this.#lastHeaders, bytes, headersStart, payloadStart)) return
    if (!isHeaderBlock(bytes, headersStart, payloadStart)) {
      throw invalid(`record ${this.seq} has no valid header block`)
    }
    this.#lastHeaders = this.headers
  }

  #checkRecord(): void {
    const length = this.headersStart - this.subjectStart
    if (!isPublishable(this.bytes, this.subjectStart, length)) {
      throw invalid(`record ${this.seq} has no valid subject`)
    }
    this.#checkHeaders()
    if (!Number.isFinite(this.timeMs)) throw invalid(`record ${this.seq} has no valid time`)
  }
}

/** Reads the body's head, and nothing beyond its end. */
class BodyCursor {
  at = 0
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  name(what: string): string {
    this.#need(1, what)
    const length = this.#bytes.readUInt8(this.at)
    this.#need(1 + length, what)
    const start = this.at + 1
    this.at = start + length
    if (length === 0 || length > NAME_BYTES_MAX) throw invalid(`the ${what} is empty`)
    return this.#bytes.toString('utf8', start, this.at)
  }

  seq(what: string): number {
    this.#need(8, what)
    const seq = this.#bytes.readDoubleBE(this.at)
    this.at += 8
    if (!Number.isSafeInteger(seq) || seq < 1) throw invalid(`the ${what} is not a sequence`)
    return seq
  }

  count(what: string, max: number): number {
    this.#need(4, what)
    const count = this.#bytes.readUInt32BE(this.at)
    this.at += 4
    if (count > max) throw invalid(`${count} ${what}, at most ${max} are allowed`)
    return count
  }

  gaps(count: number): Gap[] {
    const gaps: Gap[] = []
    for (let i = 0; i < count; i++) {
      this.#need(GAP_BYTES, 'gap')
      const firstSeq = this.seq('gap')
      const lastSeq = this.seq('gap')
      const cause = GAP_CAUSES[this.#bytes.readUInt8(this.at++)]
      if (cause === undefined) throw invalid(`gap ${firstSeq}-${lastSeq} has no known cause`)
      gaps.push({ firstSeq, lastSeq, cause })
    }
    return gaps
  }

  #need(size: number, what: string): void {
    if (this.at + size > this.#bytes.length) throw invalid(`it ends inside the ${what}`)
  }
}

function unframe(message: Uint8Array): Buffer {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  if (bytes.length < FRAME_BYTES || bytes[0] !== MAGIC) throw invalid('it does not start as one')
  if (bytes[1] !== BATCH_VERSION) {
    throw invalid(`its version is ${bytes[1]}, this server reads ${BATCH_VERSION}`)
  }
  const body = bytes.subarray(FRAME_BYTES)
  if (crc32(body) !== bytes.readUInt32BE(4)) throw invalid('its checksum does not hold')
  if (bytes[2] === CODEC_NONE) return body
  if (bytes[2] !== CODEC_DEFLATE) throw invalid(`its codec ${bytes[2]} is unknown`)
  try {
    return inflateRawSync(body, { maxOutputLength: INFLATED_BYTES_MAX })
  } catch (cause) {
    throw invalid('it cannot be inflated', cause)
  }
}

function invalid(what: string, cause?: unknown): PetioleError {
  return new PetioleError('PETIOLE_SYNC_BATCH_INVALID', `not a sync batch: ${what}`, { cause })
}
