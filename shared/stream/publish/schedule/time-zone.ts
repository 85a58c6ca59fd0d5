/**
 * Wall clocks of time zones, from the tables of the runtime. A wall time that a change of the clocks
 * skips or repeats is resolved as Go's `time.Date` does, so that schedules fire when nats-server's do.
 */
export interface WallTime {
  readonly year: number
  /** 1 to 12. */
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  /** 0 is Sunday. */
  readonly weekday: number
}

const WEEK_DAYS = 7
const MS_PER_DAY = 86_400_000
/** The names of the zone files: no offsets, no abbreviations in lower case. */
const ZONE_NAME = /^[A-Z][A-Za-z0-9_+-]*(?:\/[A-Z][A-Za-z0-9_+-]*)*$/

export class TimeZone {
  static readonly utc = new TimeZone(undefined)
  static readonly #known = new Map<string, TimeZone>()
  readonly #format: Intl.DateTimeFormat | undefined

  private constructor(format: Intl.DateTimeFormat | undefined) {
    this.#format = format
  }

  /** undefined when there is no zone of this name. */
  static named(name: string): TimeZone | undefined {
    const known = TimeZone.#known.get(name)
    if (known !== undefined) return known
    const zone = TimeZone.#load(name)
    // There are some six hundred names, so this needs no bound of its own.
    if (zone !== undefined) TimeZone.#known.set(name, zone)
    return zone
  }

  static #load(name: string): TimeZone | undefined {
    if (name === 'UTC') return TimeZone.utc
    if (!ZONE_NAME.test(name)) return undefined
    try {
      const format = new Intl.DateTimeFormat('en-US', {
        // Go calls the zone of the machine so.
        ...(name === 'Local' ? {} : { timeZone: name }),
        hourCycle: 'h23',
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
        second: 'numeric',
      })
      return new TimeZone(format)
    } catch {
      return undefined
    }
  }

  /** What the zone's clocks show. */
  wallTime(ms: number): WallTime {
    const shown = new Date(ms + this.#offsetMs(ms))
    return {
      year: shown.getUTCFullYear(),
      month: shown.getUTCMonth() + 1,
      day: shown.getUTCDate(),
      hour: shown.getUTCHours(),
      minute: shown.getUTCMinutes(),
      second: shown.getUTCSeconds(),
      weekday: (Math.floor(shown.getTime() / MS_PER_DAY) + 4) % WEEK_DAYS,
    }
  }

  /** When the zone's clocks show this; months and days beyond their range count on. */
  instant(year: number, month: number, day: number, hour: number): number {
    const shown = Date.UTC(year, month - 1, day, hour)
    return shown - this.#offsetMs(shown - this.#offsetMs(shown))
  }

  /** How far the zone's clocks are ahead of UTC. */
  #offsetMs(ms: number): number {
    if (this.#format === undefined) return 0
    const wholeMs = Math.floor(ms / 1000) * 1000
    const part: Record<string, number> = {}
    for (const { type, value } of this.#format.formatToParts(wholeMs)) part[type] = Number(value)
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part
    return Date.UTC(year, month - 1, day, hour, minute, second) - wholeMs
  }
}
