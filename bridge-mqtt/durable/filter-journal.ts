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

interface Change {
  readonly filter: string
  readonly before: FilterEntry | undefined
  readonly after: FilterEntry | undefined
}

/** One filter whose changes are on their way to the disk. */
interface Unsure {
  /** undefined: none is there. */
  onDisk: FilterEntry | undefined
  changes: number
}

/** By filter. One that is taken and asked for again is what it was when all of that fails. */
const UNSURE = new WeakMap<SessionFilters, Map<string, Unsure>>()

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

  /** Their session has ended: nothing comes back to it. */
  static forget(filters: SessionFilters): void {
    UNSURE.delete(filters)
  }

  add(filters: readonly StoredFilter[], committed: SessionCommitted): void {
    const changes: Change[] = []
    const entries: FilterEntry[] = []
    const { assignedSeq } = this.#host.stream
    for (const stored of filters) {
      const known = this.#filters.all.get(stored.filter)
      const goesOn = known !== undefined && known.qos > 0 && stored.qos > 0
      // A commit that failed since may have taken back what the filter was behind.
      const sinceSeq = goesOn ? Math.min(known.sinceSeq, assignedSeq) : assignedSeq
      const number = known?.number ?? this.#filters.nextNumber()
      const entry = this.#filters.set(plain(stored), number, sinceSeq)
      if (entry === undefined) continue
      entries.push(entry)
      changes.push({ filter: stored.filter, before: known, after: entry })
    }
    this.#changed()
    this.#write(changes, committed, (i, told) => {
      const { number, sinceSeq, ...stored } = entries[i] as FilterEntry
      this.#host.records.writeFilter(this.#key, number, { stored: plain(stored), sinceSeq }, told)
    })
  }

  remove(filters: readonly string[], committed: SessionCommitted): void {
    const gone = filters.flatMap((filter) => this.#filters.delete(filter) ?? [])
    if (gone.length > 0) this.#changed()
    const changes = gone.map((entry) => ({ filter: entry.filter, before: entry, after: undefined }))
    const done: SessionCommitted = (error) => {
      if (error === undefined && gone.length > 0) this.#host.sweep()
      committed(error)
    }
    this.#write(changes, done, (i, told) => {
      this.#host.records.removeFilter(this.#key, (gone[i] as FilterEntry).number, told)
    })
  }

  /** Calls `write` for each in one transaction, and `committed` when the last is on disk or none will be. */
  #write(
    changes: readonly Change[],
    committed: SessionCommitted,
    write: (index: number, told: SessionCommitted | undefined) => void,
  ): void {
    const count = changes.length
    if (count === 0) {
      committed(undefined)
      return
    }
    const done: SessionCommitted = (error) => {
      this.#settle(changes, error === undefined)
      committed(error)
    }
    try {
      this.#host.store.transaction(() => {
        for (let i = 0; i < count; i++) write(i, i + 1 === count ? done : undefined)
      })
    } catch (error) {
      for (const { filter, before } of changes.toReversed()) this.#restore(filter, before)
      this.#changed()
      committed(error as PetioleError)
      return
    }
    this.#begin(changes)
  }

  #begin(changes: readonly Change[]): void {
    const unsure = UNSURE.get(this.#filters) ?? new Map<string, Unsure>()
    UNSURE.set(this.#filters, unsure)
    for (const { filter, before } of changes) {
      const known = unsure.get(filter)
      if (known === undefined) unsure.set(filter, { onDisk: before, changes: 1 })
      else known.changes++
    }
  }

  /** With a commit that fails all fail that were asked for behind it: who comes last finds what is on disk. */
  #settle(changes: readonly Change[], isOnDisk: boolean): void {
    const unsure = UNSURE.get(this.#filters)
    for (const { filter, after } of changes) {
      const known = unsure?.get(filter)
      if (known === undefined) continue
      if (isOnDisk) known.onDisk = after
      if (--known.changes > 0) continue
      unsure?.delete(filter)
      if (!isOnDisk) this.#restore(filter, known.onDisk)
    }
    if (unsure?.size === 0) UNSURE.delete(this.#filters)
    if (!isOnDisk) this.#changed()
  }

  #restore(filter: string, known: FilterEntry | undefined): void {
    if (known === undefined) this.#filters.delete(filter)
    else this.#filters.set(plain(known), known.number, known.sinceSeq)
  }
}

/** What is asked for, and nothing that stands beside it. */
function plain(stored: StoredFilter): StoredFilter {
  const { filter, qos, isNoLocal, isRetainAsPublished, subscriptionId, retainHandling } = stored
  return { filter, qos, isNoLocal, isRetainAsPublished, subscriptionId, retainHandling }
}
