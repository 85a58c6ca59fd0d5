/**
 * Before a segment goes, whatever in it still says what is true is written again at the journal's
 * end: states, configurations, floors, repaired boots, and the deletes of messages that still lie in
 * other segments. That a key was removed is among the states as long as it must be [older-records.ts]; that a
 * stream was, while older segments exist.
 */
import type { Catalog } from './catalog.ts'
import { deadRunsOf } from './index-file.ts'
import { FIRST_PAGE_BYTES } from './limits.ts'
import { narrow } from './older-records.ts'
import { RecordFlag, RecordType } from './record.ts'
import type { Segment } from './segment.ts'
import type { ByteRange } from './segment-scan.ts'
import type { JournalTable } from './state-table.ts'
import type { Writer } from './writer.ts'

const NO_BYTES = new Uint8Array(0)

export function carryForward(segment: Segment, catalog: Catalog, writer: Writer): void {
  const isOldest = !catalog.ids.hasBetween(0, segment.id)
  carryTable(catalog, catalog.marks, segment)
  for (const stream of catalog.streamsById.values()) {
    if (stream.isRemoved) continue
    carryTable(catalog, stream.states, segment)
    if (stream.configAt?.segmentId === segment.id)
      stream.stageDefinition(stream.newestDefinition, 0)
    if (stream.floorAt?.segmentId === segment.id) stream.stageFloor(stream.index.floor)
  }
  carryLastSeqs(segment, catalog)
  for (const { stream, runs } of deadRunsOf(segment, catalog, segment.id)) {
    if (!stream.isRemoved) stream.stageKnownDeletes(runs)
  }
  for (const [id, at] of catalog.tombstones) {
    if (at.segmentId !== segment.id) continue
    if (isOldest) catalog.dropTombstone(id)
    else writeTombstone(writer, id)
  }
  for (const boot of catalog.boots.values()) {
    const isNeeded = boot.segmentId === segment.id && Number.isFinite(boot.shiftMs)
    if (isNeeded && boot.shiftMs !== 0) writer.appendBoot(boot.ref, boot.shiftMs)
  }
}

/** What damaged records of a segment said, and memory still knows, is written again at the journal's end. */
export function carryDamaged(
  segment: Segment,
  damaged: readonly ByteRange[],
  catalog: Catalog,
  writer: Writer,
): void {
  const isHit = (at: { segmentId: number; offset: number } | undefined): boolean =>
    at?.segmentId === segment.id &&
    damaged.some(({ from, to }) => at.offset >= from && at.offset < to)
  const repeat = (table: JournalTable): void => {
    for (const [key, entry] of table.committed) if (isHit(entry)) table.repeat(key)
  }
  repeat(catalog.marks)
  for (const stream of catalog.streamsById.values()) {
    if (stream.isRemoved) continue
    repeat(stream.states)
    if (isHit(stream.configAt)) stream.stageDefinition(stream.newestDefinition, 0)
    if (isHit(stream.floorAt)) stream.stageFloor(stream.index.floor)
  }
  // Without it a stream that was removed would be there again, as older segments have it.
  for (const [id, at] of catalog.tombstones) if (isHit(at)) writeTombstone(writer, id)
  if (damaged.length === 0) return
  for (const { stream, runs } of deadRunsOf(segment, catalog)) {
    if (!stream.isRemoved) stream.stageKnownDeletes(runs)
  }
}

/**
 * What is said in the first page of the segment that is written, and nowhere else, is said once more: with that page a disk
 * would lose configurations, which stores of one segment have there, and sequences would be given out again.
 */
export function repeatFirstPage(segment: Segment, catalog: Catalog, writer: Writer): void {
  if (segment.isFirstPageRepeated || segment.size < FIRST_PAGE_BYTES) return
  segment.isFirstPageRepeated = true
  carryDamaged(segment, [{ from: 0, to: FIRST_PAGE_BYTES }], catalog, writer)
  carryLastSeqs(segment, catalog)
}

/**
 * A stream's last sequence must not be given out again, though its message is deleted and its record
 * gone. Needed before a rewrite too.
 */
export function carryLastSeqs(segment: Segment, catalog: Catalog): void {
  for (const stream of catalog.streamsById.values()) {
    const { index } = stream
    if (stream.isRemoved || index.lastSeq <= stream.loggedLastSeq) continue
    if (index.spanIn(segment.id)?.lastSeq === index.lastSeq) stream.stageFloor(index.floor)
  }
}

function carryTable(catalog: Catalog, table: JournalTable, segment: Segment): void {
  for (const [key, entry] of table.committed) {
    if (entry.segmentId !== segment.id) continue
    narrow(entry, catalog)
    const isRemoved = entry.value === undefined
    // Its segment has an older record of what is carried now, if that is not the same removal.
    if (!isRemoved) table.carry(key, segment.id + 1)
    else if (entry.since < entry.until) table.carry(key, entry.until)
    else catalog.forget(table, key)
  }
}

function writeTombstone(writer: Writer, streamId: number): void {
  writer.append(
    {
      type: RecordType.stream,
      flags: RecordFlag.removed,
      streamId,
      seq: 0,
      subject: NO_BYTES,
      headers: NO_BYTES,
      payload: NO_BYTES,
      timeMs: undefined,
    },
    undefined,
  )
}
