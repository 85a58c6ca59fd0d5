import type { TimeRange } from './user-terms.ts'

const DAY_MS = 24 * 3_600_000

/** `15:04:05`; hours and the rest within their bounds. */
export function isTimeOfDay(text: string): boolean {
  return /^(?:[01]?\d|2[0-3]):[0-5]\d:[0-5]\d$/.test(text)
}

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/**
 * How long some of the ranges goes on at `nowMs`; undefined: none is open. 0 without ranges, which
 * means for ever. A range whose end is before its start crosses midnight.
 *
 * @param location IANA name; '' for the time zone of the process
 */
export function openForMs(
  ranges: readonly TimeRange[],
  location: string,
  nowMs: number,
): number | undefined {
  if (ranges.length === 0) return 0
  const now = timeOfDayMs(nowMs, location)
  let longest: number | undefined
  for (const range of ranges) {
    const start = readMs(range.start)
    const end = readMs(range.end)
    const isOpen = start <= end ? start < now && now < end : now < end || start < now
    if (!isOpen) continue
    const left = end > now ? end - now : end + DAY_MS - now
    longest = Math.max(longest ?? 0, left)
  }
  return longest
}

function readMs(text: string): number {
  const [hours = 0, minutes = 0, seconds = 0] = text.split(':').map(Number)
  return ((hours * 60 + minutes) * 60 + seconds) * 1_000
}

/** Wall clock of a place, in milliseconds since its midnight. */
function timeOfDayMs(nowMs: number, location: string): number {
  const format = new Intl.DateTimeFormat('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    ...(location === '' ? {} : { timeZone: location }),
  })
  return readMs(format.format(nowMs)) + (nowMs % 1_000)
}
