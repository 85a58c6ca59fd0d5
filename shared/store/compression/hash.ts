/** Strings that are looked for have so many bytes at least: what is shorter is said in as many. */
export const STRING_BYTES = 4

/** The bytes of a string, which must all be there, as a number. */
export function readAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  )
}

export function hashAt(bytes: Uint8Array, at: number, bits: number): number {
  return Math.imul(readAt(bytes, at), 0x9e3779b1) >>> (32 - bits)
}
