import { VIOLATIONS, type Violation } from './violation.ts'

/**
 * Strict UTF-8 as MQTT wants its strings: no overlong forms, no surrogates, nothing above U+10FFFF
 * [MQTT-1.5.3-1], no U+0000 [MQTT-1.5.3-2]. U+FEFF is a character like any other [MQTT-1.5.3-3];
 * control and non-characters are only discouraged, and are let through.
 */
export function checkUtf8(bytes: Uint8Array, start: number, end: number): Violation | undefined {
  let at = start
  while (at < end) {
    const byte = bytes[at] ?? 0
    if (byte === 0) return VIOLATIONS.nulInString
    if (byte < 0x80) {
      at++
      continue
    }
    const size = sequenceSize(byte, bytes[at + 1] ?? 0)
    if (size === 0 || at + size > end) return VIOLATIONS.malformedString
    for (let i = 2; i < size; i++) {
      if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return VIOLATIONS.malformedString
    }
    at += size
  }
  return undefined
}

/** Bytes of the sequence that `lead` and `second` begin, 0 when they cannot. Table 3-7 of Unicode. */
function sequenceSize(lead: number, second: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return isWithin(second, 0x80, 0xbf) ? 2 : 0
  if (lead === 0xe0) return isWithin(second, 0xa0, 0xbf) ? 3 : 0
  if (lead === 0xed) return isWithin(second, 0x80, 0x9f) ? 3 : 0
  if (lead >= 0xe1 && lead <= 0xef) return isWithin(second, 0x80, 0xbf) ? 3 : 0
  if (lead === 0xf0) return isWithin(second, 0x90, 0xbf) ? 4 : 0
  if (lead === 0xf4) return isWithin(second, 0x80, 0x8f) ? 4 : 0
  if (lead >= 0xf1 && lead <= 0xf3) return isWithin(second, 0x80, 0xbf) ? 4 : 0
  return 0
}

function isWithin(byte: number, low: number, high: number): boolean {
  return byte >= low && byte <= high
}
