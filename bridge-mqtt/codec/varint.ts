/**
 * Variable byte integers: seven bits to a byte, the lowest first, the high bit says that there are
 * more. At most four bytes, and no more than the value needs [MQTT-1.5.5-1].
 */
export const VARINT_BYTES_MAX = 4
export const VARINT_MAX = 0x0fff_ffff

/** What `readVarint` answers for a value that is cut short, and for one that is too long. */
export const VARINT_CUT = -1
export const VARINT_LONG = -2

/** The value at `at`; its size is `varintSize` of it. */
export function readVarint(bytes: Uint8Array, at: number, end: number): number {
  let value = 0
  for (let i = 0; i < VARINT_BYTES_MAX; i++) {
    if (at + i >= end) return VARINT_CUT
    const byte = bytes[at + i] ?? 0
    value += (byte & 0x7f) << (7 * i)
    if (byte < 0x80) return byte === 0 && i > 0 ? VARINT_LONG : value
  }
  return VARINT_LONG
}

export function varintSize(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  return value < 0x20_0000 ? 3 : 4
}

/** Returns the offset behind it. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value
  while (rest >= 0x80) {
    bytes[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  bytes[at++] = rest
  return at
}
