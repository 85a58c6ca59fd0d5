/**
 * Numbers with units. Sizes follow nats-server's conf/parse.go: `k` is 1000, `kb`, `ki` and `kib` are
 * 1024, in any case. Durations follow Go's: `1h30m`, `250ms`; `d` and `w` are ours.
 */

const EXPONENTS: Readonly<Record<string, number>> = { k: 1, m: 2, g: 3, t: 4, p: 5, e: 6 }

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
}

export function parseNumber(
  text: string,
): { readonly value: number; readonly isFloat: boolean } | undefined {
  if (/^-?\d+\.\d+$/.test(text)) return { value: Number(text), isFloat: true }
  const match = /^(-?\d+)(?:([kmgtpe])(b|i|ib)?)?$/i.exec(text)
  if (match === null) return undefined
  const [, digits, unit, binary] = match
  const base = binary === undefined ? 1000 : 1024
  const factor = unit === undefined ? 1 : base ** (EXPONENTS[unit.toLowerCase()] ?? 0)
  return { value: Number(digits) * factor, isFloat: false }
}

/** Milliseconds; undefined when it is no duration. A bare number is not: callers know its unit. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d|w))+$/.test(text)) return undefined
  let totalMs = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d|w)/g)) {
    totalMs += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0)
  }
  return totalMs
}
