import { invariant } from '../../shared/runtime/index.ts'
import { fixedHeaderSize, writeFixedHeader } from './frame.ts'
import { VARINT_BYTES_MAX, VARINT_MAX, writeVarint } from './varint.ts'

const ROOM_MIN = 128
/** Room for the fixed header, which is written last, when the length behind it is known. */
const HEAD_ROOM = 1 + VARINT_BYTES_MAX
const STRING_BYTES_MAX = 65_535

/** Writes one of the packets that come rarely: field after field into a buffer that grows. */
export class PacketWriter {
  #bytes = Buffer.allocUnsafe(ROOM_MIN)
  #at = HEAD_ROOM

  byte(value: number): this {
    this.#reserve(1)
    this.#bytes[this.#at++] = value
    return this
  }

  uint16(value: number): this {
    this.#reserve(2)
    this.#at = this.#bytes.writeUInt16BE(value, this.#at)
    return this
  }

  uint32(value: number): this {
    this.#reserve(4)
    this.#at = this.#bytes.writeUInt32BE(value, this.#at)
    return this
  }

  varint(value: number): this {
    this.#reserve(VARINT_BYTES_MAX)
    this.#at = writeVarint(this.#bytes, this.#at, value)
    return this
  }

  string(text: string): this {
    return this.binary(Buffer.from(text))
  }

  /** Behind their length. */
  binary(bytes: Uint8Array): this {
    invariant(bytes.length <= STRING_BYTES_MAX, 'field is longer than its length can say')
    return this.uint16(bytes.length).raw(bytes)
  }

  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
    return this
  }

  /** What was written, without a fixed header. */
  body(): Uint8Array {
    return this.#bytes.subarray(HEAD_ROOM, this.#at)
  }

  /** The whole packet. Nothing may be written after this. */
  packet(type: number, flags = 0): Uint8Array {
    const length = this.#at - HEAD_ROOM
    invariant(length <= VARINT_MAX, 'packet is longer than its length can say')
    const start = HEAD_ROOM - fixedHeaderSize(length)
    writeFixedHeader(this.#bytes, start, (type << 4) | flags, length)
    return this.#bytes.subarray(start, this.#at)
  }

  #reserve(size: number): void {
    const needed = this.#at + size
    if (needed <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = grown
  }
}
