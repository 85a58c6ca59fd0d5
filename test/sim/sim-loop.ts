import { EventQueue } from './event-queue.ts'

/** No progress of time in this many events: somebody calls `soon` for ever. */
const EVENTS_PER_INSTANT_MAX = 1_000_000

/** Now and then the process gets a turn of its own event loop, for signals and rejections. */
const EVENTS_PER_REAL_TURN = 2_000

export interface RunOptions {
  /** Simulated time to stop at. */
  readonly untilMs?: number
  /** Simulated time to run for. */
  readonly forMs?: number
  /** Stops when this holds; looked at after each event. Not reached by the end of time: an error. */
  readonly until?: () => boolean
  /** What `until` waits for, for the error message. */
  readonly what?: string
}

/**
 * The one event loop of a simulated world. Time stands still while code runs and jumps from event
 * to event. After each event all promises settle before the next one, so a run depends on the seed
 * alone. `hash` sums up all that happened, in order: equal for equal seeds, or something in the code
 * under test looks at the real world.
 */
export class SimLoop {
  readonly seed: number
  readonly #queue = new EventQueue()
  readonly #lines: string[] = []
  readonly #linesMax: number
  #nowMs = 0
  #hash = 0x811c9dc5
  #events = 0

  /** @param linesMax how many of the last trace lines to keep, for a person to read. */
  constructor(seed: number, linesMax = 0) {
    this.seed = seed
    this.#linesMax = linesMax
  }

  get nowMs(): number {
    return this.#nowMs
  }

  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0')
  }

  get events(): number {
    return this.#events
  }

  get trace(): readonly string[] {
    return this.#lines
  }

  /** Calls `run` after `delayMs` of simulated time; the result cancels it. */
  after(delayMs: number, source: string, run: () => void): () => void {
    const event = this.#queue.add(this.#nowMs + Math.max(0, delayMs), source, run)
    return () => {
      event.isCancelled = true
    }
  }

  /** Adds a fact to the hash of the run, and to the trace. */
  note(source: string, fact: string, number = 0): void {
    let hash = this.#hash
    for (let i = 0; i < source.length; i++)
      hash = Math.imul(hash ^ source.charCodeAt(i), 0x01000193)
    for (let i = 0; i < fact.length; i++) hash = Math.imul(hash ^ fact.charCodeAt(i), 0x01000193)
    hash = Math.imul(hash ^ (number | 0), 0x01000193)
    this.#hash = Math.imul(hash ^ (this.#nowMs * 1024), 0x01000193)
    if (this.#linesMax === 0) return
    if (this.#lines.length >= this.#linesMax) this.#lines.shift()
    this.#lines.push(`${this.#nowMs.toFixed(3)} ${source} ${fact} ${number}`)
  }

  async run(options: RunOptions): Promise<void> {
    const endMs = options.untilMs ?? this.#nowMs + (options.forMs ?? Number.POSITIVE_INFINITY)
    const { until } = options
    let sameInstant = 0
    // Ticks go before promises where nobody's promise called this, as mocha does: so it is one from here on.
    await Promise.resolve()
    await settled()
    while (until === undefined || !until()) {
      const event = this.#queue.take(endMs)
      if (event === undefined) break
      sameInstant = event.atMs > this.#nowMs ? 0 : sameInstant + 1
      if (sameInstant > EVENTS_PER_INSTANT_MAX) throw this.#failure('time stands still', undefined)
      this.#nowMs = Math.max(this.#nowMs, event.atMs)
      this.note(event.source, '')
      try {
        event.run()
      } catch (error) {
        throw this.#failure(`${event.source} threw`, error)
      }
      await settled()
      if (++this.#events % EVENTS_PER_REAL_TURN === 0) await realTurn()
    }
    await realTurn()
    if (until === undefined) this.#nowMs = Number.isFinite(endMs) ? endMs : this.#nowMs
    else if (!until())
      throw this.#failure(`not reached: ${options.what ?? 'the condition'}`, undefined)
  }

  #failure(what: string, cause: unknown): Error {
    const why = cause instanceof Error ? `: ${cause.message}` : ''
    const at = `seed=${this.seed} at ${this.#nowMs.toFixed(3)} ms`
    const trace = this.#lines.length === 0 ? '' : `\n${this.#lines.join('\n')}`
    return new Error(`${what}${why} (${at})${trace}`, { cause })
  }
}

/** Resolves when no promise has anything left to do: ticks run after the microtasks are all done. */
function settled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve))
}

function realTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
