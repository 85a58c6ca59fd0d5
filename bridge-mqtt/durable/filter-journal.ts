import type { PetioleError } from '../../shared/runtime/index.ts'
import type { Store, StreamStore } from '../../shared/store/index.ts'
import type { StoredFilter } from './delivery-line.ts'
import { type FilterChange, plain, type SessionFilters } from './session-filters.ts'
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

/** Who lives by the filters of a session. */
export interface FilterUser {
  filtersChanged(): void
  /** These did not get to the disk, and are what they were there. */
  filtersTakenBack(filters: readonly string[]): void
}

type Write = (change: FilterChange, committed: SessionCommitted | undefined) => void

/** Brings changes of the filters of one session to the disk; what they are meanwhile, those know [session-filters.ts]. */
export class FilterJournal {
  readonly #key: string
  readonly #filters: SessionFilters
  readonly #host: FilterJournalHost
  readonly #user: FilterUser

  constructor(key: string, filters: SessionFilters, host: FilterJournalHost, user: FilterUser) {
    this.#key = key
    this.#filters = filters
    this.#host = host
    this.#user = user
  }

  add(filters: readonly StoredFilter[], committed: SessionCommitted): void {
    const { records, stream } = this.#host
    const changes = this.#filters.add(filters, stream.assignedSeq)
    this.#write(changes, committed, ({ after }, told) => {
      if (after === undefined) return
      const { number, sinceSeq, waiting } = after
      records.writeFilter(this.#key, number, { stored: plain(after), sinceSeq, waiting }, told)
    })
  }

  remove(filters: readonly string[], committed: SessionCommitted): void {
    const changes = this.#filters.remove(filters)
    const done: SessionCommitted = (error) => {
      if (error === undefined && changes.length > 0) this.#host.sweep()
      committed(error)
    }
    this.#write(changes, done, ({ before }, told) => {
      if (before !== undefined) this.#host.records.removeFilter(this.#key, before.number, told)
    })
  }

  /** Calls `write` for each in one transaction, and `committed` when the last is on disk or none will be. */
  #write(changes: readonly FilterChange[], committed: SessionCommitted, write: Write): void {
    const last = changes.at(-1)
    if (last === undefined) {
      committed(undefined)
      return
    }
    this.#user.filtersChanged()
    const settled: SessionCommitted = (error) => {
      const takenBack = this.#filters.settled(changes, error === undefined)
      if (takenBack.length > 0) this.#tell(takenBack)
      committed(error)
    }
    try {
      this.#host.store.transaction(() => {
        for (const change of changes) write(change, change === last ? settled : undefined)
      })
    } catch (error) {
      this.#filters.undone(changes)
      this.#tell(changes.map(({ filter }) => filter))
      committed(error as PetioleError)
      return
    }
    this.#filters.written(changes)
  }

  #tell(takenBack: readonly string[]): void {
    this.#user.filtersChanged()
    this.#user.filtersTakenBack(takenBack)
  }
}
