/**
 * Rewrites a sealed segment without what is dead in it: a new file beside the old one, synced, then
 * renamed over it. Until the rename is on disk the old file is the segment; afterwards the new one,
 * whose other salt voids the old index. Reading goes on all the time; what dies while the copy is
 * made is dead in the new file too.
 */
import { type Clock, type Disk, invariant, type Random } from '../runtime/index.ts'
import type { Catalog } from './catalog.ts'
import { encodeRuns } from './delete-runs.ts'
import type { Keyring } from './encryption/keyring.ts'
import { ENCRYPTION_BYTES, type SegmentCipher } from './encryption/segment-cipher.ts'
import { deadRunsOf } from './index-file.ts'
import type { JournalStream } from './journal-stream.ts'

import { COMPRESS_WORK, DELETE_SEQS_MAX, ENCRYPT_WORK, REWRITE_SLICE_BYTES } from './limits.ts'

import { endOfJournal } from './older-records.ts'
import { readFileAround } from './read-around.ts'
import {
  Chunk,
  encodeRecord,
  RECORD_HEADER_BYTES,
  RecordCursor,
  type RecordFields,
  RecordFlag,
  RecordType,
  recordLength,
  stampChecksum,
  withCompressedBody,
} from './record.ts'
import { type Segment, segmentPath } from './segment.ts'
import type { SegmentFiles } from './segment-files.ts'
import { encodeSegmentHeader, type SegmentHeader } from './segment-header.ts'
import { type ByteRange, holds, nextRecord } from './segment-scan.ts'
import { Span } from './span.ts'

export interface RewriteParts {
  readonly clock: Clock
  readonly disk: Disk
  readonly random: Random
  readonly directory: string
  readonly catalog: Catalog
  readonly files: SegmentFiles
  readonly keys: Keyring
  /** Syncs the journal's directory; a failure stops the store. */
  readonly syncDirectory: () => Promise<void>
  /** Keeps bytes of the segment that do not hold, before they are gone with it. */
  readonly keepRanges: (
    segment: Segment,
    bytes: Uint8Array,
    ranges: readonly ByteRange[],
  ) => Promise<void>
  /** What of the segment cannot be read is gone; else nothing is rewritten without it. */
  readonly isGivenUp: boolean
  /** Syncs all that is applied. */
  readonly syncRecords: () => Promise<void>
}

interface Moved {
  readonly from: number
  readonly to: number
}

/** The new file as it grows. */
class Copy {
  chunk: Chunk
  readonly header: SegmentHeader
  readonly cipher: SegmentCipher | undefined
  readonly spans = new Map<JournalStream, Span>()
  readonly moved: Moved[] = []
  readonly damaged: ByteRange[] = []
  pinnedBytes = 0
  savedBytes = 0

  /** @param bytes how many it will hardly exceed */
  constructor(bytes: number, header: SegmentHeader, cipher: SegmentCipher | undefined) {
    this.chunk = new Chunk(Buffer.allocUnsafeSlow(bytes))
    this.header = header
    this.cipher = cipher
    const head = encodeSegmentHeader(header)
    this.chunk.bytes.set(head)
    this.chunk.end = head.length
    cipher?.begin()
  }

  /** A spare of a record that is added next. */
  pin(cursor: RecordCursor): void {
    this.add(cursor)
    this.pinnedBytes += cursor.length
  }

  /** Takes a record that is opened; returns where it lies in the new file. */
  add(cursor: RecordCursor): number {
    const { length } = cursor
    this.#reserve(length)
    const { chunk } = this
    const at = chunk.end
    chunk.bytes.set(cursor.chunk.bytes.subarray(cursor.at, cursor.at + length), at)
    chunk.bytes[at + 9] = cursor.flags & ~(RecordFlag.more | RecordFlag.commitStart)
    this.#finish(at, length)
    return at
  }

  /** Returns how many bytes it takes. */
  encode(fields: RecordFields): number {
    this.#reserve(recordLength(fields))
    const at = this.chunk.end
    encodeRecord(this.chunk, fields)
    this.#finish(at, this.chunk.end - at)
    return this.chunk.end - at
  }

  #reserve(length: number): void {
    const { bytes, end } = this.chunk
    const wanted = end + length + ENCRYPTION_BYTES
    if (wanted <= bytes.length) return
    this.chunk = new Chunk(Buffer.allocUnsafeSlow(Math.ceil(wanted * 1.25)))
    this.chunk.bytes.set(bytes.subarray(0, end))
    this.chunk.end = end
  }

  /** What was written there last goes as it lies on disk. */
  #finish(at: number, length: number): void {
    const { chunk, cipher } = this
    const body = chunk.bytes.subarray(at + RECORD_HEADER_BYTES, at + length)
    cipher?.encrypt(chunk, at, body, at)
    stampChecksum(chunk, at, this.header.salt)
    chunk.end = at + chunk.view.getUint32(at, true)
  }
}

/** Returns by how many bytes the files shrank. The segment must be sealed. */
export async function rewriteSegment(
  segment: Segment,
  parts: RewriteParts,
  signal: AbortSignal,
): Promise<number> {
  const { disk, directory, files, keys, random } = parts
  invariant(segment.isSealed, 'only sealed segments are rewritten')
  const file = segmentPath(directory, segment.id)
  const temp = `${file}.tmp`
  return files.use(segment.id, async () => {
    const { bytes, error } = await readFileAround(disk, file)
    if (error !== undefined && !parts.isGivenUp) throw error
    const source = new Chunk(bytes)
    const salt = new DataView(new Uint8Array(random.bytes(4)).buffer).getUint32(0)
    const { id } = segment
    const cipher = keys.newCipher(id)
    const header = { id, salt, isRewritten: true, encryption: cipher?.header }
    const copy = new Copy(bytesExpected(segment, parts.catalog), header, cipher)
    const cleanTo = endOfJournal(parts.catalog.segments)
    await copyLive(segment, source, copy, parts, signal)
    if (signal.aborted) return 0
    await parts.keepRanges(segment, source.bytes, [...copy.damaged, ...segment.cut])
    await parts.syncRecords()
    await writeTemp(disk, temp, copy.chunk.bytes.subarray(0, copy.chunk.end))
    await disk.rename(temp, file)
    const shrunk = swap(segment, copy, parts)
    await parts.syncDirectory()
    segment.cleanTo = cleanTo
    return shrunk
  })
}

async function copyLive(
  segment: Segment,
  source: Chunk,
  copy: Copy,
  parts: RewriteParts,
  signal: AbortSignal,
): Promise<void> {
  const { catalog, clock } = parts
  const cursor = new RecordCursor(source)
  const size = Math.min(segment.size, source.bytes.length)
  const isEncrypting = segment.cipher !== undefined || copy.cipher !== undefined
  const byteWork = isEncrypting ? ENCRYPT_WORK : 1
  let work = 0
  for (let at = segment.headerBytes; at < size && !signal.aborted; ) {
    cursor.at = at
    if (!holds(cursor, size, segment.salt)) {
      const next = nextRecord(source, at + 1, size, segment.salt)
      copy.damaged.push({ from: at, to: next })
      at = next
      continue
    }
    const record = segment.opening.open(cursor, at)
    work += cursor.length * byteWork
    if (record === undefined) copy.damaged.push({ from: at, to: at + cursor.length })
    else if (isLive(catalog, segment, record, at)) {
      const stored = asStoredNow(catalog, record)
      if (stored !== record) work += cursor.length * COMPRESS_WORK
      copyRecord(catalog, segment, stored, at, copy)
    }
    at += cursor.length
    if (work >= REWRITE_SLICE_BYTES) {
      work = 0
      await new Promise<void>((resolve) => clock.soon(resolve))
    }
  }
  for (const { stream, runs } of deadRunsOf(segment, catalog, segment.id)) {
    copyDeletes(copy, stream.id, runs)
  }
}

/** What is live in it, and a share more; what that is too little for has the copy grow. */
function bytesExpected({ id, liveBytes, size, headerBytes }: Segment, catalog: Catalog): number {
  let messages = 0
  for (const { index } of catalog.streamsById.values()) messages += index.spanIn(id)?.liveCount ?? 0
  const bytes = headerBytes + Math.min(liveBytes, size) * 1.1
  return Math.ceil(bytes) + (messages + 1024) * ENCRYPTION_BYTES
}

/** A message of a stream that compresses by now is compressed; everything else stays what it is. */
function asStoredNow(catalog: Catalog, record: RecordCursor): RecordCursor {
  if (record.type !== RecordType.message || (record.flags & RecordFlag.compressed) !== 0) {
    return record
  }
  const { compressed } = catalog.stream(record.streamId)
  const body = compressed.isOn ? compressed.compress(record.headers, record.payload) : undefined
  return body === undefined ? record : withCompressedBody(record, body)
}

function isLive(catalog: Catalog, segment: Segment, cursor: RecordCursor, at: number): boolean {
  const { type, streamId, seq } = cursor
  const isHere = (place: { segmentId: number; offset: number } | undefined): boolean =>
    place?.segmentId === segment.id && place.offset === at
  if (type === RecordType.boot) return isHere(catalog.boots.get(seq))
  const key = (): string => Buffer.from(cursor.subject).toString()
  if (type === RecordType.state && streamId === 0) return isHere(catalog.marks.committed.get(key()))
  const stream = catalog.streamsById.get(streamId)
  if (stream === undefined) return isHere(catalog.tombstones.get(streamId))
  if (type === RecordType.message) return stream.index.place(seq)?.span.segmentId === segment.id
  if (type === RecordType.state) return isHere(stream.states.committed.get(key()))
  if (type === RecordType.stream) return isHere(stream.configAt)
  return type === RecordType.purge && isHere(stream.floorAt)
}

/** @param at where it lies in the old file */
function copyRecord(
  catalog: Catalog,
  segment: Segment,
  cursor: RecordCursor,
  at: number,
  copy: Copy,
): void {
  const isDefinition = cursor.type === RecordType.stream && !isRemoval(cursor)
  // Twice, as it was staged: without its configuration a stream's messages belong to nobody.
  if (isDefinition) copy.pin(cursor)
  const offset = copy.add(cursor)
  if (cursor.type !== RecordType.message) {
    copy.moved.push({ from: at, to: offset })
    return
  }
  copy.savedBytes += cursor.plainLength - cursor.length
  const stream = catalog.stream(cursor.streamId)
  const old = stream.index.spanIn(segment.id)
  const ordinal = old?.ordinalOf(cursor.seq) ?? -1
  if (old === undefined || ordinal < 0) return
  let span = copy.spans.get(stream)
  if (span === undefined) {
    span = new Span(segment.id, cursor.seq)
    copy.spans.set(stream, span)
  }
  span.push({
    seq: cursor.seq,
    offset,
    length: cursor.plainLength,
    hasHeaders: cursor.hasHeaders,
    subjectId: old.subjectIds.get(ordinal),
    wallMs: cursor.wallMs,
    wrongBoot: (cursor.flags & RecordFlag.clockWrong) === 0 ? 0 : cursor.bootRef,
  })
  if ((cursor.flags & RecordFlag.marked) !== 0) span.markNewest()
}

function isRemoval(cursor: RecordCursor): boolean {
  return (cursor.flags & RecordFlag.removed) !== 0
}

function copyDeletes(
  copy: Copy,
  streamId: number,
  runs: readonly (readonly [number, number])[],
): void {
  const none = new Uint8Array(0)
  for (let i = 0; i < runs.length; i += DELETE_SEQS_MAX) {
    const part = runs.slice(i, i + DELETE_SEQS_MAX)
    copy.pinnedBytes += copy.encode({
      type: RecordType.delete,
      flags: 0,
      streamId,
      seq: part[0]?.[0] ?? 0,
      wallMs: 0,
      bootRef: 0,
      monotonicMs: 0,
      subject: none,
      headers: none,
      payload: encodeRuns(part),
    })
  }
}

async function writeTemp(disk: Disk, temp: string, bytes: Uint8Array): Promise<void> {
  await disk.remove(temp)
  const file = await disk.create(temp)
  try {
    await file.writev([bytes], 0)
    await file.datasync()
  } catch (error) {
    await file.close().catch(() => {})
    await disk.remove(temp).catch(() => {})
    throw error
  }
  await file.close()
}

/** In one go: from here on readers find the new offsets in the new file. */
function swap(segment: Segment, copy: Copy, parts: RewriteParts): number {
  const { catalog, files } = parts
  for (const stream of catalog.streamsById.values()) {
    const old = stream.index.spanIn(segment.id)
    if (old === undefined) continue
    const now = copy.spans.get(stream) ?? new Span(segment.id, old.firstSeq)
    for (let i = old.nextLive(0); i < old.count; i = old.nextLive(i + 1)) {
      if (now.ordinalOf(old.seqAt(i)) >= 0) continue
      catalog.noteDamage({ segment: segment.id, stream: stream.name, seq: old.seqAt(i) }, 1)
      stream.noteDamage(old.seqAt(i), old.seqAt(i), 1)
    }
    stream.index.replaceSpan(old, now)
    now.trim()
  }
  catalog.moveRecords(segment.id, new Map(copy.moved.map(({ from, to }) => [from, to])))
  const shrunk = segment.size - copy.chunk.end
  catalog.wear.rewrites += copy.chunk.end
  segment.liveBytes += copy.pinnedBytes - segment.pinnedBytes
  segment.pinnedBytes = copy.pinnedBytes
  segment.savedBytes = copy.savedBytes
  segment.salt = copy.header.salt
  segment.encryption = copy.header.encryption
  segment.cipher = copy.cipher
  segment.size = copy.chunk.end
  segment.isRewritten = true
  segment.damage = 'none'
  segment.damagedNoted = 0
  segment.cutEnd = 0
  files.retire(segment.id)
  return shrunk
}
