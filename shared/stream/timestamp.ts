/**
 * RFC 3339 times with up to nine decimals, as JetStream writes them, from and to milliseconds since
 * the epoch with a fraction. A double keeps quarter microseconds until the year 2100; more decimals
 * would be noise, so the last digits are what the double says.
 */

import { DURATION_NS_MAX, NS_PER_MS } from './limits.ts'

const MS_PER_DAY = 86_400_000
const ZERO_TIME = '0001-01-01T00:00:00Z'

/** Go's RFC3339Nano: trailing zeros of the fraction are left out. 0 is Go's zero time. */
export function formatTime(ms: number): string {
  if (ms === 0) return ZERO_TIME
  const wholeMs = Math.floor(ms)
  const days = Math.floor(wholeMs / MS_PER_DAY)
  const inDay = wholeMs - days * MS_PER_DAY
  const seconds = Math.floor(inDay / 1000)
  const nanos = (inDay % 1000) * 1_000_000 + subMsNanos(ms)
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  const fraction = nanos === 0 ? '' : `.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`
  return `${dateOfDay(days)}T${clock.map((part) => pad(part, 2)).join(':')}${fraction}Z`
}

/** undefined when the text is not an RFC 3339 time. */
export function parseTime(text: string): number | undefined {
  const match =
    /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?(?:Z|([+-])(\d\d):(\d\d))$/.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59) return undefined
  if (day < 1 || dateOfDay(dayOfDate(year, month, day)) !== text.slice(0, 10)) return undefined
  const offsetMinutes = Number(match[9] ?? 0) * 60 + Number(match[10] ?? 0)
  const sign = match[8] === '-' ? 1 : -1
  const secondsInDay = hour * 3600 + minute * 60 + second + sign * offsetMinutes * 60
  const fractionMs = Number(match[7] ?? 0) * 1000
  return dayOfDate(year, month, day) * MS_PER_DAY + secondsInDay * 1000 + fractionMs
}

/** Milliseconds as Go's nanoseconds, at most the longest that int64 and a double both hold. */
export function durationNs(ms: number): number {
  return Math.min(Math.round(ms * NS_PER_MS), DURATION_NS_MAX)
}

/** Nanoseconds as Go writes a duration: `1h0m0s`, `1.5s`, `20ms`. */
export function durationText(ns: number): string {
  if (ns === 0) return '0s'
  if (ns < 0) return `-${durationText(-ns)}`
  if (ns < 1e3) return `${ns}ns`
  if (ns < 1e6) return `${ns / 1e3}µs`
  if (ns < 1e9) return `${ns / 1e6}ms`
  const minutes = Math.floor(ns / 60e9)
  const seconds = `${(ns - minutes * 60e9) / 1e9}s`
  if (minutes === 0) return seconds
  const hours = Math.floor(minutes / 60)
  return hours === 0 ? `${minutes}m${seconds}` : `${hours}h${minutes % 60}m${seconds}`
}

const TIME_PARTS: readonly (readonly [part: RegExp, name: string])[] = [
  [/^\d{4}/, '2006'],
  [/^-/, '-'],
  [/^\d\d/, '01'],
  [/^-/, '-'],
  [/^\d\d/, '02'],
  [/^T/, 'T'],
  [/^\d\d/, '15'],
  [/^:/, ':'],
  [/^\d\d/, '04'],
  [/^:/, ':'],
  [/^\d\d(\.\d+)?/, '05'],
  [/^(Z|[+-]\d\d:\d\d)$/, 'Z07:00'],
]

/** What Go says about a text that is not an RFC 3339 time. */
export function timeProblem(text: string): string {
  const head = `parsing time ${quoted(text)}`
  let rest = text
  for (const [part, name] of TIME_PARTS) {
    const match = part.exec(rest)
    if (match === null) {
      const where = `cannot parse ${quoted(rest)} as ${JSON.stringify(name)}`
      return `${head} as "2006-01-02T15:04:05Z07:00": ${where}`
    }
    rest = rest.slice(match[0].length)
  }
  const [, month = 0, , hour = 0, minute = 0, second = 0] = (text.match(/\d+/g) ?? []).map(Number)
  const beyond = [
    [month < 1 || month > 12, 'month'],
    [hour > 23, 'hour'],
    [minute > 59, 'minute'],
    [second > 59, 'second'],
  ].find(([isBeyond]) => isBeyond)
  return `${head}: ${beyond === undefined ? 'day' : String(beyond[1])} out of range`
}

/** As Go's time package quotes what it cannot read: by bytes. */
function quoted(text: string): string {
  // It may be as long as a request.
  if (/^[ !#-[\]-~]*$/.test(text)) return `"${text}"`
  const shown = Array.from(Buffer.from(text), (byte) => {
    if (byte < 0x20 || byte > 0x7f) return `\\x${byte.toString(16).padStart(2, '0')}`
    const char = String.fromCharCode(byte)
    return char === '"' || char === '\\' ? `\\${char}` : char
  })
  return `"${shown.join('')}"`
}

function subMsNanos(ms: number): number {
  return Math.min(999_999, Math.floor((ms - Math.floor(ms)) * 1_000_000))
}

function pad(value: number, size: number): string {
  return String(value).padStart(size, '0')
}

/** Days since 1970-01-01 to a date of the Gregorian calendar, with years that begin in March. */
function dateOfDay(days: number): string {
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  )
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`
}

function dayOfDate(year: number, month: number, day: number): number {
  const fromMarch = month <= 2 ? year - 1 : year
  const era = Math.floor(fromMarch / 400)
  const yearOfEra = fromMarch - era * 400
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}
