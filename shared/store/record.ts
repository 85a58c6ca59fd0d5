/**
 * One record of the journal, little-endian:
 *
 *     0 u32 length | 4 u32 crc32(salt ^ length, bytes 8..length) | 8 u8 type | 9 u8 flags
 *     10 u16 subject length | 12 u32 header length | 16 u32 stream id | 20 u64 seq | 28 f64 wall ms
 *     36 u32 boot ref | 40 f64 monotonic ms | 48 subject | headers | payload
 *
 * What the fields mean, by type:
 *
 *     message  subject, headers, payload; seq is the message's; with the flag `compressed` the payload is
 *              headers and payload in one [compression/compressed-body.ts]
 *     delete   seq and, as a run list in the payload, more sequences of the same stream
 *     purge    all up to and with seq are gone; payload: f64 last seq given or skipped, f64 its time
 *     state    subject is the key, payload the value; stream 0 is the store's own table; no segment before `seq` has
 *              an older record of the key (0: not known, in older stores); headers of one that was carried forward:
 *              u32, nor has one from this segment on
 *     stream   subject is the name, headers limits and creation time as JSON, payload the configuration
 *     boot     seq is the boot ref, payload f64 shift that repairs its records' times (NaN: unknown),
 *              16 bytes id, f64 f64 bytes written since the store was made: to the journal, and all
 *
 * The checksum is filled in when the commit is written, because only then its segment, and with it
 * the salt, is known.
 */
import { plainBodyBytes, plainHeaderBytes } from './compression/compressed-body.ts'
import { crc32 } from './crc.ts'
import { STORED_BYTES_MAX } from './limits.ts'

export const RECORD_HEADER_BYTES = 48

export const RecordType = {
  message: 1,
  delete: 2,
  purge: 3,
  state: 4,
  stream: 5,
  boot: 6,
} as const
export type RecordType = (typeof RecordType)[keyof typeof RecordType]

const TYPE_MAX = RecordType.boot

export const RecordFlag = {
  /** More records of the same transaction follow. */
  more: 1,
  /** The first record of a commit: what lies before it was synced. */
  commitStart: 2,
  /** The state's key or the stream is gone. */
  removed: 4,
  /** Stamped by a clock that did not know the time; the boot's shift repairs it. */
  clockWrong: 8,
  /** The message has a Nats-Msg-Id: what has none need not be read to learn the recent ones. */
  identified: 16,
  /** Its owner wants to find the message again at a start: it has a time of its own, or a schedule. */
  marked: 32,
  /** Sequences in front of the message were never given out: a gap there is no damage. */
  afterSkip: 64,
  /** Headers and payload of the message are compressed: whoever wants them asks its stream. */
  compressed: 128,
} as const

export interface RecordFields {
  readonly type: RecordType
  readonly flags: number
  readonly streamId: number
  readonly seq: number
  readonly wallMs: number
  readonly bootRef: number
  readonly monotonicMs: number
  readonly subject: Uint8Array
  readonly headers: Uint8Array
  readonly payload: Uint8Array
}

/** Bytes with a view on them: DataView is the fastest way to unaligned numbers. */
export class Chunk {
  readonly bytes: Uint8Array
  readonly view: DataView
  end = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
}

export function recordLength(fields: RecordFields): number {
  return RECORD_HEADER_BYTES + fields.subject.length + fields.headers.length + fields.payload.length
}

/** Writes all but the checksum at the chunk's end and moves the end. */
export function encodeRecord(chunk: Chunk, fields: RecordFields): void {
  const { bytes, view } = chunk
  const at = chunk.end
  const { subject, headers, payload } = fields
  view.setUint8(at + 8, fields.type)
  view.setUint8(at + 9, fields.flags)
  view.setUint16(at + 10, subject.length, true)
  view.setUint32(at + 12, headers.length, true)
  view.setUint32(at + 16, fields.streamId, true)
  setSeq(view, at + 20, fields.seq)
  view.setFloat64(at + 28, fields.wallMs, true)
  view.setUint32(at + 36, fields.bootRef, true)
  view.setFloat64(at + 40, fields.monotonicMs, true)
  let end = at + RECORD_HEADER_BYTES
  end = copy(bytes, end, subject)
  if (headers.length > 0) end = copy(bytes, end, headers)
  end = copy(bytes, end, payload)
  view.setUint32(at, end - at, true)
  chunk.end = end
}

/** A loop beats `set` for the few bytes of a subject or a reading: no call into the runtime. */
const LOOP_COPY_BYTES = 40

function copy(target: Uint8Array, at: number, source: Uint8Array): number {
  const size = source.length
  if (size > LOOP_COPY_BYTES) target.set(source, at)
  else for (let i = 0; i < size; i++) target[at + i] = source[i] as number
  return at + size
}

export function setSeq(view: DataView, at: number, seq: number): void {
  view.setUint32(at, seq >>> 0, true)
  view.setUint32(at + 4, Math.floor(seq / 2 ** 32), true)
}

export function getSeq(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32
}

export function stampChecksum(chunk: Chunk, at: number, salt: number): void {
  const length = chunk.view.getUint32(at, true)
  chunk.view.setUint32(at + 4, crc32(chunk.bytes, at + 8, at + length, (salt ^ length) >>> 0), true)
}

/** The same message, but for the checksum, with its headers and payload in one. */
export function withCompressedBody(message: RecordCursor, body: Uint8Array): RecordCursor {
  const { chunk, at, subjectLength } = message
  const bodyAt = RECORD_HEADER_BYTES + subjectLength
  const made = new Chunk(Buffer.allocUnsafeSlow(bodyAt + body.length))
  made.bytes.set(chunk.bytes.subarray(at, at + bodyAt))
  made.bytes.set(body, bodyAt)
  made.bytes[9] = message.flags | RecordFlag.compressed
  made.view.setUint32(0, bodyAt + body.length, true)
  made.view.setUint32(12, 0, true)
  made.end = made.bytes.length
  return new RecordCursor(made)
}

/** A cursor on one record in a chunk. One object is moved over many records. */
export class RecordCursor {
  chunk: Chunk
  at = 0

  constructor(chunk: Chunk, at = 0) {
    this.chunk = chunk
    this.at = at
  }

  get length(): number {
    return this.chunk.view.getUint32(this.at, true)
  }
  /** What the length would be if nothing were compressed: what a message counts in its stream. */
  get plainLength(): number {
    if ((this.flags & RecordFlag.compressed) === 0) return this.length
    const body = plainBodyBytes(this.chunk.bytes, this.payloadStart)
    return RECORD_HEADER_BYTES + this.subjectLength + body
  }
  /** Whether a message has headers, compressed or not. */
  get hasHeaders(): boolean {
    if ((this.flags & RecordFlag.compressed) === 0) return this.headersLength > 0
    return plainHeaderBytes(this.chunk.bytes, this.payloadStart) > 0
  }
  get type(): number {
    return this.chunk.bytes[this.at + 8] as number
  }
  get flags(): number {
    return this.chunk.bytes[this.at + 9] as number
  }
  get subjectLength(): number {
    return this.chunk.view.getUint16(this.at + 10, true)
  }
  get headersLength(): number {
    return this.chunk.view.getUint32(this.at + 12, true)
  }
  get streamId(): number {
    return this.chunk.view.getUint32(this.at + 16, true)
  }
  get seq(): number {
    return getSeq(this.chunk.view, this.at + 20)
  }
  get wallMs(): number {
    return this.chunk.view.getFloat64(this.at + 28, true)
  }
  get bootRef(): number {
    return this.chunk.view.getUint32(this.at + 36, true)
  }
  get subjectStart(): number {
    return this.at + RECORD_HEADER_BYTES
  }
  get subject(): Uint8Array {
    return this.chunk.bytes.subarray(this.subjectStart, this.subjectStart + this.subjectLength)
  }
  get headers(): Uint8Array {
    const start = this.subjectStart + this.subjectLength
    return this.chunk.bytes.subarray(start, start + this.headersLength)
  }
  get payloadStart(): number {
    return this.subjectStart + this.subjectLength + this.headersLength
  }
  get payload(): Uint8Array {
    return this.chunk.bytes.subarray(this.payloadStart, this.at + this.length)
  }

  /** Whether the fixed fields can be those of a record; says nothing about the checksum. */
  get isPlausible(): boolean {
    const length = this.length
    return (
      length >= RECORD_HEADER_BYTES + this.subjectLength + this.headersLength &&
      length <= STORED_BYTES_MAX &&
      this.type >= 1 &&
      this.type <= TYPE_MAX
    )
  }

  /** The whole record must lie in the chunk. */
  isIntact(salt: number): boolean {
    const length = this.length
    const stored = this.chunk.view.getUint32(this.at + 4, true)
    return crc32(this.chunk.bytes, this.at + 8, this.at + length, (salt ^ length) >>> 0) === stored
  }
}
