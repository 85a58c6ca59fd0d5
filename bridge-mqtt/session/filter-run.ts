import type { PetioleError } from '../../shared/runtime/index.ts'
import type { Violation } from '../codec/index.ts'
import { FILTERS_TOGETHER } from '../limits.ts'
import { filterViolation } from './client-filters.ts'

/** undefined: it is on disk, or does not have to be. */
export type Stored = (error: PetioleError | undefined) => void

/** A SUBSCRIBE or UNSUBSCRIBE, as what is to be done for its filters; ranges of them are [from, to). */
export interface FilterRequest {
  readonly filters: readonly string[]
  /** Once, before the first change. */
  begin(): void
  /** Calls `committed` once, perhaps before it returns. */
  change(from: number, to: number, committed: Stored): void
  /** They did not get to disk, and are as they were. */
  failed(from: number, to: number, error: PetioleError): void
  /** Once, when all is done, and on disk or taken back. */
  answer(): void
}

/**
 * One request, filter by filter. First all are looked at, so that nothing is done of a packet that breaks a rule;
 * then they are changed, some together, so that what is known of them in memory and on disk belongs to the same
 * moment; when the last of them is committed the request is answered.
 */
export class FilterRun {
  violation: Violation | undefined
  readonly #request: FilterRequest
  readonly #isStopped: () => boolean
  #looked = 0
  #stepped = 0
  #changed = 0
  /** Changes on their way, and one for those to come. */
  #missing = 1

  /** @param isStopped whether nobody waits for an answer any more */
  constructor(request: FilterRequest, isStopped: () => boolean) {
    this.#request = request
    this.#isStopped = isStopped
  }

  /** One step; false: there is none left, or `violation` says what is wrong. */
  next(): boolean {
    if (this.#isStopped()) return false
    const { filters } = this.#request
    if (this.#looked < filters.length) {
      this.violation = filterViolation(filters[this.#looked++] ?? '')
      return this.violation === undefined
    }
    if (this.#stepped === 0) this.#request.begin()
    const isLast = ++this.#stepped >= filters.length
    if (isLast || this.#stepped - this.#changed >= FILTERS_TOGETHER) this.#change()
    if (isLast) this.#settled()
    return !isLast
  }

  #change(): void {
    const from = this.#changed
    const to = this.#stepped
    this.#changed = to
    this.#missing++
    this.#request.change(from, to, (error) => {
      if (error !== undefined) this.#request.failed(from, to, error)
      this.#settled()
    })
  }

  #settled(): void {
    this.#missing--
    if (this.#missing === 0 && !this.#isStopped()) this.#request.answer()
  }
}
