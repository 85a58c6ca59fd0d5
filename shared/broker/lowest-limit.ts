/** The lowest of limits, of which -1 is none. */
export function lowest(...limits: readonly number[]): number {
  return Math.min(...limits.map((limit) => (limit < 0 ? Number.POSITIVE_INFINITY : limit)))
}
