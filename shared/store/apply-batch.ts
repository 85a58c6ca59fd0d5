import type { Catalog } from './catalog.ts'
import type { Batch } from './gather.ts'
import { RecordCursor } from './record.ts'
import type { Segment } from './segment.ts'

/** Tells the indexes of the records of a batch that is on disk, from `start` of its segment on. */
export function applyBatch(catalog: Catalog, segment: Segment, batch: Batch, start: number): void {
  const { recordExtra } = segment
  let base = start
  for (const chunk of batch.chunks) {
    const cursor = new RecordCursor(chunk)
    while (cursor.at < chunk.end) {
      catalog.apply(segment, cursor, base + cursor.at)
      cursor.at += cursor.length
      base += recordExtra
    }
    base += chunk.end
  }
}
