/**
 * HalfSipHash-1-3 [Aumasson, Bernstein: SipHash], 4 bytes a step, which knows no collisions that do not depend on the
 * key. The seed is each process's own: else who may publish could choose subjects that all fall on
 * one place of a table.
 */
export function hashOf(bytes: Uint8Array, start: number, end: number, seed: number): number {
  const key = Math.imul(seed ^ 0x5bd1e995, 0x9e3779b1)
  let v0 = seed | 0
  let v1 = key
  let v2 = 0x6c796765 ^ seed
  let v3 = 0x74656462 ^ key
  let rounds = ((end - start) >>> 2) + 4
  for (let i = start; rounds > 0; i += 4, rounds--) {
    let word = 0
    if (rounds > 4) {
      word =
        (bytes[i] as number) |
        ((bytes[i + 1] as number) << 8) |
        ((bytes[i + 2] as number) << 16) |
        ((bytes[i + 3] as number) << 24)
    } else if (rounds === 4) {
      word = (end - start) << 24
      if (i + 2 < end) word |= (bytes[i + 2] as number) << 16
      if (i + 1 < end) word |= (bytes[i + 1] as number) << 8
      if (i < end) word |= bytes[i] as number
    } else if (rounds === 3) v2 ^= 0xff
    v3 ^= word
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (v0 + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
    v0 ^= word
  }
  return v1 ^ v3
}
