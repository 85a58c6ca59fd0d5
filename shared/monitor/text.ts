/** Times and durations as nats-server's monitoring writes them. */

const NANOS_PER_MS = 1_000_000
const SECOND_MS = 1_000
const UNITS: readonly (readonly [string, number])[] = [
  ['y', 365 * 86_400_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
]

export function timeText(wallMs: number): string {
  return new Date(wallMs).toISOString()
}

/** `1d2h3m4s`: from the largest unit that counts down to seconds. */
export function uptimeText(durationMs: number): string {
  let restMs = Math.max(0, durationMs)
  let text = ''
  for (const [unit, unitMs] of UNITS) {
    const count = Math.floor(restMs / unitMs)
    if (count === 0 && text === '') continue
    text += `${count}${unit}`
    restMs -= count * unitMs
  }
  return `${text}${Math.floor(restMs / SECOND_MS)}s`
}

/** Go's duration: `1.234ms`, `56µs`, `2.5s`, `1m2.5s`; `0s` for what was not measured yet. */
export function durationText(durationMs: number | undefined): string {
  if (durationMs === undefined || durationMs <= 0) return '0s'
  if (durationMs >= MINUTE_MS) {
    const minutes = Math.floor(durationMs / MINUTE_MS)
    const rest = `${minutes % 60}m${trimmed((durationMs % MINUTE_MS) / SECOND_MS)}s`
    return minutes < 60 ? rest : `${Math.floor(minutes / 60)}h${rest}`
  }
  if (durationMs >= SECOND_MS) return `${trimmed(durationMs / SECOND_MS)}s`
  if (durationMs >= 1) return `${trimmed(durationMs)}ms`
  return `${trimmed(durationMs * 1_000)}µs`
}

export function nanos(durationMs: number): number {
  return Math.round(durationMs * NANOS_PER_MS)
}

const MINUTE_MS = 60_000

function trimmed(value: number): string {
  return String(Number(value.toFixed(3)))
}
