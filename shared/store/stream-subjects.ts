/**
 * The subjects of one stream, wherever they are: in memory, or on disk when there were too many
 * already when they came. A subject is in one place for as long as it has live messages; its id
 * says in which. Ids on disk are the larger ones, so a column of ids knows no difference.
 */
import type { SubjectFilter } from '../subject/index.ts'
import { COLD_ID_MIN, ColdSubjects } from './cold-subjects.ts'
import { MATCHES_KEPT_MAX } from './limits.ts'
import type { ScratchPages } from './scratch-pages.ts'
import { SubjectBudget } from './subject-budget.ts'
import { SubjectTable } from './subject-table.ts'
import { SubjectWalk } from './subject-walk.ts'

/** What the subjects of all streams share. */
export interface SubjectSpace {
  /** Of this process. */
  readonly hashSeed: number
  readonly budget: SubjectBudget
  /** Where those go that the budget has no room for; made when they do. */
  readonly pages: () => ScratchPages
}

/** Room for so many subjects is made at once. */
const RESERVED_MAX = 1 << 20

/** In the place of an id: a packed subject that is empty. */
export const NO_ID = 0xffff_ffff

export class StreamSubjects {
  readonly #space: SubjectSpace
  #hot: SubjectTable
  #cold: ColdSubjects | undefined

  constructor(space: SubjectSpace) {
    this.#space = space
    this.#hot = new SubjectTable(space.hashSeed, space.budget)
  }

  get hashSeed(): number {
    return this.#space.hashSeed
  }

  /** Subjects with live messages. */
  get size(): number {
    return this.#hot.size + (this.#cold?.size ?? 0)
  }

  /** Those of them that are on disk. */
  get coldSize(): number {
    return this.#cold?.size ?? 0
  }

  *ids(): IterableIterator<number> {
    yield* this.#hot.ids()
    if (this.#cold !== undefined) yield* this.#cold.ids()
  }

  find(bytes: Uint8Array, start: number, end: number): number {
    const id = this.#hot.find(bytes, start, end)
    return id >= 0 || this.#cold === undefined ? id : this.#cold.find(bytes, start, end)
  }

  /** The subject's id, made when it is new. */
  intern(bytes: Uint8Array, start: number, end: number): number {
    const { budget } = this.#space
    if (budget.hasRoom && this.coldSize === 0) return this.#hot.intern(bytes, start, end)
    const found = this.find(bytes, start, end)
    if (found >= 0) return found
    if (budget.hasRoom) return this.#hot.intern(bytes, start, end)
    this.#cold ??= new ColdSubjects(this.#space.pages(), this.#space.hashSeed)
    return this.#cold.insert(bytes, start, end)
  }

  /**
   * Interns `ids.length` subjects of a packed list (u32 length and bytes each) that begins at `at`.
   * Who writes on many subjects often does so in the same order again: then none has to be looked up.
   * Returns where the list ends.
   */
  internPacked(packed: Uint8Array, at: number, ids: Uint32Array): number {
    const hot = this.#hot
    // They differ from each other.
    if (this.#space.budget.hasRoom) hot.reserve(Math.min(ids.length, RESERVED_MAX))
    let before = -1
    let end = at
    for (let i = 0; i < ids.length; i++) {
      const start = end + 4
      end = start + lengthAt(packed, end)
      if (end === start) {
        ids[i] = NO_ID
        continue
      }
      const next = this.#after(before, packed, start, end)
      before = next >= 0 ? next : this.intern(packed, start, end)
      ids[i] = before
    }
    return end
  }

  /** One more live message with a seq above all others. */
  add(id: number, seq: number): void {
    if (id < COLD_ID_MIN) this.#hot.add(id, seq)
    else this.#cold?.add(id, seq)
  }

  /** One live message less. The id is free when it was the last. */
  remove(id: number, seq: number): void {
    if (id < COLD_ID_MIN) this.#hot.remove(id, seq)
    else this.#cold?.remove(id, seq)
  }

  count(id: number): number {
    return this.#of(id).count(id)
  }

  /** The last live seq, or the negated upper bound of it. */
  last(id: number): number {
    return this.#of(id).last(id)
  }

  setLast(id: number, seq: number): void {
    this.#of(id).setLast(id, seq)
  }

  /** No live message of the subject has a seq below this. */
  firstBound(id: number): number {
    return this.#of(id).firstBound(id)
  }

  setFirstBound(id: number, seq: number): void {
    this.#of(id).setFirstBound(id, seq)
  }

  /** Valid until something changes. */
  bytes(id: number): Uint8Array {
    return this.#of(id).bytes(id)
  }

  matches(id: number, filter: SubjectFilter): boolean {
    return this.#of(id).matches(id, filter)
  }

  /** Whether all subjects match. May say no when they do. */
  isWhole(filter: SubjectFilter): boolean {
    if (this.coldSize === 0) return this.#hot.isWhole(filter)
    const isColdWhole = this.#cold?.beginning.isUnder(filter) === true
    return isColdWhole && (this.#hot.size === 0 || this.#hot.isWhole(filter))
  }

  /** Ids with live messages whose subjects match, in an order that stays; until the callback says false. */
  visit(filter: SubjectFilter, visit: (id: number) => boolean): void {
    const { literals } = filter
    if (literals !== undefined && (filter.isLiteral || literals.length < this.size)) {
      for (const literal of literals) {
        const bytes = Buffer.from(literal)
        const id = this.find(bytes, 0, bytes.length)
        if (id >= 0 && this.count(id) > 0 && !visit(id)) return
      }
      return
    }
    if (this.#hot.visit(filter, visit)) this.#cold?.visit(filter, visit)
  }

  /** For who goes through those that match in steps, while they change. */
  walk(filter: SubjectFilter): SubjectWalk {
    const hot = this.#hot
    const cold = this.#cold
    const isHere = (): boolean => hot === this.#hot && cold === this.#cold
    return new SubjectWalk(filter, hot, cold, isHere)
  }

  /** Says of ids whether their subjects match, for many questions while nothing changes: it looks at all at once. */
  matching(filter: SubjectFilter): (id: number) => boolean {
    const matches = new Uint8Array(this.#hot.idEnd)
    this.#hot.visit(filter, (id) => {
      matches[id] = 1
      return true
    })
    if (this.coldSize === 0 || this.#cold === undefined) return (id) => matches[id] === 1
    const isColdMatch = this.#cold.matcher(filter, 0)
    return (id) => (id < COLD_ID_MIN ? matches[id] === 1 : isColdMatch(id))
  }

  /** The same for few questions: it looks when it is asked. */
  matcher(filter: SubjectFilter): (id: number) => boolean {
    if (this.isWhole(filter)) return () => true
    if (filter.isLiteral) {
      const bytes = Buffer.from(filter.subject)
      const wanted = this.find(bytes, 0, bytes.length)
      return (id) => id === wanted
    }
    const known = new Map<number, boolean>()
    const isColdMatch = this.#cold?.matcher(filter)
    return (id) => {
      if (id >= COLD_ID_MIN && isColdMatch !== undefined) return isColdMatch(id)
      let isMatch = known.get(id)
      if (isMatch === undefined) {
        isMatch = this.matches(id, filter)
        if (known.size >= MATCHES_KEPT_MAX) known.clear()
        known.set(id, isMatch)
      }
      return isMatch
    }
  }

  /** Whether `matcher` knows of all subjects on disk without going through them. */
  isReady(filter: SubjectFilter): boolean {
    return this.coldSize === 0 || filter.isLiteral || this.#cold?.isReady(filter) !== false
  }

  /** Goes through so many pages of subjects on disk; true when that was all, and `isReady`. */
  prepare(filter: SubjectFilter, pagesMax: number): boolean {
    return this.isReady(filter) || this.#cold?.prepare(filter, pagesMax) !== false
  }

  /** Gives all back. Who still asks for one of them finds none. */
  release(): void {
    this.#hot.release()
    this.#cold?.clear()
    this.#hot = new SubjectTable()
    this.#cold = undefined
  }

  /** The id behind this one, when it is that of the subject; else -1. */
  #after(id: number, bytes: Uint8Array, start: number, end: number): number {
    if (id < COLD_ID_MIN) return this.#hot.has(id + 1, bytes, start, end) ? id + 1 : -1
    return this.#cold?.after(id, bytes, start, end) ?? -1
  }

  #of(id: number): SubjectTable | ColdSubjects {
    return id < COLD_ID_MIN || this.#cold === undefined ? this.#hot : this.#cold
  }
}

/** For those who hold all subjects in memory. */
export function inMemory(hashSeed = 0): SubjectSpace {
  return {
    hashSeed,
    budget: new SubjectBudget(),
    pages: () => {
      throw new RangeError('a budget without limits has room')
    },
  }
}

function lengthAt(packed: Uint8Array, at: number): number {
  return (
    ((packed[at] as number) |
      ((packed[at + 1] as number) << 8) |
      ((packed[at + 2] as number) << 16) |
      ((packed[at + 3] as number) << 24)) >>>
    0
  )
}
