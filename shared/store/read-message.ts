/** Messages as they were read: of records as they lie in a chunk, or of bodies that were compressed there. */
import type { RecordCursor } from './record.ts'
import type { LaidOut, StoredMessage } from './stream-store.ts'

const NO_BYTES = new Uint8Array(0)

export function messageAt(cursor: RecordCursor, shiftMs: number): StoredMessage {
  const { chunk, at, subjectStart } = cursor
  const headersAt = subjectStart + cursor.subjectLength
  return new ReadMessage(
    cursor.seq,
    cursor.wallMs + shiftMs,
    chunk.view,
    subjectStart,
    headersAt,
    headersAt + cursor.headersLength,
    at + cursor.length,
  )
}

/** Views are made when they are asked for, as plain ones: a Buffer's take twice as long to make. */
class ReadMessage implements StoredMessage, LaidOut {
  readonly seq: number
  readonly timeMs: number
  readonly bytes: DataView
  readonly subjectAt: number
  readonly headersAt: number
  readonly payloadAt: number
  readonly end: number

  constructor(
    seq: number,
    timeMs: number,
    bytes: DataView,
    subjectAt: number,
    headersAt: number,
    payloadAt: number,
    end: number,
  ) {
    this.seq = seq
    this.timeMs = timeMs
    this.bytes = bytes
    this.subjectAt = subjectAt
    this.headersAt = headersAt
    this.payloadAt = payloadAt
    this.end = end
  }

  get laidOut(): LaidOut {
    return this
  }

  get subject(): string {
    return textOf(this.subjectBytes)
  }

  get subjectBytes(): Uint8Array {
    return this.#part(this.subjectAt, this.headersAt)
  }

  get headers(): Uint8Array {
    return this.payloadAt === this.headersAt ? NO_BYTES : this.#part(this.headersAt, this.payloadAt)
  }

  get payload(): Uint8Array {
    return this.#part(this.payloadAt, this.end)
  }

  #part(from: number, to: number): Uint8Array {
    return new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + from, to - from)
  }
}

/** What was compressed: its body lies elsewhere. */
export class UnpackedMessage implements StoredMessage {
  readonly seq: number
  readonly timeMs: number
  readonly subjectBytes: Uint8Array
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  readonly laidOut = undefined

  constructor(
    seq: number,
    timeMs: number,
    subjectBytes: Uint8Array,
    { headers, payload }: Pick<StoredMessage, 'headers' | 'payload'>,
  ) {
    this.seq = seq
    this.timeMs = timeMs
    this.subjectBytes = subjectBytes
    this.headers = headers
    this.payload = payload
  }

  get subject(): string {
    return textOf(this.subjectBytes)
  }
}

function textOf({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString()
}
