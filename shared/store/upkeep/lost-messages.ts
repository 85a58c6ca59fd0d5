/** Which messages of a store that is read offline are gone, by what indexes, damaged records and gaps tell. */
import type { Catalog } from '../catalog.ts'
import { ClaimedSeqs } from '../claimed-seqs.ts'
import { findGaps } from '../damage.ts'
import { LOST_NAMED_MAX } from '../limits.ts'
import type { Chunk } from '../record.ts'
import type { ByteRange } from '../segment-scan.ts'
import type { SegmentReading } from './offline-store.ts'

export class LostMessages {
  readonly #catalog: Catalog
  readonly #lost = new Map<number, number[]>()
  readonly #claimed = new ClaimedSeqs()
  #count = 0

  constructor(catalog: Catalog) {
    this.#catalog = catalog
  }

  /** Takes what the damaged places of a segment seem to have been. */
  note(chunk: Chunk, damaged: readonly ByteRange[], salt: number): void {
    this.#claimed.note(chunk, damaged, salt)
  }

  lose(streamId: number, seq: number): void {
    if (++this.#count > LOST_NAMED_MAX) return
    const seqs = this.#lost.get(streamId)
    if (seqs === undefined) this.#lost.set(streamId, [seq])
    else seqs.push(seq)
  }

  /** Names what the indexes say was there, and in damaged segments without one, what is missing between the rest. */
  all(segments: readonly SegmentReading[]): ReadonlyMap<number, readonly number[]> {
    this.#claimed.take(this.#catalog, ({ id }, seq) => this.lose(id, seq))
    for (const { stream, gaps } of findGaps(this.#catalog, this.#blind(segments))) {
      for (const [first, last] of gaps) {
        for (let seq = first; seq <= last; seq++) this.lose(stream.id, seq)
      }
    }
    const still = new Map<number, number[]>()
    for (const [id, seqs] of this.#lost) {
      const stream = this.#catalog.streamsById.get(id)
      const isGone = (seq: number): boolean =>
        stream !== undefined &&
        seq > stream.index.floor &&
        !stream.absentDeletes.has(seq) &&
        !stream.index.has(seq)
      const gone = [...new Set(seqs)].filter(isGone).sort((a, b) => a - b)
      if (gone.length > 0) still.set(id, gone)
    }
    return still
  }

  /** Where records are missing that no index tells of: damaged bytes, whole segments without a header, or files that are not there. */
  #blind(segments: readonly SegmentReading[]): ReadonlyMap<number, readonly ByteRange[]> {
    const blind = new Map<number, readonly ByteRange[]>()
    // Of a file that is empty, or not there, nobody knows how long it was.
    const longest = Math.max(0, ...segments.map(({ bytes }) => bytes))
    const unknown = [{ from: 0, to: longest }]
    for (const { id, segment, damaged, index, cutBytes } of segments) {
      if (damaged.length === 0) continue
      if (segment === undefined) blind.set(id, unknown)
      else if (index !== 'fits' && cutBytes === 0) blind.set(id, damaged)
    }
    for (const id of missingSegments(this.#catalog, segments)) blind.set(id, unknown)
    return blind
  }
}

/**
 * Segments that went without the store's doing. Ids have gaps where segments were removed when nothing lived in
 * them any more; but a configuration is carried on, so a stream that has none lost a segment.
 */
function missingSegments(catalog: Catalog, segments: readonly SegmentReading[]): number[] {
  const orphans = [...catalog.streamsById.values()].filter(isOrphan)
  const first = Math.min(...orphans.map(({ index }) => index.spans[0]?.segmentId ?? 0))
  if (orphans.length === 0) return []
  const there = new Set(segments.map(({ id }) => id))
  const missing: number[] = []
  for (let id = first - 1; id > 0 && !there.has(id); id--) missing.push(id)
  return missing.slice(0, 1)
}

/** A stream that has messages and no configuration. */
export function isOrphan({
  name,
  index,
}: {
  readonly name: string
  readonly index: { readonly messages: number }
}): boolean {
  return name === '' && index.messages > 0
}

/** As what a stream is shown and exported: one whose configuration is gone goes by its id. */
export function nameOf({ id, name }: { readonly id: number; readonly name: string }): string {
  return name === '' ? `?/stream-${id}` : name
}
