import { KIND, type Place, PROPERTY, PROPERTY_BY_ID, type PropertyRule } from './property-table.ts'
import { isTopicName } from './topic-name.ts'
import { checkUtf8 } from './utf8.ts'
import { readVarint, VARINT_CUT, varintSize } from './varint.ts'
import { VIOLATIONS, type Violation } from './violation.ts'

/**
 * Steps from property to property of one packet, in place and without making anything. Each has been
 * checked when `next` stands on it: that it may be in this packet, that it is there once, and its
 * value. One object reads section after section; what it shows holds until it moves on.
 *
 *     varint length | ( u8 id | value )*        integers big-endian, strings behind their u16 length
 */
export class PropertyCursor {
  rule: PropertyRule | undefined
  /** The value of an integer. */
  number = 0
  /** Where a string or binary value lies, or the value of a user property. */
  start = 0
  end = 0
  /** Where the name of a user property lies. */
  nameStart = 0
  nameEnd = 0
  /** Behind the whole section, once `begin` has said that it is there. */
  sectionEnd = 0
  violation: Violation | undefined
  #bytes: Uint8Array = NOTHING
  #next = 0
  #place: Place = 0
  /** Which identifiers came, 32 to a word: all are below 64. */
  #seenLow = 0
  #seenHigh = 0

  /** At the length of a section that must end at `end` at the latest. False: it does not. */
  begin(bytes: Uint8Array, at: number, end: number, place: Place): boolean {
    this.#bytes = bytes
    this.#place = place
    this.#seenLow = 0
    this.#seenHigh = 0
    this.violation = undefined
    const length = readVarint(bytes, at, end)
    if (length < 0) {
      return this.#fail(length === VARINT_CUT ? VIOLATIONS.truncated : VIOLATIONS.propertyLength)
    }
    this.#next = at + varintSize(length)
    this.sectionEnd = this.#next + length
    return this.sectionEnd <= end || this.#fail(VIOLATIONS.propertyOverrun)
  }

  /** False at the end, and when `violation` says what is wrong with the next one. */
  next(): boolean {
    if (this.#next >= this.sectionEnd || this.violation !== undefined) return false
    // An identifier is a varint, but there is none of two bytes.
    const id = this.#bytes[this.#next++] ?? 0
    const rule = PROPERTY_BY_ID[id]
    if (rule === undefined) return this.#fail(VIOLATIONS.propertyUnknown)
    this.rule = rule
    if ((rule.places & (1 << this.#place)) === 0) {
      const { misplaced } = rule
      return this.#fail(
        misplaced?.place === this.#place ? misplaced.violation : VIOLATIONS.propertyUnknown,
      )
    }
    if (this.#wasSeen(id) && (rule.repeats & (1 << this.#place)) === 0) {
      return this.#fail(VIOLATIONS.propertyTwice)
    }
    return this.#readValue(rule)
  }

  /** Goes to the end; what is wrong on the way, if anything. */
  finish(): Violation | undefined {
    while (this.next());
    return this.violation
  }

  #wasSeen(id: number): boolean {
    const bit = 1 << (id & 31)
    const wasSeen = ((id < 32 ? this.#seenLow : this.#seenHigh) & bit) !== 0
    if (id < 32) this.#seenLow |= bit
    else this.#seenHigh |= bit
    return wasSeen
  }

  #readValue(rule: PropertyRule): boolean {
    switch (rule.kind) {
      case KIND.byte:
        return this.#readInteger(rule, 1)
      case KIND.uint16:
        return this.#readInteger(rule, 2)
      case KIND.uint32:
        return this.#readInteger(rule, 4)
      case KIND.varint:
        return this.#readVarint(rule)
      case KIND.binary:
        return this.#readBinary()
      case KIND.string:
        return this.#readString(rule)
      case KIND.pair:
        return this.#readPair()
    }
  }

  #readInteger(rule: PropertyRule, size: number): boolean {
    if (this.#next + size > this.sectionEnd) return this.#fail(VIOLATIONS.propertyOverrun)
    let value = 0
    for (let i = 0; i < size; i++) value = value * 256 + (this.#bytes[this.#next + i] ?? 0)
    this.#next += size
    return this.#take(rule, value)
  }

  #readVarint(rule: PropertyRule): boolean {
    const value = readVarint(this.#bytes, this.#next, this.sectionEnd)
    if (value === VARINT_CUT) return this.#fail(VIOLATIONS.propertyOverrun)
    if (value < 0) return this.#fail(VIOLATIONS.propertyLength)
    this.#next += varintSize(value)
    return this.#take(rule, value)
  }

  #take(rule: PropertyRule, value: number): boolean {
    this.number = value
    return (value >= rule.min && value <= rule.max) || this.#fail(rule.outside)
  }

  #readBinary(): boolean {
    if (this.#next + 2 > this.sectionEnd) return this.#fail(VIOLATIONS.propertyOverrun)
    const size = ((this.#bytes[this.#next] ?? 0) << 8) | (this.#bytes[this.#next + 1] ?? 0)
    this.start = this.#next + 2
    this.end = this.start + size
    this.#next = this.end
    return this.end <= this.sectionEnd || this.#fail(VIOLATIONS.propertyOverrun)
  }

  #readString(rule: PropertyRule): boolean {
    if (!this.#readBinary()) return false
    const violation = checkUtf8(this.#bytes, this.start, this.end)
    if (violation !== undefined) return this.#fail(violation)
    if (rule.id !== PROPERTY.responseTopic) return true
    return isTopicName(this.#bytes, this.start, this.end) || this.#fail(VIOLATIONS.responseTopic)
  }

  #readPair(): boolean {
    if (!this.#readBinary()) return false
    this.nameStart = this.start
    this.nameEnd = this.end
    if (checkUtf8(this.#bytes, this.start, this.end) !== undefined) {
      return this.#fail(VIOLATIONS.stringPair)
    }
    if (!this.#readBinary()) return false
    const violation = checkUtf8(this.#bytes, this.start, this.end)
    return violation === undefined || this.#fail(VIOLATIONS.stringPair)
  }

  #fail(violation: Violation): false {
    this.violation = violation
    return false
  }
}

const NOTHING = new Uint8Array(0)
