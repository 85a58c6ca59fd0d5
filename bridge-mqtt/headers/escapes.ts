/**
 * Text of MQTT in a header's value: `%` and two hexadecimal digits for each byte that would be taken for
 * something else there. Those are `%` itself, control characters, blanks at either end, and the `=` in a
 * name that an `=` ends. Whatever decodes percent-encoding reads it; a `%` that no digits follow is one.
 */
const PERCENT = 0x25
const EQUALS = 0x3d
const SPACE = 0x20
const DELETE = 0x7f
const HEX = Buffer.from('0123456789ABCDEF')
const ESCAPE_BYTES = 3

/** Writes it at `at`, as far as there is room; the offset behind it, -1 when there is not enough. */
export function writeEscaped(
  out: Uint8Array,
  at: number,
  roomEnd: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  isName: boolean,
): number {
  let next = at
  for (let i = start; i < end; i++) {
    const byte = bytes[i] ?? 0
    if (!needsEscape(byte, isName, i === start || i === end - 1)) {
      if (next >= roomEnd) return -1
      out[next++] = byte
      continue
    }
    if (next + ESCAPE_BYTES > roomEnd) return -1
    out[next++] = PERCENT
    out[next++] = HEX[byte >> 4] ?? 0
    out[next++] = HEX[byte & 15] ?? 0
  }
  return next
}

/** Writes what bytes [start, end) say, which is never longer; returns the offset behind it. */
export function writeUnescaped(
  out: Uint8Array,
  at: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  let next = at
  for (let i = start; i < end; i++) {
    const byte = bytes[i] ?? 0
    const high = byte === PERCENT && i + 2 < end ? digitOf(bytes[i + 1]) : -1
    const low = high < 0 ? -1 : digitOf(bytes[i + 2])
    if (low < 0) {
      out[next++] = byte
      continue
    }
    out[next++] = high * 16 + low
    i += ESCAPE_BYTES - 1
  }
  return next
}

function needsEscape(byte: number, isName: boolean, isAtEdge: boolean): boolean {
  if (byte > PERCENT) return byte === DELETE || (isName && byte === EQUALS)
  return byte === PERCENT || byte < SPACE || (byte === SPACE && isAtEdge)
}

function digitOf(byte = 0): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | SPACE
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}
