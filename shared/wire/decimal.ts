const SIZE_DIGITS_MAX = 9

/**
 * The decimal number in bytes [start, end); -1 when there is none, another byte, or more than nine
 * digits: no size of the protocol is larger.
 */
export function parseSize(bytes: Uint8Array, start: number, end: number): number {
  if (end <= start || end - start > SIZE_DIGITS_MAX) return -1
  let value = 0
  for (let i = start; i < end; i++) {
    const digit = (bytes[i] ?? 0) - 48
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value
}

/** How many bytes `formatDecimal` writes. */
export function decimalLength(value: number): number {
  let length = 1
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) length++
  return length
}

/** Writes a whole number at `at` without making a string; returns the offset behind it. */
export function formatDecimal(bytes: Uint8Array, at: number, value: number): number {
  const end = at + decimalLength(value)
  let rest = value
  for (let i = end - 1; i >= at; i--) {
    bytes[i] = 48 + (rest % 10)
    rest = Math.floor(rest / 10)
  }
  return end
}
