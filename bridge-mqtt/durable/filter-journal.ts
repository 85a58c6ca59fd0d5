import type { PetioleError } from '../../shared/runtime/index.ts'
import type { Store, StreamStore } from '../../shared/store/index.ts'
import type { StoredFilter } from './delivery-line.ts'
import type { FilterEntry, SessionFilters } from './session-filters.ts'
import type { SessionRecords } from './session-records.ts'

/** Called once; with an error when it is not on disk. */
export type SessionCommitted = (error: PetioleError | undefined) => void

export interface FilterJournalHost {
  readonly store: Store
  readonly stream: StreamStore
  readonly records: SessionRecords
  /** Messages may be needed by nobody any more. */
  sweep(): void
}

/** Changes the filters of one session, in memory and on disk: at once here, and taken back when they do not get there. */
export class FilterJournal {
  readonly #key: string
  readonly #filters: SessionFilters
  readonly #host: FilterJournalHost
  readonly #changed: () => void

  constructor(key: string, filters: SessionFilters, host: FilterJournalHost, changed: () => void) {
    this.#key = key
    this.#filters = filters
    this.#host = host
    this.#changed = changed
  }

  add(filters: readonly StoredFilter[], committed: SessionCommitted): void {
    const before = filters.map(({ filter }) => this.#filters.all.get(filter))
    const entries: FilterEntry[] = []
    const { assignedSeq } = this.#host.stream
    for (const [i, stored] of filters.entries()) {
      const known = before[i]
      const goesOn = known !== undefined && known.qos > 0 && stored.qos > 0
      // A commit that failed since may have taken back what the filter was behind.
      const sinceSeq = goesOn ? Math.min(known.sinceSeq, assignedSeq) : assignedSeq
      const number = known?.number ?? this.#filters.nextNumber()
      const entry = this.#filters.set(plain(stored), number, sinceSeq)
      if (entry !== undefined) entries.push(entry)
    }
    this.#changed()
    const done: SessionCommitted = (error) => {
      if (error !== undefined) this.#takeBack(filters, entries, before)
      committed(error)
    }
    this.#write(entries.length, done, (i, told) => {
      const { number, sinceSeq, ...stored } = entries[i] as FilterEntry
      this.#host.records.writeFilter(this.#key, number, { stored: plain(stored), sinceSeq }, told)
    })
  }

  remove(filters: readonly string[], committed: SessionCommitted): void {
    const gone = filters.flatMap((filter) => this.#filters.delete(filter) ?? [])
    if (gone.length > 0) this.#changed()
    const done: SessionCommitted = (error) => {
      if (error !== undefined) this.#takeBack(gone, [], gone)
      else if (gone.length > 0) this.#host.sweep()
      committed(error)
    }
    this.#write(gone.length, done, (i, told) => {
      this.#host.records.removeFilter(this.#key, (gone[i] as FilterEntry).number, told)
    })
  }

  /** Calls `write` for each in one transaction, with `committed` for the last. */
  #write(
    count: number,
    committed: SessionCommitted,
    write: (index: number, told: SessionCommitted | undefined) => void,
  ): void {
    if (count === 0) {
      committed(undefined)
      return
    }
    try {
      this.#host.store.transaction(() => {
        for (let i = 0; i < count; i++) write(i, i + 1 === count ? committed : undefined)
      })
    } catch (error) {
      committed(error as PetioleError)
    }
  }

  #takeBack(
    filters: readonly { readonly filter: string }[],
    entries: readonly FilterEntry[],
    before: readonly (FilterEntry | undefined)[],
  ): void {
    for (const [i, { filter }] of filters.entries()) {
      const now = this.#filters.all.get(filter)
      // Who changed it again since then has what he asked for.
      if (now !== undefined && !entries.includes(now)) continue
      const known = before[i]
      if (known === undefined) this.#filters.delete(filter)
      else this.#filters.set(plain(known), known.number, known.sinceSeq)
    }
    this.#changed()
  }
}

/** What is asked for, and nothing that stands beside it. */
function plain(stored: StoredFilter): StoredFilter {
  const { filter, qos, isNoLocal, isRetainAsPublished, subscriptionId, retainHandling } = stored
  return { filter, qos, isNoLocal, isRetainAsPublished, subscriptionId, retainHandling }
}
