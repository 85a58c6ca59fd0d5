import { LEVEL, type Level } from './level.ts'
import { PACKET } from './packet-types.ts'
import { VARINT_BYTES_MAX, varintSize, writeVarint } from './varint.ts'
import { VIOLATIONS, type Violation } from './violation.ts'

/** Fixed header flags that the specification reserves; PUBLISH has none (table 2-2). */
const RESERVED_FLAGS: readonly number[] = [0, 0, 0, 0, 0, 0, 2, 0, 2, 0, 2, 0, 0, 0, 0, 0]
/** MQTT 3.1 sets it in a PUBREL, SUBSCRIBE or UNSUBSCRIBE that is sent again. */
const DUP_FLAG = 8

export type FrameState = 'whole' | 'partial' | 'malformed'

/**
 * The fixed header of one packet, and where its body lies. One object reads packet after packet;
 * its fields hold until the next `read`.
 */
export class Frame {
  type = 0
  flags = 0
  start = 0
  bodyStart = 0
  /** May lie beyond what has arrived: `read` then answers `partial`, and `isSized` is true. */
  bodyEnd = 0
  /** Whether the remaining length is known. */
  isSized = false

  get size(): number {
    return this.bodyEnd - this.start
  }

  /** Whether the remaining length has bytes that say nothing: MQTT 5 forbids them, 3.1.1 does not. */
  get isPadded(): boolean {
    const length = this.bodyEnd - this.bodyStart
    return this.isSized && this.bodyStart - this.start > fixedHeaderSize(length)
  }

  get hasReservedFlags(): boolean {
    return this.type !== PACKET.publish && this.flags !== RESERVED_FLAGS[this.type]
  }

  /** Reads the packet at `at` of what has arrived up to `end`; `malformed` is a length of five bytes. */
  read(bytes: Uint8Array, at: number, end: number): FrameState {
    const first = bytes[at] ?? 0
    this.type = first >> 4
    this.flags = first & 15
    this.start = at
    this.isSized = false
    let length = 0
    for (let i = 0; i < VARINT_BYTES_MAX; i++) {
      const position = at + 1 + i
      if (position >= end) return 'partial'
      const byte = bytes[position] ?? 0
      length += (byte & 0x7f) << (7 * i)
      if (byte < 0x80) {
        this.isSized = true
        this.bodyStart = position + 1
        this.bodyEnd = this.bodyStart + length
        return this.bodyEnd <= end ? 'whole' : 'partial'
      }
    }
    return 'malformed'
  }

  /**
   * What the fixed header tells, as soon as it is here and before a body is waited for.
   *
   * @param level undefined before CONNECT has said it
   * @param sizeMax bytes of a whole packet
   */
  violation(level: Level | undefined, sizeMax: number): Violation | undefined {
    const isOdd = this.type === 0 || this.type === PACKET.auth || this.hasReservedFlags
    const violation = isOdd ? this.#typeViolation(level) : undefined
    if (violation !== undefined) return violation
    if (level === LEVEL.v5 && this.isPadded) return VIOLATIONS.remainingLengthPadded
    return this.isSized && this.size > sizeMax ? VIOLATIONS.packetTooLarge : undefined
  }

  #typeViolation(level: Level | undefined): Violation | undefined {
    if (this.type === 0 || (this.type === PACKET.auth && level !== LEVEL.v5)) {
      return VIOLATIONS.unknownType
    }
    if (!this.hasReservedFlags) return undefined
    const reserved = RESERVED_FLAGS[this.type] ?? 0
    const isRepetition =
      level === LEVEL.v31 && reserved !== 0 && this.flags === (reserved | DUP_FLAG)
    return isRepetition ? undefined : VIOLATIONS.reservedFlags
  }
}

/** Bytes that the fixed header of a packet with a body of `length` bytes takes. */
export function fixedHeaderSize(length: number): number {
  return 1 + varintSize(length)
}

/** Writes a fixed header at `at`; returns the offset behind it. */
export function writeFixedHeader(
  bytes: Uint8Array,
  at: number,
  first: number,
  length: number,
): number {
  bytes[at] = first
  return writeVarint(bytes, at + 1, length)
}
