import { writeEscaped } from './escapes.ts'
import { FIELD, type Field, isHeaderName, isHeaderValue } from './header-names.ts'
import { HEADER_BLOCK_BYTES_MAX } from './limits.ts'

const VERSION = Buffer.from('NATS/1.0\r\n')
const SEPARATOR = Buffer.from(': ')
const LINE_END = Buffer.from('\r\n')
const EQUALS = 0x3d

/** `Name: ` of each field. */
const PREFIXES = new Map<Field, Buffer>(
  Object.values(FIELD).map((name) => [name, Buffer.from(`${name}: `)]),
)

/**
 * Writes a header block of limited size into memory of its own, which is the same for all blocks. What
 * does not fit ends it: `isFull`, and nothing is written any more.
 */
export class HeaderWriter {
  isFull = false
  readonly #bytes = Buffer.allocUnsafe(HEADER_BLOCK_BYTES_MAX)
  /** Room for the empty line is never given away. */
  readonly #roomEnd = HEADER_BLOCK_BYTES_MAX - LINE_END.length
  #at = 0

  /** Bytes that were written so far. */
  get size(): number {
    return this.#at
  }

  begin(): void {
    this.isFull = false
    this.#at = 0
    this.#put(VERSION)
  }

  /** Bytes [start, end) in a form that comes back as it was. */
  escaped(field: Field, bytes: Uint8Array, start = 0, end = bytes.length): void {
    this.#prefix(field)
    this.#putEscaped(bytes, start, end, false)
    this.#put(LINE_END)
  }

  /** A value of ASCII without anything to escape. */
  ascii(field: Field, value: string): void {
    this.#prefix(field)
    const end = this.#at + value.length
    if (this.isFull || end > this.#roomEnd) {
      this.isFull = true
      return
    }
    this.#bytes.write(value, this.#at, 'latin1')
    this.#at = end
    this.#put(LINE_END)
  }

  /** A header of its own where NATS clients would read name and value as they are, else both escaped in one. */
  userProperty(
    bytes: Uint8Array,
    nameStart: number,
    nameEnd: number,
    start: number,
    end: number,
  ): void {
    if (isHeaderName(bytes, nameStart, nameEnd) && isHeaderValue(bytes, start, end)) {
      this.#put(bytes, nameStart, nameEnd)
      this.#put(SEPARATOR)
      this.#put(bytes, start, end)
    } else {
      this.#prefix(FIELD.userProperty)
      this.#putEscaped(bytes, nameStart, nameEnd, true)
      this.#putByte(EQUALS)
      this.#putEscaped(bytes, start, end, false)
    }
    this.#put(LINE_END)
  }

  /** A copy of the block, which is to be asked for only when it is not full. */
  finish(): Uint8Array {
    this.#bytes.set(LINE_END, this.#at)
    return Buffer.from(this.#bytes.subarray(0, this.#at + LINE_END.length))
  }

  #prefix(field: Field): void {
    const prefix = PREFIXES.get(field)
    if (prefix !== undefined) this.#put(prefix)
  }

  #put(bytes: Uint8Array, start = 0, end = bytes.length): void {
    const next = this.#at + end - start
    if (this.isFull || next > this.#roomEnd) {
      this.isFull = true
      return
    }
    for (let from = start, to = this.#at; from < end; from++, to++) {
      this.#bytes[to] = bytes[from] ?? 0
    }
    this.#at = next
  }

  #putByte(byte: number): void {
    if (this.isFull || this.#at >= this.#roomEnd) this.isFull = true
    else this.#bytes[this.#at++] = byte
  }

  #putEscaped(bytes: Uint8Array, start: number, end: number, isName: boolean): void {
    const next = this.isFull
      ? -1
      : writeEscaped(this.#bytes, this.#at, this.#roomEnd, bytes, start, end, isName)
    if (next < 0) this.isFull = true
    else this.#at = next
  }
}
