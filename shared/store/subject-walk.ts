/**
 * A way through the subjects of a stream that match a filter, in steps between which they change: what is
 * there all the time is met, once; what comes or goes meanwhile may be or not.
 */
import type { SubjectFilter } from '../subject/index.ts'
import type { ColdSubjects } from './cold-subjects.ts'
import { COLD_STEP_PAGES, SUBJECT_STEP_IDS } from './limits.ts'
import type { SubjectTable } from './subject-table.ts'

export class SubjectWalk {
  readonly #filter: SubjectFilter
  readonly #hot: SubjectTable
  readonly #cold: ColdSubjects | undefined
  readonly #isHere: () => boolean
  readonly #candidates: Iterator<number>
  readonly #pages: Iterator<number> | undefined
  #isInMemory = true

  /** @param isHere whether the two are the stream's still: they are not when it is gone */
  constructor(
    filter: SubjectFilter,
    hot: SubjectTable,
    cold: ColdSubjects | undefined,
    isHere: () => boolean,
  ) {
    this.#filter = filter
    this.#hot = hot
    this.#cold = cold
    this.#isHere = isHere
    this.#candidates = hot.candidates(filter)
    this.#pages = cold?.pages()
  }

  /** One step, which keeps others waiting for some milliseconds; true when it was the last. */
  step(visit: (id: number) => void): boolean {
    if (!this.#isHere()) return true
    return this.#isInMemory ? this.#stepInMemory(visit) : this.#stepOnDisk(visit)
  }

  #stepInMemory(visit: (id: number) => void): boolean {
    for (let left = SUBJECT_STEP_IDS; left > 0; left--) {
      const { done, value } = this.#candidates.next()
      if (done === true) {
        this.#isInMemory = false
        return this.#pages === undefined
      }
      if (this.#hot.count(value) > 0 && this.#hot.matches(value, this.#filter)) visit(value)
    }
    return false
  }

  /** A page at a time is gone through: what moves on it is met no twice. */
  #stepOnDisk(visit: (id: number) => void): boolean {
    let ids = SUBJECT_STEP_IDS
    for (let pages = COLD_STEP_PAGES; pages > 0 && ids > 0; pages--) {
      const { done, value: page } = this.#pages?.next() ?? { done: true, value: 0 }
      if (done === true) return true
      for (const id of this.#cold?.idsOn(page) ?? []) {
        if (this.#cold?.matches(id, this.#filter) !== true) continue
        visit(id)
        ids--
      }
    }
    return false
  }
}
