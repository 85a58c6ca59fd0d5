/**
 * A sealed segment whose file ends before what its index knows, because a crash of the file system or a person cut it.
 * Nothing behind the cut can be read, but which messages were there is known, and what else the index holds
 * (configurations, states, floors) is not lost at all.
 */
import type { Log } from '../log/index.ts'
import type { Catalog } from './catalog.ts'
import { runsOf } from './delete-runs.ts'
import { DAMAGE_NAMED_MAX } from './limits.ts'
import { type Chunk, RecordType } from './record.ts'
import type { Segment } from './segment.ts'
import { type ByteRange, scanSegment } from './segment-scan.ts'

export interface CutSegment {
  readonly segment: Segment
  /** The messages that can be read in it. */
  readonly found: ReadonlySet<string>
}

export function messageKey(streamId: number, seq: number): string {
  return `${streamId}:${seq}`
}

export function messagesIn(
  chunk: Chunk,
  segment: Segment,
  unreadable: readonly ByteRange[],
): ReadonlySet<string> {
  const found = new Set<string>()
  const visit = ({
    type,
    streamId,
    seq,
  }: {
    type: number
    streamId: number
    seq: number
  }): void => {
    if (type === RecordType.message) found.add(messageKey(streamId, seq))
  }
  scanSegment(chunk, segment, false, visit, unreadable)
  return found
}

/**
 * A configuration is carried on when its segment goes, so a stream with messages and without one lost a segment that
 * nobody else misses.
 */
export function reportOrphans(catalog: Catalog, log: Log): void {
  for (const { id, name, index } of catalog.streamsById.values()) {
    if (name !== '' || index.messages === 0) continue
    const { messages } = index
    log.error(
      { stream: id, messages },
      'configuration of a stream is gone, a segment is missing or damaged',
    )
  }
}

/**
 * Takes out what is gone with the end of the file. Called when all segments are read: what later ones delete,
 * and what an earlier start has taken out already, is no loss.
 */
export function reportCut(catalog: Catalog, { segment, found }: CutSegment): void {
  for (const stream of catalog.streamsById.values()) {
    const span = stream.index.spanIn(segment.id)
    if (span === undefined) continue
    const gone: number[] = []
    for (let i = span.nextLive(0); i < span.count; i = span.nextLive(i + 1)) {
      const seq = span.seqAt(i)
      if (!found.has(messageKey(stream.id, seq)) && stream.index.has(seq)) gone.push(seq)
    }
    if (gone.length === 0) continue
    const runs = runsOf(gone)
    const lost = runs.slice(0, DAMAGE_NAMED_MAX)
    const { size: from, cutEnd: to } = segment
    catalog.noteDamage({ segment: segment.id, stream: stream.name, lost, from, to }, gone.length)
    for (const [first, last] of runs) stream.noteDamage(first, last, last - first + 1)
  }
  // States and configurations that were in the rest are to be written again.
  segment.damage = 'found'
}
