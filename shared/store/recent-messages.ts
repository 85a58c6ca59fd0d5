/**
 * Single messages that were stored a while ago at most, read in the turn in which they are asked for: they
 * lie in the system's memory, and a promise takes longer than reading them does. One buffer serves all.
 * Whatever is not as plain as that is left to `StreamReader.get`: what lies elsewhere, is large, compressed or damaged.
 */
import type { DiskFile } from '../runtime/index.ts'
import type { Catalog } from './catalog.ts'
import { RECENT_BYTES, RECENT_READ_BYTES } from './limits.ts'
import { messageAt } from './read-message.ts'
import type { ReadSide } from './read-side.ts'
import { Chunk, RECORD_HEADER_BYTES, RecordCursor, RecordFlag, RecordType } from './record.ts'
import type { SegmentFiles } from './segment-files.ts'
import type { Span } from './span.ts'
import type { StoredMessage } from './stream-store.ts'

export class RecentMessages {
  readonly #catalog: Catalog
  readonly #files: SegmentFiles
  #cursor: RecordCursor | undefined

  constructor(catalog: Catalog, files: SegmentFiles) {
    this.#catalog = catalog
    this.#files = files
  }

  /** A view, until the next call. Undefined: `StreamReader.get` knows. */
  get(stream: ReadSide, seq: number): StoredMessage | undefined {
    const place = stream.index.place(seq)
    const file = place && this.#files.written(place.span.segmentId)
    if (place === undefined || file === undefined) return undefined
    const { span, ordinal } = place
    const segment = this.#catalog.segment(span.segmentId)
    const entry = span.entryOf(ordinal)
    const offset = span.entryOffsets.get(entry)
    const bytes = endOf(span, entry, segment.size) - offset
    if (bytes > RECENT_READ_BYTES || segment.size - offset > RECENT_BYTES) return undefined
    const cursor = this.#read(file, offset, bytes)
    const isThere = cursor !== undefined && findIn(cursor, stream.id, seq)
    if (!isThere || !cursor.isIntact(segment.salt)) return undefined
    const record = segment.opening.open(cursor, offset + cursor.at)
    if (record === undefined || (record.flags & RecordFlag.compressed) !== 0) return undefined
    return messageAt(record, stream.index.shiftMs(span.entryBoots.get(entry)))
  }

  #read(file: DiskFile, offset: number, bytes: number): RecordCursor | undefined {
    this.#cursor ??= new RecordCursor(new Chunk(Buffer.allocUnsafeSlow(RECENT_READ_BYTES)))
    const { chunk } = this.#cursor
    try {
      chunk.end = file.readNow(chunk.bytes.subarray(0, bytes), offset)
    } catch {
      return undefined
    }
    this.#cursor.at = 0
    return this.#cursor
  }
}

/** Where the records of an entry end, with those of other streams between them. */
function endOf({ entryOffsets }: Span, entry: number, committedBytes: number): number {
  return entry + 1 < entryOffsets.length ? entryOffsets.get(entry + 1) : committedBytes
}

/** Moves the cursor forward to a whole record of that stream and sequence. */
function findIn(cursor: RecordCursor, streamId: number, seq: number): boolean {
  const { chunk } = cursor
  while (cursor.at + RECORD_HEADER_BYTES <= chunk.end && cursor.isPlausible) {
    const end = cursor.at + cursor.length
    if (end > chunk.end) return false
    const isOfStream = cursor.type === RecordType.message && cursor.streamId === streamId
    if (isOfStream && cursor.seq >= seq) return cursor.seq === seq
    cursor.at = end
  }
  return false
}
