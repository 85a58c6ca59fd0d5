import { decodeProperties } from './properties.ts'
import type { Place, Properties } from './property-table.ts'
import { checkUtf8 } from './utf8.ts'
import { VIOLATIONS, type Violation } from './violation.ts'

export const NO_PROPERTIES: Properties = {}

/**
 * Steps over the fields of the body of a packet that comes rarely and keeps the first violation it
 * meets; after that every step stays where it is, and what it returns means nothing.
 */
export class FieldWalk {
  #bytes: Uint8Array
  #end: number
  #at: number
  violation: Violation | undefined

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  get isAtEnd(): boolean {
    return this.violation !== undefined || this.#at === this.#end
  }

  /** Where the next field begins. */
  get offset(): number {
    return this.#at
  }

  /** The fields from `offset` to the next one, as they are. */
  copyFrom(offset: number): Uint8Array {
    return Buffer.from(this.#bytes.subarray(offset, this.#at))
  }

  /** Goes on in a copy of what is left: the bytes are somebody else's in a moment. */
  keep(): void {
    this.#bytes = Buffer.from(this.#bytes.subarray(this.#at, this.#end))
    this.#end = this.#bytes.length
    this.#at = 0
  }

  byte(): number {
    return this.#take(1) ? (this.#bytes[this.#at - 1] ?? 0) : 0
  }

  uint16(): number {
    return this.#take(2) ? this.#uint16At(this.#at - 2) : 0
  }

  /** A packet identifier, which is never 0 [MQTT-2.3.1-1]. */
  packetId(zero: Violation = VIOLATIONS.packetIdZero): number {
    const id = this.uint16()
    if (id === 0) this.fail(zero)
    return id
  }

  /** Binary data; undefined after a violation. */
  binary(): Uint8Array | undefined {
    const size = this.uint16()
    if (this.violation !== undefined || !this.#take(size)) return undefined
    return this.#bytes.subarray(this.#at - size, this.#at)
  }

  /** Well-formed UTF-8, still as bytes; undefined after a violation. */
  string(): Uint8Array | undefined {
    const field = this.binary()
    if (field === undefined) return undefined
    const violation = checkUtf8(field, 0, field.length)
    if (violation === undefined) return field
    this.fail(violation)
    return undefined
  }

  /** A string as text; empty after a violation. */
  text(): string {
    const field = this.string()
    return field === undefined ? '' : Buffer.from(field).toString()
  }

  /** Binary data of its own; empty after a violation. */
  copy(): Uint8Array {
    return Buffer.from(this.binary() ?? [])
  }

  properties(place: Place): Properties {
    if (this.violation !== undefined) return NO_PROPERTIES
    const section = decodeProperties(this.#bytes, this.#at, this.#end, place)
    if ('rule' in section) {
      this.fail(section)
      return NO_PROPERTIES
    }
    this.#at = section.end
    return section.properties
  }

  /** The body must end here. */
  end(): Violation | undefined {
    if (this.#at < this.#end) this.fail(VIOLATIONS.trailingBytes)
    return this.violation
  }

  /** Only the first one counts. */
  fail(violation: Violation): void {
    this.violation ??= violation
  }

  #take(size: number): boolean {
    if (this.violation !== undefined) return false
    if (this.#at + size > this.#end) {
      this.fail(VIOLATIONS.truncated)
      return false
    }
    this.#at += size
    return true
  }

  #uint16At(at: number): number {
    return ((this.#bytes[at] ?? 0) << 8) | (this.#bytes[at + 1] ?? 0)
  }
}
