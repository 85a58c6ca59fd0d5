/**
 * Everything the store knows: segments, streams, tables, boots. `apply` takes one record that is on
 * disk, whether its commit has just ended or it was found at start: there is one way in.
 */
import type { Log } from '../log/index.ts'
import { invariant } from '../runtime/index.ts'
import type { Boots } from './boots.ts'
import type { JournalStream } from './journal-stream.ts'
import { SegmentIds } from './older-records.ts'
import { type RecordCursor, RecordFlag, RecordType } from './record.ts'
import type { Segment } from './segment.ts'
import { entryOf, type JournalTable, type StateEntry } from './state-table.ts'
import { decodeDefinitionHeader, type StreamDefinition } from './stream-drafts.ts'
import type { RecordPlace } from './stream-host.ts'
import { StreamIndex } from './stream-index.ts'
import type { StreamLimits } from './stream-store.ts'
import type { SubjectSpace } from './stream-subjects.ts'
import { Wear, WRITTEN_BYTES_PACKED } from './wear.ts'
import { BOOT_BYTES } from './writer.ts'

export const NO_LIMITS: StreamLimits = {
  messagesMax: 0,
  bytesMax: 0,
  ageMaxMs: 0,
  messagesPerSubjectMax: 0,
  messageBytesMax: 0,
  discard: 'old',
}

export type MakeStream = (
  id: number,
  definition: StreamDefinition,
  index: StreamIndex,
) => JournalStream

export class Catalog {
  readonly boots: Boots
  readonly streams = new Map<string, JournalStream>()
  readonly streamsById = new Map<number, JournalStream>()
  /** Removed streams of which records may still lie in older segments. */
  readonly tombstones = new Map<number, RecordPlace>()
  readonly marks: JournalTable
  /** Of all segment files, whether they can be read or not. */
  readonly ids = new SegmentIds()
  readonly wear = new Wear()
  damagedRecords = 0
  /** Indexes and cards that were damaged, and were written again from what else says the same. */
  mendedFiles = 0
  /** Called when damage was found somewhere. */
  onDamage: () => void = () => {}
  /** Whether the directory is still being read. */
  isRecovering: () => boolean = () => false
  lastStreamId = 0
  /** Streams that records were applied to since the last call of `takeTouched`. */
  #touched = new Set<JournalStream>()
  readonly #segments = new Map<number, Segment>()
  readonly #log: Log
  readonly #makeStream: MakeStream
  readonly #subjects: SubjectSpace

  constructor(
    boots: Boots,
    marks: JournalTable,
    makeStream: MakeStream,
    log: Log,
    subjects: SubjectSpace,
  ) {
    this.boots = boots
    this.#subjects = subjects
    this.marks = marks
    this.#makeStream = makeStream
    this.#log = log
  }

  /** In order of their ids. */
  get segments(): readonly Segment[] {
    return [...this.#segments.values()]
  }

  get segmentCount(): number {
    return this.#segments.size
  }

  addSegment(segment: Segment): void {
    this.#segments.set(segment.id, segment)
    this.ids.add(segment.id)
  }

  segment(id: number): Segment {
    const segment = this.#segments.get(id)
    invariant(segment !== undefined, `segment ${id} is known`)
    return segment
  }

  hasSegment(id: number): boolean {
    return this.#segments.has(id)
  }

  get savedBytes(): number {
    let total = 0
    for (const { savedBytes } of this.#segments.values()) total += savedBytes
    return total
  }

  removeSegment(id: number): void {
    this.#segments.delete(id)
    this.ids.remove(id)
    for (const stream of this.streamsById.values()) stream.index.dropSpans(id)
  }

  /** The store's own, and those of the streams. */
  *tables(): IterableIterator<JournalTable> {
    yield this.marks
    for (const { states } of this.streamsById.values()) yield states
  }

  takeTouched(): Set<JournalStream> {
    const touched = this.#touched
    this.#touched = new Set()
    return touched
  }

  noteDamage(
    where: { readonly segment?: number } & Readonly<Record<string, unknown>>,
    records: number,
  ): void {
    this.damagedRecords += records
    const segment = where.segment === undefined ? undefined : this.#segments.get(where.segment)
    if (segment !== undefined) {
      segment.damage = 'found'
      segment.damagedNoted += records
    }
    this.onDamage()
    this.#log.error({ ...where, records }, 'damaged journal record skipped')
  }

  makeStream(id: number, definition: StreamDefinition): JournalStream {
    const onLiveBytes = (segmentId: number, delta: number): void => this.#addLive(segmentId, delta)
    const index = new StreamIndex(this.boots, onLiveBytes, this.#subjects)
    const stream = this.#makeStream(id, definition, index)
    this.lastStreamId = Math.max(this.lastStreamId, id)
    this.streamsById.set(id, stream)
    return stream
  }

  apply(segment: Segment, cursor: RecordCursor, offset: number): void {
    const { type } = cursor
    const { streamId } = cursor
    if (type === RecordType.boot) {
      this.#applyBoot(segment, cursor, offset)
      return
    }
    if (type === RecordType.state && streamId === 0) {
      this.#applyState(this.marks, segment, cursor, offset)
      return
    }
    if (this.tombstones.has(streamId)) {
      const isTombstone = type === RecordType.stream && (cursor.flags & RecordFlag.removed) !== 0
      if (isTombstone) this.#moveTombstone(streamId, place(segment, cursor, offset))
      return
    }
    const stream = this.stream(streamId)
    this.#touched.add(stream)
    if (type === RecordType.message) {
      segment.savedBytes += cursor.plainLength - cursor.length
      stream.applyMessage(segment.id, cursor, offset)
    } else if (type === RecordType.delete) {
      for (const target of stream.applyDelete(cursor)) segment.deleteTargets.add(target)
    } else if (type === RecordType.purge) {
      stream.applyFloor(cursor)
      stream.floorAt = this.replace(stream.floorAt, place(segment, cursor, offset))
    } else if (type === RecordType.state) {
      this.#applyState(stream.states, segment, cursor, offset)
    } else this.#applyStreamRecord(stream, segment, cursor, offset)
  }

  /** A stream whose configuration was not met yet has no name, and nobody sees it. */
  stream(id: number): JournalStream {
    const known = this.streamsById.get(id)
    if (known !== undefined) return known
    const definition = { name: '', createdMs: 0, limits: NO_LIMITS, config: new Uint8Array(0) }
    return this.makeStream(id, definition)
  }

  applyDefinition(stream: JournalStream, definition: StreamDefinition, at: RecordPlace): void {
    stream.configAt = this.replace(stream.configAt, at)
    stream.applyDefinition(definition)
    this.streams.set(definition.name, stream)
  }

  /** Forgets a stream; its records stay in the file until their segments go. */
  applyRemoval(stream: JournalStream, at: RecordPlace): void {
    const { index, id } = stream
    for (const span of index.spans) this.#addLive(span.segmentId, -span.liveBytes)
    for (const entry of stream.states.committed.values()) {
      this.#addLive(entry.segmentId, -entry.length)
    }
    if (stream.configAt !== undefined)
      this.#addLive(stream.configAt.segmentId, -stream.configAt.length)
    if (stream.floorAt !== undefined)
      this.#addLive(stream.floorAt.segmentId, -stream.floorAt.length)
    this.streamsById.delete(id)
    if (this.streams.get(stream.name) === stream) this.streams.delete(stream.name)
    this.#addLive(at.segmentId, at.length)
    this.tombstones.set(id, at)
    this.lastStreamId = Math.max(this.lastStreamId, id)
    stream.isRemoved = true
    index.subjects.release()
    this.#touched.delete(stream)
  }

  dropTombstone(id: number): void {
    const at = this.tombstones.get(id)
    if (at === undefined) return
    this.#addLive(at.segmentId, -at.length)
    this.tombstones.delete(id)
  }

  applyState(table: JournalTable, key: string, entry: StateEntry): void {
    this.replace(table.apply(key, entry), entry)
    const { value, since, until } = entry
    if (value === undefined && !this.ids.hasBetween(since, until)) this.forget(table, key)
  }

  /** A removal that no older record is left of: its record is worth nothing any more. */
  forget(table: JournalTable, key: string): void {
    const entry = table.committed.get(key)
    invariant(entry !== undefined && entry.value === undefined, 'only what is removed is forgotten')
    this.#addLive(entry.segmentId, -entry.length)
    table.committed.delete(key)
  }

  /** The live record of something moves: its segments are worth less and more. */
  replace(before: RecordPlace | undefined, now: RecordPlace): RecordPlace {
    if (before !== undefined) this.#addLive(before.segmentId, -before.length)
    this.#addLive(now.segmentId, now.length)
    return now
  }

  /** The records of a rewritten segment lie elsewhere in it now. */
  moveRecords(segmentId: number, offsets: ReadonlyMap<number, number>): void {
    const moved = <At extends { segmentId: number; offset: number }>(at: At): At | undefined => {
      const offset = at.segmentId === segmentId ? offsets.get(at.offset) : undefined
      return offset === undefined ? undefined : { ...at, offset }
    }
    this.marks.moveEntries(moved)
    for (const stream of this.streamsById.values()) {
      stream.states.moveEntries(moved)
      if (stream.configAt !== undefined) stream.configAt = moved(stream.configAt) ?? stream.configAt
      if (stream.floorAt !== undefined) stream.floorAt = moved(stream.floorAt) ?? stream.floorAt
    }
    for (const [id, at] of this.tombstones) this.tombstones.set(id, moved(at) ?? at)
    for (const boot of this.boots.values()) this.boots.apply(moved(boot) ?? boot)
  }

  #moveTombstone(id: number, at: RecordPlace): void {
    this.tombstones.set(id, this.replace(this.tombstones.get(id), at))
  }

  #applyBoot(segment: Segment, cursor: RecordCursor, offset: number): void {
    const { payloadStart, payload } = cursor
    const { view } = cursor.chunk
    const shiftMs = view.getFloat64(payloadStart, true)
    if (payload.length >= BOOT_BYTES + WRITTEN_BYTES_PACKED && this.isRecovering()) {
      const at = payloadStart + BOOT_BYTES
      const told = { journal: view.getFloat64(at, true), all: view.getFloat64(at + 8, true) }
      this.wear.learn(told, segment.id, offset)
    }
    this.boots.apply({ ref: cursor.seq, shiftMs, segmentId: segment.id, offset })
  }

  #applyState(table: JournalTable, segment: Segment, cursor: RecordCursor, offset: number): void {
    const key = Buffer.from(cursor.subject).toString()
    this.applyState(table, key, entryOf(cursor, segment.id, offset))
  }

  #applyStreamRecord(
    stream: JournalStream,
    segment: Segment,
    cursor: RecordCursor,
    offset: number,
  ): void {
    const at = place(segment, cursor, offset)
    if ((cursor.flags & RecordFlag.removed) !== 0) {
      this.applyRemoval(stream, at)
      return
    }
    const header = decodeDefinitionHeader(cursor.headers)
    const name = Buffer.from(cursor.subject).toString()
    this.applyDefinition(stream, { name, ...header, config: new Uint8Array(cursor.payload) }, at)
  }

  #addLive(segmentId: number, delta: number): void {
    const segment = this.#segments.get(segmentId)
    if (segment !== undefined) segment.liveBytes += delta
  }
}

function place(segment: Segment, cursor: RecordCursor, offset: number): RecordPlace {
  return { segmentId: segment.id, offset, length: cursor.length }
}
