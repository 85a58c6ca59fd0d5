import type { Log, LogFields } from '../shared/log/index.ts'
import type { Clock } from '../shared/runtime/index.ts'
import { NOTICE_INTERVAL_MS } from './limits.ts'

/** Warnings that clients can cause at will: each is logged at most once per interval. */
export class Notices {
  readonly #clock: Clock
  readonly #log: Log
  /** By message. Messages are constants, so there are only a few. */
  readonly #seen = new Map<string, { readonly atMs: number; suppressed: number }>()

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  warn(fields: LogFields, message: string): void {
    const nowMs = this.#clock.monotonicMs()
    const seen = this.#seen.get(message)
    if (seen !== undefined && nowMs - seen.atMs < NOTICE_INTERVAL_MS) {
      seen.suppressed++
      return
    }
    this.#seen.set(message, { atMs: nowMs, suppressed: 0 })
    const suppressed = seen?.suppressed ?? 0
    this.#log.warn(suppressed === 0 ? fields : { ...fields, suppressed }, message)
  }

  /** For what is worth saying once in the life of a process. */
  once(fields: LogFields, message: string): void {
    if (this.#seen.has(message)) return
    this.#seen.set(message, { atMs: Number.POSITIVE_INFINITY, suppressed: 0 })
    this.#log.warn(fields, message)
  }
}
