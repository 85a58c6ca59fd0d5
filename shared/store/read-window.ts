/**
 * A chunk of a segment's file that moves forward, and the ways to a record in it. Chunks are not used
 * again: messages are views on them.
 */
import type { DiskFile } from '../runtime/index.ts'
import { intactRun } from './crc-run.ts'
import {
  ENTRY_RECORDS,
  FRESH_BYTES,
  READ_BYTES,
  RECENT_BYTES,
  RECENT_READ_BYTES,
} from './limits.ts'
import type { Opening } from './opening.ts'
import { readAround } from './read-around.ts'
import { Chunk, RECORD_HEADER_BYTES, RecordCursor, RecordType } from './record.ts'
import type { Span } from './span.ts'

/** The records of one segment that a read wants. */
export interface RecordRun {
  readonly span: Span
  readonly salt: number
  readonly opening: Opening
  /** By how much a record is longer on disk than the span says. */
  readonly recordExtra: number
  /** Where the segment's committed records end. */
  readonly endOffset: number
  readonly ordinals: number[]
}

export interface WantedRecord {
  readonly streamId: number
  readonly seq: number
}

const AHEAD_RECORDS_MAX = 4096
const DENSE_RECORDS = 48
const AHEAD_GAP_BYTES = 64 * 1024
const CHUNK_BYTES_MIN = 512
/** Checked together: a chunk's worth of short records. */
const RUN_RECORDS_MAX = 2048
const RUN_RETRY_BYTES = 4096

export class ReadWindow {
  /** One cursor that is moved over all records. */
  readonly cursor = new RecordCursor(new Chunk(new Uint8Array(0)))
  /** What `moveTo` missed, for `load`. */
  wantedOffset = 0
  /** What the disk said where it could not read: there are zeros, so that records beside it are found. */
  unreadable: unknown
  readonly #file: DiskFile
  #wantedBytes = 0
  readonly #writtenTo: number
  #start = 0
  /** Where records begin that are known to be intact, of the chunk as it is now: `#known` of them, in their order. */
  #starts: Int32Array | undefined
  #known = 0
  #knownNext = 0
  /** Behind a run that was damaged another is tried from there on. */
  #triedTo = 0

  /** @param writtenTo where the journal goes on in this file; infinite when it does elsewhere */
  constructor(file: DiskFile, writtenTo: number) {
    this.#file = file
    this.#writtenTo = writtenTo
  }

  /** The cursor's place in the file. */
  get offset(): number {
    return this.#start + this.cursor.at
  }

  /** Puts the cursor there; false when there are less than `bytes` behind it in memory. */
  moveTo(offset: number, bytes: number): boolean {
    const isInside = offset >= this.#start && offset + bytes <= this.#start + this.cursor.chunk.end
    if (isInside) {
      this.cursor.at = offset - this.#start
    } else {
      this.wantedOffset = offset
      this.#wantedBytes = bytes
    }
    return isInside
  }

  /**
   * Whether the record at the cursor is. @param isOneOfMany those behind it will be asked for, too: then they are
   * looked at together
   */
  isIntact(salt: number, isOneOfMany: boolean): boolean {
    const { cursor } = this
    if (this.#isKnown(cursor.at)) return true
    if (isOneOfMany && cursor.at >= this.#triedTo) {
      this.#starts ??= new Int32Array(RUN_RECORDS_MAX)
      this.#known = intactRun(cursor.chunk, cursor.at, salt, this.#starts)
      this.#knownNext = 0
      this.#triedTo = cursor.at + RUN_RETRY_BYTES
      if (this.#known > 0) return true
    }
    return cursor.isIntact(salt)
  }

  #isKnown(at: number): boolean {
    const starts = this.#starts
    if (starts === undefined) return false
    while (this.#knownNext < this.#known && (starts[this.#knownNext] as number) < at)
      this.#knownNext++
    return this.#knownNext < this.#known && starts[this.#knownNext] === at
  }

  /** Reads what `moveTo` missed, and ahead of it; false when the file ends before. */
  async load(ahead: number): Promise<boolean> {
    const bytes = this.#wantedBytes
    const chunk = new Chunk(
      Buffer.allocUnsafeSlow(Math.ceil(Math.max(bytes, ahead, CHUNK_BYTES_MIN))),
    )
    this.#start = this.wantedOffset
    chunk.end = this.#isInMemory(chunk.bytes.length)
      ? readFullyNow(this.#file, chunk.bytes, this.#start)
      : await this.#readAround(chunk.bytes)
    this.cursor.chunk = chunk
    this.cursor.at = 0
    this.#known = 0
    this.#triedTo = 0
    return chunk.end >= bytes
  }

  /** Of the system: a turn at the disk takes longer than such a read, and other work with it. */
  #isInMemory(bytes: number): boolean {
    const behind = this.#writtenTo - this.#start
    return behind <= FRESH_BYTES || (behind <= RECENT_BYTES && bytes <= RECENT_READ_BYTES)
  }

  async #readAround(target: Uint8Array): Promise<number> {
    const { bytes, error } = await readAround(this.#file, target, this.#start)
    this.unreadable ??= error
    return bytes
  }

  async moveOrLoad(offset: number, bytes: number, ahead: number): Promise<boolean> {
    return this.moveTo(offset, bytes) || this.load(ahead)
  }
}

/**
 * How much to read at once: the wanted records and what lies between them, as far as they are near enough to each
 * other that reading through costs less than another turn at the disk.
 */
export function bytesAhead(
  { span, ordinals, recordExtra }: RecordRun,
  from: number,
  offset: number,
): number {
  const { entryOffsets } = span
  const first = ordinals[from] as number
  const entryFirst = span.entryOf(first)
  const to = Math.min(ordinals.length, from + AHEAD_RECORDS_MAX)
  let last = first
  let entry = entryFirst
  let end = offset
  for (let i = from + 1; i < to; i++) {
    const ordinal = ordinals[i] as number
    if (ordinal - last > AHEAD_RECORDS_MAX) break
    entry = span.entryAfter(entry, ordinal)
    const at = entryOffsets.get(entry)
    if (at - end > AHEAD_GAP_BYTES || at - offset > READ_BYTES) break
    end = Math.max(end, at)
    last = ordinal
  }
  const firstInEntry = span.entryOrdinals.get(entryFirst)
  const records = last - firstInEntry + 1
  const own = span.lengths.sum(firstInEntry, last + 1) + records * recordExtra
  const wanted = Math.max(own, end - offset + (own / records) * ENTRY_RECORDS)
  return Math.min(wanted, Math.max(2 * READ_BYTES, span.lengths.get(first) + recordExtra))
}

/** Whether the next records that are wanted lie behind each other in the file, with little between them. */
export function isDense({ span, ordinals, recordExtra }: RecordRun, from: number): boolean {
  const last = from + DENSE_RECORDS - 1
  const first = ordinals[from] as number
  if (ordinals[last] !== first + DENSE_RECORDS - 1) return false
  const entry = span.entryOf(first)
  const lastEntry = span.entryAfter(entry, first + DENSE_RECORDS - 1)
  const fileBytes = span.entryOffsets.get(lastEntry) - span.entryOffsets.get(entry)
  const begin = span.entryOrdinals.get(entry)
  const end = span.entryOrdinals.get(lastEntry)
  const ownBytes = span.lengths.sum(begin, end) + (end - begin) * recordExtra
  return fileBytes <= ownBytes * 2
}

/**
 * Moves the cursor forward from `offset` to the stream's record with this seq. False when it is not
 * there, undefined when more must be loaded to know: then go on at `wantedOffset`.
 */
export function findRecord(
  window: ReadWindow,
  offset: number,
  { streamId, seq }: WantedRecord,
): boolean | undefined {
  const { cursor } = window
  for (let at = offset; ; at += cursor.length) {
    if (!window.moveTo(at, RECORD_HEADER_BYTES)) return undefined
    if (!cursor.isPlausible) return false
    if (cursor.type !== RecordType.message || cursor.streamId !== streamId) continue
    if (cursor.seq > seq) return false
    if (cursor.seq === seq) return window.moveTo(at, cursor.length) ? true : undefined
  }
}

/**
 * The slow way, when the fast one met damage: takes no record's word without its checksum, and goes
 * on byte by byte where none holds. A record that cannot be opened says nothing either.
 */
export async function searchRecord(
  window: ReadWindow,
  offset: number,
  { salt, opening, endOffset }: RecordRun,
  { streamId, seq }: WantedRecord,
): Promise<RecordCursor | undefined> {
  const { cursor } = window
  let at = offset
  while (at + RECORD_HEADER_BYTES <= endOffset) {
    const isRecord =
      (await window.moveOrLoad(at, RECORD_HEADER_BYTES, READ_BYTES)) &&
      cursor.isPlausible &&
      at + cursor.length <= endOffset &&
      (await window.moveOrLoad(at, cursor.length, READ_BYTES)) &&
      cursor.isIntact(salt)
    if (!isRecord) {
      at++
      continue
    }
    const isOfStream = cursor.type === RecordType.message && cursor.streamId === streamId
    const record = isOfStream && cursor.seq >= seq ? opening.open(cursor, at) : undefined
    if (record !== undefined) return cursor.seq === seq ? record : undefined
    at += cursor.length
  }
  return undefined
}

function readFullyNow(file: DiskFile, target: Uint8Array, offset: number): number {
  let got = 0
  while (got < target.length) {
    const read = file.readNow(target.subarray(got), offset + got)
    if (read === 0) break
    got += read
  }
  return got
}
