/**
 * Reads messages of one stream out of the interleaved journal. The index says which records are
 * wanted; the nearest sparse entry says where to start; from there the journal is read forward in
 * chunks, and jumped over where the next wanted record is far away. Checksums are checked on the
 * way; a record that does not hold is reported as damage and skipped.
 */
import type { DiskFile } from '../runtime/index.ts'
import type { SubjectFilter } from '../subject/index.ts'
import type { Catalog } from './catalog.ts'
import type { JournalStream } from './journal-stream.ts'
import { ENTRY_RECORDS, READ_BYTES, READ_SEGMENTS_MAX, READ_THROUGH_BYTES } from './limits.ts'
import { Chunk, RECORD_HEADER_BYTES, RecordCursor, RecordType } from './record.ts'
import type { Pin, SegmentFiles } from './segment-files.ts'
import type { Span } from './span.ts'
import type { MessageId, ReadOptions, StoredMessage, StreamBatch } from './stream-store.ts'

const ID_BATCH_MESSAGES = 1000
const ID_HEADER = /^Nats-Msg-Id:[ \t]*(.*?)[ \t]*$/im

interface Wanted {
  readonly span: Span
  readonly pin: Pin
  readonly salt: number
  /** Where the segment's committed records end. */
  readonly endOffset: number
  readonly ordinals: number[]
}

interface WantedRecord {
  readonly streamId: number
  readonly seq: number
}

interface Plan {
  readonly runs: Wanted[]
  readonly nextSeq: number
}

export class StreamReader {
  readonly #catalog: Catalog
  readonly #files: SegmentFiles

  constructor(catalog: Catalog, files: SegmentFiles) {
    this.#catalog = catalog
    this.#files = files
  }

  async get(stream: JournalStream, seq: number): Promise<StoredMessage | undefined> {
    if (!stream.index.has(seq)) return undefined
    const { messages } = await this.read(stream, { fromSeq: seq, messagesMax: 1, bytesMax: 1 })
    return messages[0]?.seq === seq ? messages[0] : undefined
  }

  async read(stream: JournalStream, options: ReadOptions): Promise<StreamBatch> {
    const plan = this.#plan(stream, options)
    const messages: StoredMessage[] = []
    try {
      for (const run of plan.runs) {
        await readRun(stream, run, await run.pin.file, messages, this)
      }
      return { messages, nextSeq: plan.nextSeq }
    } finally {
      for (const run of plan.runs) run.pin.release()
    }
  }

  async recentIds(stream: JournalStream, sinceMs: number): Promise<readonly MessageId[]> {
    const ids: MessageId[] = []
    let fromSeq = await stream.seqAtTime(sinceMs)
    while (fromSeq <= stream.index.lastSeq) {
      const batch = await this.read(stream, {
        fromSeq,
        messagesMax: ID_BATCH_MESSAGES,
        bytesMax: READ_BYTES * 4,
      })
      for (const { headers, seq, timeMs } of batch.messages) {
        if (headers.length === 0) continue
        const id = ID_HEADER.exec(Buffer.from(headers).toString())?.[1]
        if (id !== undefined && id !== '' && timeMs >= sinceMs) ids.push({ id, seq, timeMs })
      }
      fromSeq = batch.nextSeq
    }
    return ids
  }

  /** The record cannot be read any more: out of the index, counted and reported. */
  damaged(stream: JournalStream, span: Span, ordinal: number): void {
    const seq = span.seqAt(ordinal)
    if (stream.index.place(seq)?.span !== span) return
    this.#catalog.noteDamage({ segment: span.segmentId, stream: stream.name, seq }, 1)
    stream.noteDamage(seq, seq, 1)
  }

  timeAt(stream: JournalStream, span: Span, ordinal: number, wallMs: number): number {
    const entry = span.entryOf(ordinal)
    return wallMs + stream.index.shiftMs(span.entryBoots.get(entry))
  }

  /** Done in one go, so that the offsets belong to the files as they are now. */
  #plan(stream: JournalStream, options: ReadOptions): Plan {
    const { index } = stream
    const matches = subjectMatcher(stream, options.filter)
    const runs: Wanted[] = []
    let run: Wanted | undefined
    let messages = 0
    let bytes = 0
    let nextSeq = index.lastSeq + 1
    index.walk(options.fromSeq, (span, ordinal) => {
      if (messages >= options.messagesMax || (messages > 0 && bytes >= options.bytesMax)) {
        nextSeq = span.seqAt(ordinal)
        return false
      }
      if (!matches(span.subjectIds.get(ordinal))) return true
      if (run === undefined || run.span !== span) {
        if (runs.length === READ_SEGMENTS_MAX) {
          nextSeq = span.seqAt(ordinal)
          return false
        }
        const { id, salt, size } = this.#catalog.segment(span.segmentId)
        run = { span, pin: this.#files.pin(id), salt, endOffset: size, ordinals: [] }
        runs.push(run)
      }
      run.ordinals.push(ordinal)
      messages++
      bytes += span.lengths.get(ordinal)
      return true
    })
    return { runs, nextSeq: Math.max(nextSeq, options.fromSeq) }
  }
}

function subjectMatcher(
  stream: JournalStream,
  filter: SubjectFilter | undefined,
): (subjectId: number) => boolean {
  if (filter === undefined || filter.isAll) return () => true
  const { subjects } = stream.index
  if (filter.isLiteral) {
    const bytes = Buffer.from(filter.subject)
    const wanted = subjects.find(bytes, 0, bytes.length)
    return (id) => id === wanted
  }
  const known = new Map<number, boolean>()
  return (id) => {
    let isMatch = known.get(id)
    if (isMatch === undefined) {
      isMatch = filter.matches(subjects.bytes(id))
      known.set(id, isMatch)
    }
    return isMatch
  }
}

/** Reads the wanted records of one segment, in order, into `messages`. */
async function readRun(
  stream: JournalStream,
  run: Wanted,
  file: DiskFile,
  messages: StoredMessage[],
  reader: StreamReader,
): Promise<void> {
  const { span, ordinals } = run
  const window = new ReadWindow(file)
  let offset = 0
  for (let i = 0; i < ordinals.length; i++) {
    const ordinal = ordinals[i] as number
    const entryOffset = span.entryOffsets.get(span.entryOf(ordinal))
    if (entryOffset > offset + READ_THROUGH_BYTES || offset < entryOffset) offset = entryOffset
    const ahead = bytesAhead(span, ordinals, i, offset)
    const wanted = { streamId: stream.id, seq: span.seqAt(ordinal) }
    let found = await findRecord(window, offset, wanted, ahead)
    if (found === undefined || !found.isIntact(run.salt)) {
      found = await searchRecord(window, entryOffset, run, wanted)
    }
    if (found === undefined) {
      reader.damaged(stream, span, ordinal)
      offset = 0
      continue
    }
    offset = window.offsetOf(found) + found.length
    messages.push({
      seq: found.seq,
      timeMs: reader.timeAt(stream, span, ordinal, found.wallMs),
      subjectBytes: found.subject,
      subject: Buffer.from(
        found.chunk.bytes.buffer as ArrayBuffer,
        found.chunk.bytes.byteOffset + found.subjectStart,
        found.subjectLength,
      ).toString(),
      headers: found.headers,
      payload: found.payload,
    })
  }
}

/** How much to read at once: what the wanted records and their neighbours need, within a chunk. */
function bytesAhead(span: Span, ordinals: readonly number[], from: number, offset: number): number {
  const first = span.entryOrdinals.get(span.entryOf(ordinals[from] as number))
  const to = Math.min(ordinals.length, from + 4096)
  const last = ordinals[to - 1] as number
  if (last - first > 4096) return READ_BYTES
  const own = span.lengths.sum(first, last + 1)
  const entryEnd = span.entryOffsets.get(span.entryOf(last)) - offset
  const perEntry = Math.max(0, entryEnd)
  return Math.min(
    Math.max(own, perEntry + (own / Math.max(1, last - first + 1)) * ENTRY_RECORDS),
    Math.max(READ_BYTES, own),
  )
}

/** Goes forward from `offset` to the stream's record with this seq; undefined when it is not there. */
async function findRecord(
  window: ReadWindow,
  offset: number,
  { streamId, seq }: WantedRecord,
  ahead: number,
): Promise<RecordCursor | undefined> {
  let at = offset
  for (;;) {
    const cursor = await window.at(at, RECORD_HEADER_BYTES, ahead)
    if (cursor === undefined || !cursor.isPlausible) return undefined
    if (cursor.type === RecordType.message && cursor.streamId === streamId) {
      if (cursor.seq > seq) return undefined
      if (cursor.seq === seq) return window.at(at, cursor.length, ahead)
    }
    at += cursor.length
  }
}

/**
 * The slow way, when the fast one met damage: takes no record's word without its checksum, and goes
 * on byte by byte where none holds.
 */
async function searchRecord(
  window: ReadWindow,
  offset: number,
  { salt, endOffset }: Wanted,
  { streamId, seq }: WantedRecord,
): Promise<RecordCursor | undefined> {
  let at = offset
  while (at + RECORD_HEADER_BYTES <= endOffset) {
    const head = await window.at(at, RECORD_HEADER_BYTES, READ_BYTES)
    const isPossible = head?.isPlausible === true && at + head.length <= endOffset
    const cursor = isPossible ? await window.at(at, head.length, READ_BYTES) : undefined
    if (cursor === undefined || !cursor.isIntact(salt)) {
      at++
      continue
    }
    const isOfStream = cursor.type === RecordType.message && cursor.streamId === streamId
    if (isOfStream && cursor.seq === seq) return cursor
    if (isOfStream && cursor.seq > seq) return undefined
    at += cursor.length
  }
  return undefined
}

/** A chunk of a file that moves forward. Chunks are not used again: messages are views on them. */
class ReadWindow {
  readonly #file: DiskFile
  #chunk = new Chunk(new Uint8Array(0))
  #start = 0

  constructor(file: DiskFile) {
    this.#file = file
  }

  /** A cursor at a file offset with at least `size` bytes behind it; undefined past the end. */
  async at(offset: number, size: number, ahead: number): Promise<RecordCursor | undefined> {
    const isInside = offset >= this.#start && offset + size <= this.#start + this.#chunk.end
    if (!isInside) {
      const chunk = new Chunk(Buffer.allocUnsafeSlow(Math.ceil(Math.max(size, ahead, 512))))
      chunk.end = await readFully(this.#file, chunk.bytes, offset)
      this.#chunk = chunk
      this.#start = offset
      if (chunk.end < size) return undefined
    }
    return new RecordCursor(this.#chunk, offset - this.#start)
  }

  offsetOf(cursor: RecordCursor): number {
    return this.#start + cursor.at
  }
}

async function readFully(file: DiskFile, target: Uint8Array, offset: number): Promise<number> {
  let got = 0
  while (got < target.length) {
    const read = await file.read(target.subarray(got), offset + got)
    if (read === 0) break
    got += read
  }
  return got
}
