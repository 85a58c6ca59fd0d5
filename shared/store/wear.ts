/**
 * How much was written to the disk, which wears flash out: since the store was opened, and since it was
 * made. The latter costs no write of its own: the totals lie in boot records and in indexes, which are written
 * anyway. After a kill they may be off by what fits in one segment.
 */
export interface WrittenBytes {
  /** What streams and tables gave the journal. */
  readonly journal: number
  /** That, indexes and rewritten segments. */
  readonly all: number
}

export const WRITTEN_BYTES_PACKED = 16

export class Wear {
  journal = 0
  indexes = 0
  rewrites = 0
  #before: WrittenBytes = { journal: 0, all: 0 }
  #segmentId = 0
  #offset = 0

  /** Since the store was made. */
  get ever(): WrittenBytes {
    const { journal, indexes, rewrites } = this
    return {
      journal: this.#before.journal + journal,
      all: this.#before.all + journal + indexes + rewrites,
    }
  }

  /** Totals met while the directory is read, in a record at `offset` or an index (0). */
  learn(told: WrittenBytes, segmentId: number, offset: number): void {
    const isFigure = Number.isFinite(told.all) && told.all >= told.journal && told.journal >= 0
    if (!isFigure || told.all < this.#before.all) return
    this.#before = told
    this.#segmentId = segmentId
    this.#offset = offset
  }

  /** The last segment ends at `size`: what lies behind the newest totals was written since them. */
  reached(segmentId: number, size: number): void {
    const since = size - (this.#segmentId === segmentId ? this.#offset : 0)
    const { journal, all } = this.#before
    this.#before = { journal: journal + since, all: all + since }
  }
}
