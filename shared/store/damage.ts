/**
 * After a scan met damage: which messages are missing? Sequences are gapless in a segment that was
 * never rewritten, so a gap beside or inside what a damaged segment holds, or held, is what was lost. What the
 * stream skipped is none, and the record behind it says so. A gap wider than what the damaged bytes can have
 * been is no damage either: its messages went with segments that were removed or rewritten.
 */
import type { Catalog } from './catalog.ts'
import type { SeqRun } from './delete-runs.ts'
import type { JournalStream } from './journal-stream.ts'
import { RECORD_HEADER_BYTES } from './record.ts'
import type { ByteRange } from './segment-scan.ts'

/** What does not hold, by segment. */
export type DamagedSegments = ReadonlyMap<number, readonly ByteRange[]>

export function reportGaps(catalog: Catalog, damaged: DamagedSegments): void {
  for (const { stream, gaps } of findGaps(catalog, damaged)) {
    for (const [first, last] of gaps) stream.noteDamage(first, last, last - first + 1)
  }
  for (const stream of catalog.streamsById.values()) {
    stream.absentDeletes.clear()
    stream.skips.clear()
  }
}

/** What is missing of each stream, and lay in one of these segments. */
export function findGaps(
  catalog: Catalog,
  damaged: DamagedSegments,
): { readonly stream: JournalStream; readonly gaps: readonly SeqRun[] }[] {
  if (damaged.size === 0) return []
  return [...catalog.streamsById.values()]
    .map((stream) => ({ stream, gaps: gapsOf(stream, damaged) }))
    .filter(({ gaps }) => gaps.length > 0)
}

/** Gaps that no delete and no purge explains. */
function gapsOf(stream: JournalStream, damaged: DamagedSegments): SeqRun[] {
  const { index, skips } = stream
  const gaps: SeqRun[] = []
  const note = (first: number, last: number, fromSegment: number, toSegment: number): void => {
    const from = Math.max(first, index.floor + 1)
    if (last < from || skips.has(last + 1)) return
    gaps.push(...unexplained(stream, from, last, recordsIn(damaged, fromSegment, toSegment)))
  }
  let before = { seq: index.floor, segmentId: 0 }
  for (const span of index.spans) {
    const { segmentId } = span
    if (!span.isAfterSkip) note(before.seq + 1, span.firstSeq - 1, before.segmentId, segmentId)
    if (damaged.has(segmentId)) {
      for (let i = 1; i < span.count; i++) {
        note(span.seqAt(i - 1) + 1, span.seqAt(i) - 1, segmentId, segmentId)
      }
    }
    before = { seq: span.lastSeq, segmentId }
  }
  note(before.seq + 1, index.lastSeq, before.segmentId, Number.POSITIVE_INFINITY)
  return gaps
}

/** How many records the damaged bytes of these segments can have been. */
function recordsIn(damaged: DamagedSegments, fromSegment: number, toSegment: number): number {
  let records = 0
  for (const [id, ranges] of damaged) {
    if (id < fromSegment || id > toSegment) continue
    for (const { from, to } of ranges) records += Math.floor((to - from) / RECORD_HEADER_BYTES)
  }
  return records
}

/** The runs between that no delete explains; none when there are more than can be. */
function unexplained(
  { absentDeletes }: JournalStream,
  first: number,
  last: number,
  recordsMax: number,
): SeqRun[] {
  if (recordsMax === 0 || last - first >= recordsMax + absentDeletes.size) return []
  const runs: SeqRun[] = []
  let missing = 0
  let from = first
  for (let seq = first; seq <= last + 1; seq++) {
    if (seq <= last && !absentDeletes.has(seq)) continue
    if (seq > from) runs.push([from, seq - 1])
    missing += seq - from
    from = seq + 1
  }
  return missing > recordsMax ? [] : runs
}
