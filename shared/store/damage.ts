/**
 * After a scan met damage: which messages are missing? Sequences are gapless in a segment that was
 * never rewritten, so a gap beside or inside what a damaged segment holds is what was lost. What the
 * stream skipped is none, and the record behind it says so; when that is lost too, a gap that is wider
 * than all records of the segments can be is taken for a skip.
 */
import type { Catalog } from './catalog.ts'
import type { SeqRun } from './delete-runs.ts'
import type { JournalStream } from './journal-stream.ts'
import { RECORD_HEADER_BYTES } from './record.ts'

export function reportGaps(catalog: Catalog, damagedSegments: ReadonlySet<number>): void {
  for (const { stream, gaps } of findGaps(catalog, damagedSegments)) {
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
  damagedSegments: ReadonlySet<number>,
): { readonly stream: JournalStream; readonly gaps: readonly SeqRun[] }[] {
  if (damagedSegments.size === 0) return []
  const sizes = [...damagedSegments].map((id) => catalog.segment(id).size)
  const recordsMax = sizes.reduce((total, size) => total + size, 0) / RECORD_HEADER_BYTES
  return [...catalog.streamsById.values()]
    .map((stream) => ({ stream, gaps: gapsOf(stream, damagedSegments, recordsMax) }))
    .filter(({ gaps }) => gaps.length > 0)
}

/** Gaps that no delete and no purge explains. */
function gapsOf(
  stream: JournalStream,
  damagedSegments: ReadonlySet<number>,
  recordsMax: number,
): SeqRun[] {
  const { index } = stream
  const gaps: SeqRun[] = []
  const note = (first: number, last: number): void => {
    let from = Math.max(first, index.floor + 1)
    if (stream.skips.has(last + 1) || last - from >= recordsMax) return
    for (let seq = from; seq <= last + 1; seq++) {
      if (seq <= last && !stream.absentDeletes.has(seq)) continue
      if (seq > from) gaps.push([from, seq - 1])
      from = seq + 1
    }
  }
  let before = { seq: index.floor, isDamaged: damagedSegments.size > 0 && index.spans.length <= 1 }
  for (const span of index.spans) {
    const isDamaged = damagedSegments.has(span.segmentId)
    if ((isDamaged || before.isDamaged) && !span.isAfterSkip)
      note(before.seq + 1, span.firstSeq - 1)
    if (isDamaged) {
      for (let i = 1; i < span.count; i++) note(span.seqAt(i - 1) + 1, span.seqAt(i) - 1)
    }
    before = { seq: span.lastSeq, isDamaged }
  }
  if (before.isDamaged) note(before.seq + 1, index.lastSeq)
  return gaps
}
