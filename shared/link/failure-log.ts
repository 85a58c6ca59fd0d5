import type { Log } from '../log/index.ts'
import type { Clock } from '../runtime/index.ts'
import { FAILURE_LOG_INTERVAL_MS, FAILURE_REASONS_MAX } from './limits.ts'

export interface UplinkFailure {
  readonly url: string
  readonly reason: string
  /** What to do about it; '' when there is nothing to say. */
  readonly advice: string
  readonly retryInMs: number
}

/**
 * An outage in the log: the first failure and each new reason at once, the same one again every few
 * minutes with a count, and how long it took when it is over. A night without a link is a hundred
 * lines, not thirty thousand.
 */
export class FailureLog {
  readonly #log: Log
  readonly #clock: Clock
  readonly #what: string
  #sinceMs: number | undefined
  #failures = 0
  /** When each reason was logged last in this outage. Several addresses may fail in turn. */
  readonly #logged = new Map<string, number>()

  /** @param what is down, for the log */
  constructor(log: Log, clock: Clock, what = 'uplink') {
    this.#log = log
    this.#clock = clock
    this.#what = what
  }

  failed(failure: UplinkFailure): void {
    const now = this.#clock.monotonicMs()
    this.#sinceMs ??= now
    this.#failures++
    const kind = failure.reason.replaceAll(/\d+/g, '#')
    const loggedMs = this.#logged.get(kind)
    if (loggedMs !== undefined && now - loggedMs < FAILURE_LOG_INTERVAL_MS) return
    if (this.#logged.size >= FAILURE_REASONS_MAX) this.#logged.clear()
    this.#logged.set(kind, now)
    this.#log.warn(
      {
        url: failure.url,
        reason: failure.reason,
        ...(failure.advice === '' ? {} : { advice: failure.advice }),
        retryInMs: Math.round(failure.retryInMs),
        failures: this.#failures,
        downMs: Math.round(now - this.#sinceMs),
      },
      this.#failures === 1 ? `${this.#what} down` : `${this.#what} still down`,
    )
  }

  /** What the line that says "up" tells of the outage before it. */
  recovered(): { readonly failures: number; readonly downMs: number } {
    const now = this.#clock.monotonicMs()
    const summary = { failures: this.#failures, downMs: Math.round(now - (this.#sinceMs ?? now)) }
    this.#sinceMs = undefined
    this.#failures = 0
    this.#logged.clear()
    return summary
  }
}
