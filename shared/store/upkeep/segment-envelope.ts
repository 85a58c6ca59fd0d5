/** What can be told of a segment without what is in its records: its header, and which bytes hold. */
import { readEnvelope as readIndexEnvelope } from '../encryption/index-envelope.ts'
import { isIndexIntact, ownerOf } from '../index-file.ts'
import { AS_WRITTEN } from '../opening.ts'
import type { Chunk } from '../record.ts'
import { Segment } from '../segment.ts'
import { decodeSegmentHeader, headerCopies, type SegmentHeader } from '../segment-header.ts'
import { type ByteRange, scanSegment } from '../segment-scan.ts'
import type { IndexState, SegmentReading } from './offline-store.ts'

interface HeaderSource {
  readonly bytes: Uint8Array
  readonly id: number
  readonly file: string
  readonly index: Uint8Array | undefined
}

interface FoundHeader {
  readonly header: SegmentHeader | undefined
  /** The file itself has none. */
  readonly isGone: boolean
  /** Copies that do not hold. */
  readonly damagedHeaders: number
}

/** As it lies in the file, or as the index or the file of headers remembers it. */
export function headerOf(
  { bytes, id, file, index }: HeaderSource,
  fromIndex: () => SegmentHeader | undefined,
  fromHeads: SegmentHeader | undefined,
): FoundHeader {
  const own = decodeSegmentHeader(bytes, file)
  const isGone = own?.id !== id
  const other = (index === undefined ? undefined : fromIndex()) ?? fromHeads
  const header = isGone ? other : own
  if (header === undefined) return { header, isGone, damagedHeaders: 2 }
  const copies = headerCopies(bytes, header, file)
  return { header, isGone, damagedHeaders: copies.filter(({ isIntact }) => !isIntact).length }
}

/** A scan that takes no record's content: checksums need no key. */
export function readEnvelope(
  chunk: Chunk,
  header: SegmentHeader,
  isLast: boolean,
  index: Uint8Array | undefined,
  unreadable: readonly ByteRange[],
): Omit<
  SegmentReading,
  'id' | 'file' | 'isLast' | 'isHeadless' | 'damagedHeaders' | 'bytes' | 'unreadable'
> {
  const segment = new Segment(header, chunk.bytes.length, undefined)
  let records = 0
  const { salt, headerBytes } = segment
  const form = { salt, headerBytes, opening: AS_WRITTEN }
  const count = (): void => {
    records++
  }
  const scan = scanSegment(chunk, form, isLast, count, unreadable)
  segment.size = scan.end
  segment.isSealed = !isLast
  return {
    segment,
    records,
    damaged: scan.damaged,
    tornBytes: scan.tornBytes,
    cutBytes: cutBytesOf(index, header, chunk.bytes.length),
    lastCommitAt: scan.lastCommitAt,
    ...stateOfIndex(index, segment, isLast),
  }
}

function cutBytesOf(index: Uint8Array | undefined, { id, salt }: SegmentHeader, size: number) {
  const owner =
    index && isIndexIntact(index) ? (readIndexEnvelope(index) ?? ownerOf(index)) : undefined
  return owner?.id === id && owner.salt === salt ? Math.max(0, owner.size - size) : 0
}

/** What an index is without a look at what it says; undefined: that decides. */
export function outerIndexState(
  bytes: Uint8Array,
  isLast: boolean,
): { index: IndexState; indexProblem: string } | undefined {
  if (isLast) return { index: 'unused', indexProblem: '' }
  if (isIndexIntact(bytes)) return undefined
  return { index: 'damaged', indexProblem: 'its checksum does not hold' }
}

function stateOfIndex(
  bytes: Uint8Array | undefined,
  { id, salt, size }: Segment,
  isLast: boolean,
): { index: IndexState; indexProblem: string } {
  if (bytes === undefined) return { index: 'absent', indexProblem: '' }
  const outer = outerIndexState(bytes, isLast)
  if (outer !== undefined) return outer
  const owner = readIndexEnvelope(bytes) ?? ownerOf(bytes)
  const isOf = owner?.id === id && owner.salt === salt && owner.size === size
  const isCut = owner?.id === id && owner.salt === salt && owner.size > size
  return { index: isOf ? 'fits' : isCut ? 'longer' : 'stale', indexProblem: '' }
}
