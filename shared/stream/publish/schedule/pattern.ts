/** What `Nats-Schedule` may say [ADR-51]: `@at` a time, `@every` so long, a name, or a cron pattern. */
import { parseGoDuration } from '../../go-duration.ts'
import { NS_PER_MS } from '../../limits.ts'
import { parseTime } from '../../timestamp.ts'
import { Cron } from './cron.ts'
import { TimeZone } from './time-zone.ts'

const SECOND_MS = 1000

const NAMED: Readonly<Record<string, string>> = {
  '@yearly': '0 0 0 1 1 *',
  '@annually': '0 0 0 1 1 *',
  '@monthly': '0 0 0 1 * *',
  '@weekly': '0 0 0 * * 0',
  '@daily': '0 0 0 * * *',
  '@midnight': '0 0 0 * * *',
  '@hourly': '0 0 * * * *',
}

export interface NextTime {
  readonly ms: number
  readonly isRepeated: boolean
}

/**
 * When a schedule is due next; undefined when the pattern is none. What was missed is due once: the
 * time after it counts from now on.
 * @param afterMs when it was due last, or was made
 * @param zone only for patterns that name times of day
 */
export function nextTime(
  pattern: string,
  zone: TimeZone | undefined,
  afterMs: number,
  nowMs: number,
): NextTime | undefined {
  if (pattern.startsWith('@at ')) {
    const ms = zone === undefined ? parseTime(pattern.slice(4)) : undefined
    return ms === undefined ? undefined : { ms, isRepeated: false }
  }
  if (pattern.startsWith('@every ')) {
    const ns = zone === undefined ? parseGoDuration(pattern.slice(7)) : undefined
    const everyMs = (ns ?? 0) / NS_PER_MS
    if (everyMs < SECOND_MS) return undefined
    const ms = wholeSecond(afterMs) + everyMs
    return { ms: ms < nowMs ? wholeSecond(nowMs) + everyMs : ms, isRepeated: true }
  }
  const cron = Cron.parse(Object.hasOwn(NAMED, pattern) ? (NAMED[pattern] ?? '') : pattern)
  const first = cron?.nextAfter(afterMs, zone ?? TimeZone.utc)
  if (first === undefined || first >= nowMs) return repeated(first)
  return repeated(cron?.nextAfter(wholeSecond(nowMs), zone ?? TimeZone.utc))
}

function repeated(ms: number | undefined): NextTime | undefined {
  return ms === undefined ? undefined : { ms, isRepeated: true }
}

function wholeSecond(ms: number): number {
  return Math.round(ms / SECOND_MS) * SECOND_MS
}
