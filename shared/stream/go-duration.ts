/** Durations as Go reads them: `1h30m`, `1.5s`, `-2ms`. */
const UNIT_NS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3_600e9,
}

/** Beyond what Go's 64 bits hold. */
const NS_END = 2 ** 63

/** Nanoseconds; undefined when it is no duration. A number without a unit is none, but `0`. */
export function parseGoDuration(text: string): number | undefined {
  const [, sign, rest = ''] = /^([-+]?)(.*)$/s.exec(text) ?? []
  if (rest === '0') return 0
  if (!/^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) return undefined
  let ns = 0
  for (const [, amount, unit = ''] of rest.matchAll(/([\d.]+)([^\d.]+)/g)) {
    ns += Number(amount) * (UNIT_NS[unit] ?? 0)
  }
  if (ns >= NS_END) return undefined
  return sign === '-' ? -ns : ns
}
