/**
 * Cron patterns of six fields: second, minute, hour, day of month, month, day of week. Each is `*`,
 * `?`, or a list of numbers, names, ranges and steps. Rules and the search for the next time are those
 * of nats-server (cron.go, after robfig/cron); no library keeps to its corner cases, so this is ours.
 */
import type { TimeZone, WallTime } from './time-zone.ts'

interface Field {
  readonly min: number
  readonly max: number
  readonly names: readonly string[]
}

/** The values that match, by value; `isAny` when the field was left open. */
interface Match {
  readonly values: readonly boolean[]
  readonly isAny: boolean
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const FIELDS: readonly Field[] = [
  { min: 0, max: 59, names: [] },
  { min: 0, max: 59, names: [] },
  { min: 0, max: 23, names: [] },
  { min: 1, max: 31, names: [] },
  { min: 1, max: 12, names: MONTHS },
  { min: 0, max: 6, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
]
const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
/** A pattern that matches nothing for so long is refused. */
const YEARS_AHEAD_MAX = 5

export class Cron {
  readonly #second: Match
  readonly #minute: Match
  readonly #hour: Match
  readonly #day: Match
  readonly #month: Match
  readonly #weekday: Match

  private constructor(matches: readonly Match[]) {
    const [second, minute, hour, day, month, weekday] = matches as [
      Match,
      Match,
      Match,
      Match,
      Match,
      Match,
    ]
    this.#second = second
    this.#minute = minute
    this.#hour = hour
    this.#day = day
    this.#month = month
    this.#weekday = weekday
  }

  /** undefined when it is no pattern. */
  static parse(pattern: string): Cron | undefined {
    const texts = pattern.split(/\s+/).filter((text) => text !== '')
    if (texts.length !== FIELDS.length) return undefined
    const matches: Match[] = []
    for (const [i, text] of texts.entries()) {
      const match = parseField(text, FIELDS[i] as Field)
      if (match === undefined) return undefined
      matches.push(match)
    }
    return new Cron(matches)
  }

  /** The first time after `ms` that matches; undefined when there is none within five years. */
  nextAfter(ms: number, zone: TimeZone): number | undefined {
    let next = Math.floor(ms / SECOND_MS) * SECOND_MS + SECOND_MS
    const yearMax = zone.wallTime(next).year + YEARS_AHEAD_MAX
    for (;;) {
      const wall = zone.wallTime(next)
      if (wall.year > yearMax) return undefined
      const later = this.#laterThan(next, wall, zone)
      if (later === next) return next
      next = later
    }
  }

  /** The same time when it matches, else a later one with nothing that matches in between. */
  #laterThan(ms: number, wall: WallTime, zone: TimeZone): number {
    const { year, month, day, hour } = wall
    if (!this.#month.values[month]) return after(ms, zone.instant(year, month + 1, 1, 0))
    if (!this.#matchesDay(wall)) return after(ms, zone.instant(year, month, day + 1, 0))
    if (!this.#hour.values[hour]) {
      // By the clock that runs on, not by what it shows: an hour that is skipped is none.
      return after(ms, zone.instant(year, month, day, hour) + HOUR_MS)
    }
    if (!this.#minute.values[wall.minute]) return Math.floor(ms / MINUTE_MS) * MINUTE_MS + MINUTE_MS
    if (!this.#second.values[wall.second]) return ms + SECOND_MS
    return ms
  }

  /** Either of the two days is enough when both are restricted. */
  #matchesDay({ day, weekday }: WallTime): boolean {
    const isDay = this.#day.values[day] === true
    const isWeekday = this.#weekday.values[weekday] === true
    const isOpen = this.#day.isAny || this.#weekday.isAny
    return isOpen ? isDay && isWeekday : isDay || isWeekday
  }
}

/** Changes of the clocks must not lead back. */
function after(ms: number, next: number): number {
  return next > ms ? next : ms + SECOND_MS
}

function parseField(text: string, field: Field): Match | undefined {
  const values: boolean[] = []
  let isAny = false
  for (const range of text.split(',').filter((part) => part !== '')) {
    const found = parseRange(range, field)
    if (found === undefined) return undefined
    const [from, to, step] = found.bounds
    for (let value = from; value <= to; value += step) values[value] = true
    isAny ||= found.isAny
  }
  return { values, isAny }
}

function parseRange(
  text: string,
  { min, max, names }: Field,
): { bounds: readonly [from: number, to: number, step: number]; isAny: boolean } | undefined {
  const [range = '', stepText, ...more] = text.split('/')
  const [low = '', high, ...tooMany] = range.split('-')
  if (more.length > 0) return undefined
  const isStar = low === '*' || low === '?'
  if (!isStar && tooMany.length > 0) return undefined
  const from = isStar ? min : numberOf(low, min, names)
  const step = stepText === undefined ? 1 : numberOf(stepText, 0, [])
  let to = from
  if (isStar) to = max
  else if (high !== undefined) to = numberOf(high, min, names)
  // `5/15` goes on to the end.
  if (stepText !== undefined && high === undefined) to = max
  if (from === undefined || to === undefined || step === undefined) return undefined
  if (from < min || to > max || from > to || step === 0) return undefined
  return { bounds: [from, to, step], isAny: isStar && step === 1 }
}

function numberOf(text: string, min: number, names: readonly string[]): number | undefined {
  const at = names.indexOf(text.toLowerCase())
  if (at >= 0) return at + min
  return /^[-+]?\d+$/.test(text) && !text.startsWith('-') ? Number(text) : undefined
}
