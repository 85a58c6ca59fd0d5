/**
 * Word-wise FNV with a final mix: 4 bytes a step. The seed is each process's own: else who may publish could
 * choose subjects that all fall on one place of a table.
 */
export function hashOf(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let h = seed ^ (end - start)
  let i = start
  for (; i + 4 <= end; i += 4) {
    const word =
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24)
    h = Math.imul(h ^ word, 0x01000193)
    h ^= h >>> 15
  }
  for (; i < end; i++) h = Math.imul(h ^ (bytes[i] as number), 0x01000193)
  h ^= h >>> 15
  h = Math.imul(h, 0x2c1b3c6d)
  h ^= h >>> 12
  return h | 0
}
