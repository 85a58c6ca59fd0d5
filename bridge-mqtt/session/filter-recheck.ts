import { FILTERS_TOGETHER } from '../limits.ts'
import type { ClientFilter } from './client-filters.ts'

export interface RecheckedFilters {
  /** Stays true to what is added or ended meanwhile. */
  all(): Iterator<ClientFilter>
  delete(filter: string): void
}

/**
 * Looks at all filters of one client after its user's permissions have changed, one by one, and ends those that
 * are not allowed any more; some together are told of, so that what is known of them in memory and on disk
 * belongs to the same moment. One that begins anew takes the place of this one.
 */
export class FilterRecheck {
  readonly #filters: RecheckedFilters
  readonly #ended: (filters: readonly string[]) => void
  readonly #left: Iterator<ClientFilter>
  #removed: string[] = []

  /** @param ended gets those that were ended, FILTERS_TOGETHER at most */
  constructor(filters: RecheckedFilters, ended: (filters: readonly string[]) => void) {
    this.#filters = filters
    this.#ended = ended
    this.#left = filters.all()
  }

  /** Looks at one more; false: there is none left. */
  next(): boolean {
    const { value: filter, done } = this.#left.next()
    if (done === true) {
      this.stop()
      return false
    }
    if (filter.isAllowed) return true
    this.#filters.delete(filter.filter)
    this.#removed.push(filter.filter)
    if (this.#removed.length >= FILTERS_TOGETHER) this.stop()
    return true
  }

  /** Tells of what was ended since the last time. */
  stop(): void {
    if (this.#removed.length === 0) return
    const removed = this.#removed
    this.#removed = []
    this.#ended(removed)
  }
}
