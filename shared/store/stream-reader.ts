/**
 * Reads messages of one stream out of the interleaved journal. The index says which records are
 * wanted; the nearest sparse entry says where to start; from there the journal is read forward in
 * chunks, and jumped over where the next wanted record is far away. Checksums are checked on the
 * way; a record that does not hold is reported as damage and skipped.
 */
import type { Clock } from '../runtime/index.ts'
import type { SubjectFilter } from '../subject/index.ts'
import type { Catalog } from './catalog.ts'
import {
  COLD_LOOKUPS_MAX,
  COLD_STEP_PAGES,
  PLAN_RECORDS_MAX,
  READ_BYTES,
  READ_SEGMENTS_MAX,
} from './limits.ts'
import { messageIdOf } from './message-id.ts'
import { messageAt, UnpackedMessage } from './read-message.ts'
import type { ReadSide } from './read-side.ts'
import {
  bytesAhead,
  findRecord,
  isDense,
  ReadWindow,
  type RecordRun,
  searchRecord,
} from './read-window.ts'
import { RecentMessages } from './recent-messages.ts'
import { type RecordCursor, RecordFlag } from './record.ts'
import type { Pin, SegmentFiles } from './segment-files.ts'
import type { Span } from './span.ts'
import type { MessageId, ReadOptions, StoredMessage, StreamBatch } from './stream-store.ts'
import type { StreamSubjects } from './stream-subjects.ts'

const ID_BATCH_MESSAGES = 1000
const MARKED_BATCH_MESSAGES = 256
const DENSE_CHECK_RECORDS = 64

interface PinnedRun extends RecordRun {
  readonly pin: Pin
}

interface Plan {
  readonly runs: PinnedRun[]
  readonly nextSeq: number
  /** Ends where enough was looked at, not where enough was found. */
  readonly isCut: boolean
}

export class StreamReader {
  readonly #catalog: Catalog
  readonly #files: SegmentFiles
  readonly #clock: Clock
  readonly #recent: RecentMessages
  /** The last of those who wait for a turn, and for subjects to be gone through for them. */
  #turns: Promise<void> = Promise.resolve()
  #prepared: Promise<void> = Promise.resolve()

  constructor(catalog: Catalog, files: SegmentFiles, clock: Clock) {
    this.#catalog = catalog
    this.#files = files
    this.#clock = clock
    this.#recent = new RecentMessages(catalog, files)
  }

  recent(stream: ReadSide, seq: number): StoredMessage | undefined {
    return this.#recent.get(stream, seq)
  }

  async get(stream: ReadSide, seq: number): Promise<StoredMessage | undefined> {
    const [message] = await this.readAt(stream, [seq])
    return message
  }

  async read(stream: ReadSide, options: ReadOptions): Promise<StreamBatch> {
    const plan = await this.#planInTurns(stream, options)
    const messages: StoredMessage[] = []
    await this.#readRuns(stream, plan.runs, messages)
    return { messages, nextSeq: plan.nextSeq }
  }

  async recentIds(stream: ReadSide, sinceMs: number): Promise<readonly MessageId[]> {
    const ids: MessageId[] = []
    let fromSeq = await stream.seqAtTime(sinceMs)
    for (const span of [...stream.index.spans]) {
      while (span.hasIds && fromSeq <= span.lastSeq) {
        const batch = await this.read(stream, {
          fromSeq: Math.max(fromSeq, span.firstSeq),
          messagesMax: ID_BATCH_MESSAGES,
          bytesMax: READ_BYTES * 4,
        })
        for (const { headers, seq, timeMs } of batch.messages) {
          const id = timeMs < sinceMs ? undefined : messageIdOf(headers)
          if (id !== undefined) ids.push({ id, seq, timeMs })
        }
        fromSeq = batch.nextSeq
      }
    }
    return ids
  }

  async *marked(stream: ReadSide): AsyncIterable<StoredMessage> {
    const { lastSeq } = stream.index
    for (let fromSeq = 1; fromSeq <= lastSeq; ) {
      const seqs = stream.index.markedFrom(fromSeq, MARKED_BATCH_MESSAGES)
      fromSeq = seqs.length === 0 ? lastSeq + 1 : (seqs[seqs.length - 1] as number) + 1
      for (const message of await this.readAt(stream, seqs)) {
        if (message.seq <= lastSeq) yield message
      }
    }
  }

  /** The messages with these rising sequences, those of them that are there. */
  async readAt(stream: ReadSide, seqs: readonly number[]): Promise<StoredMessage[]> {
    const messages: StoredMessage[] = []
    const runs: PinnedRun[] = []
    for (const seq of seqs) {
      const place = stream.index.place(seq)
      if (place === undefined) continue
      const last = runs[runs.length - 1]
      const run = last?.span === place.span ? last : this.#pinRun(place.span)
      if (run !== last) runs.push(run)
      run.ordinals.push(place.ordinal)
    }
    await this.#readRuns(stream, runs, messages)
    return messages
  }

  async #readRuns(
    stream: ReadSide,
    runs: readonly PinnedRun[],
    messages: StoredMessage[],
  ): Promise<void> {
    try {
      for (const run of runs) {
        await this.#readRun(stream, run, await openedWindow(run), messages)
      }
    } finally {
      for (const run of runs) run.pin.release()
    }
  }

  /** As the segment is now; to be released. */
  #pinRun(span: Span): PinnedRun {
    const { id, salt, opening, recordExtra, size } = this.#catalog.segment(span.segmentId)
    const pin = this.#files.pin(id)
    return { span, pin, salt, opening, recordExtra, endOffset: size, ordinals: [] }
  }

  /** Reads the wanted records of one segment, in order, into `messages`. */
  async #readRun(
    stream: ReadSide,
    run: RecordRun,
    window: ReadWindow,
    messages: StoredMessage[],
  ): Promise<void> {
    const { span, ordinals } = run
    let entry = span.entryOf(ordinals[0] as number)
    let offset = 0
    let isRunDense = false
    for (let i = 0; i < ordinals.length; i++) {
      const ordinal = ordinals[i] as number
      entry = span.entryAfter(entry, ordinal)
      offset = Math.max(offset, span.entryOffsets.get(entry))
      const wanted = { streamId: stream.id, seq: span.seqAt(ordinal) }
      let isFound = findRecord(window, offset, wanted)
      // Waiting costs more than all else here, so it is done once per chunk only.
      while (
        isFound === undefined &&
        (await window.load(bytesAhead(run, i, window.wantedOffset)))
      ) {
        isFound = findRecord(window, window.wantedOffset, wanted)
      }
      if (i % DENSE_CHECK_RECORDS === 0) isRunDense = isDense(run, i)
      const isThere = isFound === true && window.isIntact(run.salt, isRunDense)
      const record =
        (isThere ? run.opening.open(window.cursor, window.offset) : undefined) ??
        (await searchRecord(window, span.entryOffsets.get(entry), run, wanted))
      if (record === undefined) {
        // A disk may read tomorrow what it does not today: only upkeep decides that it is gone.
        if (window.unreadable !== undefined) throw window.unreadable
        this.#damaged(stream, span, ordinal)
        offset = 0
        continue
      }
      offset = window.offset + window.cursor.length
      const shiftMs = stream.index.shiftMs(span.entryBoots.get(entry))
      if ((record.flags & RecordFlag.compressed) === 0) messages.push(messageAt(record, shiftMs))
      else {
        const message = compressedMessageAt(stream, record, shiftMs)
        if (message === undefined) this.#damaged(stream, span, ordinal)
        else messages.push(message)
      }
    }
  }

  /** The record cannot be read any more: out of the index, counted and reported. */
  #damaged(stream: ReadSide, span: Span, ordinal: number): void {
    const seq = span.seqAt(ordinal)
    if (stream.index.place(seq)?.span !== span) return
    this.#catalog.noteDamage({ segment: span.segmentId, stream: stream.name, seq }, 1)
    stream.noteDamage(seq, seq, 1)
  }

  /** Others go on in between while nothing is found. */
  async #planInTurns(stream: ReadSide, options: ReadOptions): Promise<Plan> {
    const { filter } = options
    const { index } = stream
    let plan = this.#plan(stream, options, options.fromSeq)
    let isPrepared = false
    while (plan.isCut) {
      const isReady = filter === undefined || index.subjects.isReady(filter)
      if (plan.runs.length > 0 && (isPrepared || isReady)) break
      const fromSeq = plan.runs.length > 0 ? options.fromSeq : plan.nextSeq
      // Whose place in the files was found is found again: they are other files by then.
      for (const run of plan.runs) run.pin.release()
      if (isReady) await this.turn()
      else await this.prepare(index.subjects, filter)
      isPrepared = true
      if (index.subjects.size === 0) {
        return { runs: [], nextSeq: Math.max(index.lastSeq + 1, options.fromSeq), isCut: false }
      }
      plan = this.#plan(stream, options, fromSeq)
    }
    return plan
  }

  /** A step for one reader in each turn of the event loop, however many there are. */
  turn(): Promise<void> {
    this.#turns = this.#turns.then(() => new Promise((resolve) => this.#clock.soon(resolve)))
    return this.#turns
  }

  /** One after the other, lest the filters of many make each other forgotten before any is done. */
  prepare(subjects: StreamSubjects, filter: SubjectFilter): Promise<void> {
    const prepare = async (): Promise<void> => {
      do await this.turn()
      while (!subjects.prepare(filter, COLD_STEP_PAGES))
    }
    this.#prepared = this.#prepared.then(prepare, prepare)
    return this.#prepared
  }

  /** Done in one go, so that the offsets belong to the files as they are now. */
  #plan(stream: ReadSide, options: ReadOptions, fromSeq: number): Plan {
    const { index } = stream
    const { filter } = options
    const isQuick = filter === undefined || index.subjects.isReady(filter)
    let left = isQuick ? PLAN_RECORDS_MAX : COLD_LOOKUPS_MAX
    let isCut = false
    const matches = filter === undefined ? () => true : index.subjects.matcher(filter)
    const runs: PinnedRun[] = []
    let run: PinnedRun | undefined
    let messages = 0
    let bytes = 0
    let nextSeq = index.lastSeq + 1
    index.walk(fromSeq, (span, ordinal) => {
      if (messages >= options.messagesMax || (messages > 0 && bytes >= options.bytesMax)) {
        nextSeq = span.seqAt(ordinal)
        return false
      }
      if (left-- <= 0) {
        isCut = true
        nextSeq = span.seqAt(ordinal)
        return false
      }
      if (!matches(span.subjectIds.get(ordinal))) return true
      if (run === undefined || run.span !== span) {
        if (runs.length === READ_SEGMENTS_MAX) {
          nextSeq = span.seqAt(ordinal)
          return false
        }
        run = this.#pinRun(span)
        runs.push(run)
      }
      run.ordinals.push(ordinal)
      messages++
      bytes += span.lengths.get(ordinal)
      return true
    })
    return { runs, nextSeq: Math.max(nextSeq, options.fromSeq), isCut }
  }
}

/** Who follows a stream gets what has just been committed without waiting for its turn at the disk. */
async function openedWindow({ pin, endOffset }: PinnedRun): Promise<ReadWindow> {
  return new ReadWindow(await pin.file, pin.isWritten ? endOffset : Number.POSITIVE_INFINITY)
}

/** Undefined when the record holds, and what it needs to be read does not. */
function compressedMessageAt(
  stream: ReadSide,
  record: RecordCursor,
  shiftMs: number,
): StoredMessage | undefined {
  const body = stream.compressed.decompress(record.payload)
  if (body === undefined) return undefined
  const { buffer, byteOffset } = record.chunk.bytes
  const subject = new Uint8Array(buffer, byteOffset + record.subjectStart, record.subjectLength)
  return new UnpackedMessage(record.seq, record.wallMs + shiftMs, subject, body)
}
