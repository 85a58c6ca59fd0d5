const MINUTE_MS = 60_000
const WINDOWS_MINUTES = [1, 5, 15] as const

/** Sums since the start that `load/…` topics are rates of. */
export interface Rated {
  readonly connections: number
  readonly receivedMessages: number
  readonly receivedBytes: number
  readonly sentMessages: number
  readonly sentBytes: number
  /** undefined: not known of this account alone. */
  readonly dropped: number | undefined
}

export interface Loads {
  /** Per minute, over the last so many minutes. */
  ratesOf(field: keyof Rated): Iterable<readonly [minutes: number, perMinute: number]>
}

const FIELDS = [
  'connections',
  'receivedMessages',
  'receivedBytes',
  'sentMessages',
  'sentBytes',
  'dropped',
] as const satisfies readonly (keyof Rated)[]

const NOTHING: Rated = {
  connections: 0,
  receivedMessages: 0,
  receivedBytes: 0,
  sentMessages: 0,
  sentBytes: 0,
  dropped: 0,
}

/**
 * Rates per minute, each weighted less the longer ago it was, as a system's load is. Samples need not come at
 * even times: nobody takes them while nobody listens, and what happened meanwhile counts as one long interval.
 */
export class LoadAverages implements Loads {
  readonly #rates = new Map<keyof Rated, number[]>(
    FIELDS.map((field) => [field, WINDOWS_MINUTES.map(() => 0)]),
  )
  #sums: Rated = NOTHING
  #sampledMs: number

  /** @param startedMs when all sums were 0 */
  constructor(startedMs: number) {
    this.#sampledMs = startedMs
  }

  sample(sums: Rated, nowMs: number): void {
    const elapsedMs = nowMs - this.#sampledMs
    if (elapsedMs <= 0) return
    for (const field of FIELDS) {
      // A sum that has shrunk is another one: an account that was forgotten, and came again.
      const grown = Math.max(0, (sums[field] ?? 0) - (this.#sums[field] ?? 0))
      const perMinute = (grown * MINUTE_MS) / elapsedMs
      const rates = this.#rates.get(field) ?? []
      for (const [i, minutes] of WINDOWS_MINUTES.entries()) {
        const weight = Math.exp(-elapsedMs / (minutes * MINUTE_MS))
        rates[i] = perMinute + weight * ((rates[i] ?? 0) - perMinute)
      }
    }
    this.#sums = sums
    this.#sampledMs = nowMs
  }

  *ratesOf(field: keyof Rated): Generator<readonly [minutes: number, perMinute: number]> {
    const rates = this.#rates.get(field) ?? []
    for (const [i, minutes] of WINDOWS_MINUTES.entries()) yield [minutes, rates[i] ?? 0]
  }
}
