/** Control packet types, the high nibble of a packet's first byte (MQTT 3.1.1, table 2.1). */
export const PACKET = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
} as const

/** Fixed header flags that the specification reserves; PUBLISH has none (table 2.2). */
const RESERVED_FLAGS: readonly number[] = [0, 0, 0, 0, 0, 0, 2, 0, 2, 0, 2, 0, 0, 0, 0, 0]

const LENGTH_BYTES_MAX = 4

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
    for (let i = 0; i < LENGTH_BYTES_MAX; i++) {
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
}

/** Bytes that the fixed header of a packet with a body of `length` bytes takes. */
export function fixedHeaderSize(length: number): number {
  if (length < 0x80) return 2
  if (length < 0x4000) return 3
  return length < 0x20_0000 ? 4 : 5
}

/** Writes a fixed header at `at`; returns the offset behind it. */
export function writeFixedHeader(
  bytes: Uint8Array,
  at: number,
  first: number,
  length: number,
): number {
  bytes[at++] = first
  let rest = length
  while (rest >= 0x80) {
    bytes[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  bytes[at++] = rest
  return at
}
