import { type Clock, codeOf } from '../../runtime/index.ts'
import type { StreamStore } from '../../store/index.ts'
import type { SubjectFilter } from '../../subject/index.ts'
import { PENDING_RECOUNT_MS } from '../limits.ts'

/**
 * How many messages lie ahead of a reader. Kept by adding what is committed and subtracting what
 * the reader takes, so that it costs next to nothing; a removal anywhere ahead makes it stale, and
 * then it is counted again, at most every PENDING_RECOUNT_MS. With several filters that overlap in
 * part a message counts once for each; it is exact again when the reader reaches the end.
 */
export class PendingCount {
  readonly #store: StreamStore
  readonly #clock: Clock
  #filters: readonly SubjectFilter[]
  #count = 0
  /** Everything up to here is in the count. */
  #throughSeq = 0
  #isStale = true
  #countedAtMs = Number.NEGATIVE_INFINITY

  constructor(store: StreamStore, clock: Clock, filters: readonly SubjectFilter[]) {
    this.#store = store
    this.#clock = clock
    this.#filters = filters
  }

  /** The count is not what it should be, and will be counted again. */
  get isStale(): boolean {
    return this.#isStale
  }

  /** Counts anew on the next `from`. */
  reset(filters: readonly SubjectFilter[]): void {
    this.#filters = filters
    this.#isStale = true
    this.#countedAtMs = Number.NEGATIVE_INFINITY
  }

  /** Something that was counted may be gone. */
  invalidate(): void {
    this.#isStale = true
  }

  /** What is stale is counted again on the next `from`, however soon. */
  recount(): void {
    this.#countedAtMs = Number.NEGATIVE_INFINITY
  }

  /** The reader has taken so many of those that were counted. */
  taken(messages: number): void {
    this.#count = Math.max(0, this.#count - messages)
  }

  /** @param nextSeq the first sequence that the reader has not taken */
  from(nextSeq: number): number {
    const { lastSeq, messages } = this.#store.state
    if (nextSeq > lastSeq) {
      this.#count = 0
      this.#throughSeq = Math.max(lastSeq, nextSeq - 1)
      this.#isStale = false
      return 0
    }
    try {
      this.#countOn(nextSeq, lastSeq)
    } catch (error) {
      // A disk that cannot be read: who asks hears what was counted last, and whoever reads on hears of it.
      if (codeOf(error) !== 'PETIOLE_STORE_FAILED') throw error
      this.#isStale = true
      this.#countedAtMs = this.#clock.monotonicMs()
      this.#count = Math.max(this.#count, 1)
    }
    return Math.min(this.#count, messages)
  }

  #countOn(nextSeq: number, lastSeq: number): void {
    const nowMs = this.#clock.monotonicMs()
    if (this.#isStale && nowMs - this.#countedAtMs >= PENDING_RECOUNT_MS) {
      this.#count = this.#countFrom(nextSeq)
      this.#isStale = false
      this.#countedAtMs = nowMs
      this.#throughSeq = lastSeq
    } else if (lastSeq > this.#throughSeq) {
      this.#count += this.#countFrom(Math.max(nextSeq, this.#throughSeq + 1))
      this.#throughSeq = lastSeq
    }
  }

  #countFrom(seq: number): number {
    if (this.#filters.length === 0) return this.#store.countFrom(seq)
    let count = 0
    for (const filter of this.#filters) count += this.#store.countFrom(seq, filter)
    return count
  }
}
