/**
 * Goes through the records of one segment as it lies on disk.
 *
 * A record that does not hold is either the torn end of a commit that was never acknowledged, or
 * damage in data that was. It is torn when it lies in the last segment, no commit begins after it,
 * and a write that was broken off can have left it so: then everything from it on is cut, together
 * with the part of its transaction that lies before it. Everywhere else it is damage: the next record
 * that holds is searched for, byte by byte, with the segment's salt. A record that holds and cannot be opened is damage too, and so is what the disk
 * cannot read, and nothing in front of that is cut: nobody knows what was acknowledged.
 */
import { crc32 } from './crc.ts'
import type { Opening } from './opening.ts'
import { type Chunk, RECORD_HEADER_BYTES, RecordCursor, RecordFlag } from './record.ts'

/** The smallest that a disk writes whole or not at all; those of larger sectors have it too. */
const SECTOR_BYTES = 512
const LENGTH_BYTES = 4
/** With so many zeros a record may end and its length still be found; with more when it is short. */
const ZEROS_ENDING_MAX = 64
/** Checksums over so many bytes are tried for that. */
const ENDS_TRIED_BYTES = 1 << 20

/** What must be known of a segment to read its records. */
export interface SegmentForm {
  readonly salt: number
  readonly opening: Opening
  /** Where records begin. */
  readonly headerBytes: number
}

/** Bytes of a segment file, `to` not included. */
export interface ByteRange {
  readonly from: number
  readonly to: number
}

export interface ScanResult {
  /** Where the intact part ends; the file's size unless a torn end must be cut. */
  readonly end: number
  /** What did not hold, each range one record or more. */
  readonly damaged: readonly ByteRange[]
  /** Where the last commit of the intact part begins: what lies before it was synced. */
  readonly lastCommitAt: number
  /** Of what lies behind the end: all but zeros at the end of the file, which stand for nothing written. */
  readonly tornBytes: number
}

export function scanSegment(
  chunk: Chunk,
  { salt, opening, headerBytes }: SegmentForm,
  isLast: boolean,
  visit: (record: RecordCursor, offset: number) => void,
  unreadable: readonly ByteRange[] = [],
): ScanResult {
  const size = chunk.bytes.length
  const cursor = new RecordCursor(chunk)
  let group: number[] = []
  const damaged: ByteRange[] = []
  let lastCommitAt = headerBytes
  const flush = (): void => {
    for (const at of group) {
      cursor.at = at
      if ((cursor.flags & RecordFlag.commitStart) !== 0) lastCommitAt = at
      const record = opening.open(cursor, at)
      if (record === undefined) damaged.push({ from: at, to: at + cursor.length })
      else visit(record, at)
    }
    group = []
  }
  const written = isLast ? writtenEnd(chunk.bytes) : size
  const resultOf = (end: number): ScanResult => ({
    end,
    damaged,
    lastCommitAt,
    tornBytes: Math.max(0, written - end),
  })
  let at = headerBytes
  while (at < size) {
    cursor.at = at
    if (!holds(cursor, size, salt)) {
      const isUnread = unreadable.some(({ to }) => to > at)
      if (isLast && !isUnread && at >= written) break
      let next = nextRecord(chunk, at + 1, size, salt)
      if (isLast && !isUnread && next === size) next = lastEnd(cursor, written, size, salt)
      const isTorn = isLast && !isUnread && isUnwritten(chunk, at, next, salt)
      if (isTorn && !commitBeginsFrom(chunk, next, size, salt)) return resultOf(group[0] ?? at)
      flush()
      damaged.push({ from: at, to: next })
      at = next
      continue
    }
    const { length } = cursor
    const hasMore = (cursor.flags & RecordFlag.more) !== 0
    group.push(at)
    if (!hasMore) flush()
    at += length
  }
  if (isLast && group[0] !== undefined) return resultOf(group[0])
  flush()
  return resultOf(at)
}

/** Whether a record lies here whole and its checksum is right. */
export function holds(cursor: RecordCursor, size: number, salt: number): boolean {
  return (
    cursor.at + RECORD_HEADER_BYTES <= size &&
    cursor.isPlausible &&
    cursor.at + cursor.length <= size &&
    cursor.isIntact(salt)
  )
}

/** Whether a record lies there of which nothing but the length is damaged. */
export function isOnlyLengthWrong(chunk: Chunk, from: number, to: number, salt: number): boolean {
  const length = to - from
  if (length < RECORD_HEADER_BYTES) return false
  const stored = chunk.view.getUint32(from + LENGTH_BYTES, true)
  return crc32(chunk.bytes, from + 2 * LENGTH_BYTES, to, (salt ^ length) >>> 0) === stored
}

/**
 * Where a last record that does not hold ends, when only zeros lie behind it: where its checksum says that nothing
 * but the length is wrong, for a wrong one may well end among the zeros; else by its length, or at the file's end.
 */
function lastEnd(last: RecordCursor, written: number, size: number, salt: number): number {
  if (last.at + RECORD_HEADER_BYTES > size) return size
  const tries = Math.max(ZEROS_ENDING_MAX, ENDS_TRIED_BYTES / (written - last.at))
  const endMax = Math.min(written + tries, size)
  for (let to = written; to <= endMax; to++) {
    if (isOnlyLengthWrong(last.chunk, last.at, to, salt)) return to
  }
  const end = last.at + last.length
  return end >= written && end <= size ? end : size
}

/** The first place from `from` on where a record holds; `size` when there is none. */
export function nextRecord(chunk: Chunk, from: number, size: number, salt: number): number {
  const cursor = new RecordCursor(chunk)
  for (let at = from; at + RECORD_HEADER_BYTES <= size; at++) {
    cursor.at = at
    if (holds(cursor, size, salt)) return at
  }
  return size
}

/**
 * Whether a write that a power cut broke off can have left these bytes, from where a record was to begin up to
 * the next one that holds. A disk writes whole sectors: of one that did not get there nothing is in the
 * file but zeros, and a write of which nothing got there lacks its first record's length. With
 * every sector in its place, and records behind it or a length that ends with the file, it was written whole.
 */
function isUnwritten(chunk: Chunk, from: number, to: number, salt: number): boolean {
  const { bytes } = chunk
  if (from + RECORD_HEADER_BYTES > bytes.length) return true
  for (let at = from; at < to; ) {
    const end = Math.min(at - (at % SECTOR_BYTES) + SECTOR_BYTES, to)
    if (isZero(bytes, at, end)) return true
    at = end
  }
  if (isOnlyLengthWrong(chunk, from, to, salt)) return false
  const isEnded = from + new RecordCursor(chunk, from).length === to
  if (to === bytes.length && !isEnded) return true
  return isZero(bytes, from, from + LENGTH_BYTES)
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== 0) return false
  return true
}

function commitBeginsFrom(chunk: Chunk, from: number, size: number, salt: number): boolean {
  const cursor = new RecordCursor(chunk)
  let at = from
  while (at < size) {
    cursor.at = at
    if (!holds(cursor, size, salt)) at = nextRecord(chunk, at + 1, size, salt)
    else if ((cursor.flags & RecordFlag.commitStart) !== 0) return true
    else at += cursor.length
  }
  return false
}

/** Behind the last byte that is not zero. */
function writtenEnd(bytes: Uint8Array): number {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return end
}
