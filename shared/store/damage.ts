/**
 * After a scan met damage: which messages are missing? Sequences are gapless in a segment that was
 * never rewritten, so a gap beside or inside what a damaged segment holds is what was lost.
 */
import type { Catalog } from './catalog.ts'
import type { SeqRun } from './delete-runs.ts'
import type { JournalStream } from './journal-stream.ts'

export function reportGaps(catalog: Catalog, damagedSegments: ReadonlySet<number>): void {
  for (const stream of catalog.streamsById.values()) {
    if (damagedSegments.size > 0) reportStreamGaps(stream, damagedSegments)
    stream.absentDeletes.clear()
  }
}

function reportStreamGaps(stream: JournalStream, damagedSegments: ReadonlySet<number>): void {
  for (const [first, last] of gapsOf(stream, damagedSegments)) {
    stream.noteDamage(first, last, last - first + 1)
  }
}

/** Gaps that no delete and no purge explains. */
function gapsOf(stream: JournalStream, damagedSegments: ReadonlySet<number>): SeqRun[] {
  const { index } = stream
  const gaps: SeqRun[] = []
  const note = (first: number, last: number): void => {
    let from = Math.max(first, index.floor + 1)
    for (let seq = from; seq <= last + 1; seq++) {
      if (seq <= last && !stream.absentDeletes.has(seq)) continue
      if (seq > from) gaps.push([from, seq - 1])
      from = seq + 1
    }
  }
  let before = { seq: index.floor, isDamaged: damagedSegments.size > 0 && index.spans.length <= 1 }
  for (const span of index.spans) {
    const isDamaged = damagedSegments.has(span.segmentId)
    if (isDamaged || before.isDamaged) note(before.seq + 1, span.firstSeq - 1)
    if (isDamaged) {
      for (let i = 1; i < span.count; i++) note(span.seqAt(i - 1) + 1, span.seqAt(i) - 1)
    }
    before = { seq: span.lastSeq, isDamaged }
  }
  if (before.isDamaged) note(before.seq + 1, index.lastSeq)
  return gaps
}
