/** Whole numbers as digits among other bytes: what is written for each message is never a string. */
const ZERO = 48
const MILLION = 1_000_000
const PADDED_DIGITS = 6

/** Writes a whole number up to MAX_SAFE_INTEGER at `at`; returns where it ends. */
export function writeDigits(bytes: Uint8Array, at: number, value: number): number {
  if (value >= MILLION) {
    const high = Math.floor(value / MILLION)
    return writePadded(bytes, writeDigits(bytes, at, high), value - high * MILLION)
  }
  let size = 1
  for (let bound = 10; value >= bound; bound *= 10) size++
  let rest = value | 0
  for (let i = at + size - 1; i >= at; i--) {
    const tens = (rest / 10) | 0
    bytes[i] = ZERO + rest - tens * 10
    rest = tens
  }
  return at + size
}

/** The same in six digits, for a number below a million. */
export function writePadded(bytes: Uint8Array, at: number, value: number): number {
  let rest = value | 0
  for (let i = at + PADDED_DIGITS - 1; i >= at; i--) {
    const tens = (rest / 10) | 0
    bytes[i] = ZERO + rest - tens * 10
    rest = tens
  }
  return at + PADDED_DIGITS
}
