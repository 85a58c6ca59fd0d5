/**
 * In which segments records may lie that a later one of the same key says better.
 *
 * A removed key must be remembered as long as an older record of it is in some file: whoever starts from the files would
 * have it again. So the entry of a key knows from which segment on such records may lie, and before which: that is its
 * own, or for what was carried forward the one that it was written to first. Both are on disk with its record and in
 * indexes, for what was dead when an index was made is not in it, and nevertheless in the segment. Of those
 * segments these have none:
 *
 * - one whose file is gone, and that is on disk;
 * - one that was rewritten when the entry's record was there already: what was dead then was left out. How far the
 *   journal was then, the segment remembers (`cleanTo`), in its index too.
 *
 * When none is left, a removal says nothing any more. In its own segment it lies behind the others, and they go
 * together, in a rewrite and with the file.
 */
import type { Catalog } from './catalog.ts'
import type { Segment } from './segment.ts'
import type { StateEntry } from './state-table.ts'

/** A place in the journal. The offset holds as long as the segment has the salt, and is not rewritten. */
export interface JournalPlace {
  readonly segmentId: number
  readonly salt: number
  readonly offset: number
}

/** Behind all that is applied. A next start may go on in the last segment although it is sealed. */
export function endOfJournal(segments: readonly Segment[]): JournalPlace | undefined {
  const last = segments.at(-1)
  return last && { segmentId: last.id, salt: last.salt, offset: last.size }
}

/**
 * Takes back what segments say of places that the journal has not come to: a disk that lies about syncs has lost
 * them. Returns the segments whose index says so.
 */
export function doubtPlaces(segments: readonly Segment[]): Segment[] {
  const last = segments.at(-1)
  const wrong = segments.filter(({ cleanTo }) => {
    if (cleanTo === undefined || last === undefined) return false
    const isLast = cleanTo.segmentId === last.id && cleanTo.salt === last.salt
    return cleanTo.segmentId > last.id || (isLast && cleanTo.offset > last.size)
  })
  for (const segment of wrong) segment.cleanTo = undefined
  return wrong
}

/** Ids of the segment files that are there, also of those that nobody can read. */
export class SegmentIds {
  /** Rising. */
  readonly #ids: number[] = []

  /** It must be larger than all others. */
  add(id: number): void {
    this.#ids.push(id)
  }

  remove(id: number): void {
    const at = this.#indexFrom(id)
    if (this.#ids[at] === id) this.#ids.splice(at, 1)
  }

  /** The first that is not before `id`. */
  from(id: number): number | undefined {
    return this.#ids[this.#indexFrom(id)]
  }

  /** Whether one is there from `id` on and before `end`. */
  hasBetween(id: number, end: number): boolean {
    return id < end && (this.from(id) ?? end) < end
  }

  #indexFrom(id: number): number {
    let low = 0
    let high = this.#ids.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ids[middle] as number) < id) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Looks at all keys once more, when a segment is gone or was rewritten, and that is on disk. Whether something was forgotten. */
export function forgetRemovals(catalog: Catalog): boolean {
  let isLess = false
  for (const table of catalog.tables()) {
    for (const [key, entry] of table.committed) {
      if (entry.since === entry.until) continue
      narrow(entry, catalog)
      if (entry.value !== undefined || entry.since < entry.until) continue
      catalog.forget(table, key)
      isLess = true
    }
  }
  return isLess
}

/** Leaves out of an entry's segments those before the first that may still have an older record. */
export function narrow(entry: StateEntry, catalog: Catalog): void {
  const { until, segmentId } = entry
  const { ids } = catalog
  for (let id = ids.from(entry.since); id !== undefined && id < until; id = ids.from(id + 1)) {
    if (isClean(id, entry, catalog)) continue
    entry.since = id
    return
  }
  entry.since = segmentId
  entry.until = segmentId
}

/** Whether the segment was rewritten when the entry's record was there. */
function isClean(id: number, { segmentId, offset }: StateEntry, catalog: Catalog): boolean {
  const to = catalog.hasSegment(id) ? catalog.segment(id).cleanTo : undefined
  if (to === undefined || to.segmentId !== segmentId)
    return to !== undefined && to.segmentId > segmentId
  return to.offset > offset && to.salt === catalog.segment(segmentId).salt
}
