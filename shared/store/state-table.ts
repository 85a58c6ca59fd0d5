/**
 * A durable key/value table. What is committed knows where its record lies (the segment must carry
 * it along when it goes); what is staged lies over it and is what `get` shows.
 */
import { type Clock, PetioleError } from '../runtime/index.ts'
import { SUBJECT_BYTES_MAX } from './limits.ts'
import { RECORD_HEADER_BYTES, type RecordCursor, RecordFlag, RecordType } from './record.ts'
import type { Committed, StateTable } from './stream-store.ts'
import type { Staging, Writer } from './writer.ts'

export interface StateEntry {
  /** undefined: removed, and the removal must outlive older records of the key. */
  readonly value: Uint8Array | undefined
  readonly segmentId: number
  readonly offset: number
  readonly length: number
  /** Older records of the key may lie in the segments from `since` on and before `until` [older-records.ts]. */
  since: number
  until: number
}

interface Staged {
  value: Uint8Array | undefined
  records: number
  /** As that of an entry: what is on disk by then is not known yet. */
  since: number
}

/** What is said of them with a record beside what the table knows. */
interface OlderRecords {
  /** They may lie in this segment, too. */
  readonly since?: number
  /** When that is not the segment where the record comes to lie. */
  readonly until?: number
}

const NO_BYTES = new Uint8Array(0)
const UNTIL_BYTES = 4

/** Keys of the store's own begin so. */
export const OWN_KEY_PREFIX = '\0'

export interface TableParts {
  readonly writer: Writer
  readonly clock: Clock
  /** Throws when nothing may be written for this table any more. */
  readonly checkOpen: () => void
  /** How long a changed state may wait for a sync. */
  readonly syncWithinMs: () => number
}

export class JournalTable implements StateTable, Staging {
  readonly committed = new Map<string, StateEntry>()
  readonly #streamId: number
  readonly #parts: TableParts
  readonly #staged = new Map<string, Staged>()

  /** @param streamId whose table it is, 0 for the store's own */
  constructor(streamId: number, parts: TableParts) {
    this.#streamId = streamId
    this.#parts = parts
  }

  get(key: string): Uint8Array | undefined {
    const staged = this.#staged.get(key)
    return staged === undefined ? this.committed.get(key)?.value : staged.value
  }

  set(key: string, value: Uint8Array, committed?: Committed): void {
    this.#change(key, new Uint8Array(value), committed)
  }

  remove(key: string, committed?: Committed): void {
    this.#change(key, undefined, committed)
  }

  /** But for what the store keeps there for itself. */
  *entries(): IterableIterator<[string, Uint8Array]> {
    for (const [key, { value }] of this.committed) {
      if (value !== undefined && !this.#staged.has(key) && !isOwn(key)) yield [key, value]
    }
    for (const [key, { value }] of this.#staged) {
      if (value !== undefined && !isOwn(key)) yield [key, value]
    }
  }

  /** Writes the key's state, as it is now, into the commit that is being gathered. */
  repeat(key: string): void {
    this.#write(key, this.get(key), undefined)
  }

  /** The same for an entry whose segment goes: older records than this one lie before `until` all the same. */
  carry(key: string, until: number): void {
    this.#write(key, this.get(key), undefined, this.#staged.has(key) ? {} : { until })
  }

  /** The same for a key of which a segment has an older record, and nobody knew that any more. */
  overrule(key: string, segmentId: number): void {
    this.#write(key, this.get(key), undefined, { since: segmentId })
  }

  /** Returns the entry that this one replaces. */
  apply(key: string, entry: StateEntry): StateEntry | undefined {
    const before = this.committed.get(key)
    if (before !== undefined && before.since < entry.since) entry.since = before.since
    this.committed.set(key, entry)
    const staged = this.#staged.get(key)
    if (staged !== undefined && --staged.records === 0) this.#staged.delete(key)
    return before
  }

  unstage(): void {
    this.#staged.clear()
  }

  /** Of the keys whose latest record lies in the segment. */
  entriesIn(segmentId: number): [string, StateEntry][] {
    return [...this.committed].filter(([, entry]) => entry.segmentId === segmentId)
  }

  /** Whether the latest record of some key lies in the segment. */
  isIn(segmentId: number): boolean {
    for (const entry of this.committed.values()) if (entry.segmentId === segmentId) return true
    return false
  }

  moveEntries(moved: (entry: StateEntry) => StateEntry | undefined): void {
    for (const [key, entry] of this.committed) {
      const now = moved(entry)
      if (now !== undefined) this.committed.set(key, now)
    }
  }

  settled(): void {
    this.#staged.clear()
  }

  #change(key: string, value: Uint8Array | undefined, committed: Committed | undefined): void {
    const { writer, clock, checkOpen } = this.#parts
    try {
      checkOpen()
      checkKey(key)
      writer.check(RECORD_HEADER_BYTES + key.length + (value?.length ?? 0), 'upkeep')
    } catch (error) {
      if (!(error instanceof PetioleError)) throw error
      if (writer.isInTransaction) throw error
      clock.soon(() => committed?.(error, 0))
      return
    }
    this.#write(key, value, committed)
  }

  #write(
    key: string,
    value: Uint8Array | undefined,
    committed: Committed | undefined,
    older: OlderRecords = {},
  ): void {
    const { writer } = this.#parts
    const before = this.#staged.get(key)
    const known = before ?? this.committed.get(key)
    const since = Math.min(known?.since ?? writer.segmentIdMin(), older.since ?? Infinity)
    this.#staged.set(key, { value, records: (before?.records ?? 0) + 1, since })
    writer.stage(this)
    writer.onUndo(() => {
      if (before === undefined) this.#staged.delete(key)
      else this.#staged.set(key, before)
    })
    writer.append(
      {
        type: RecordType.state,
        flags: value === undefined ? RecordFlag.removed : 0,
        streamId: this.#streamId,
        seq: since,
        subject: Buffer.from(key),
        headers: older.until === undefined ? NO_BYTES : encodeUntil(older.until),
        payload: value ?? NO_BYTES,
        timeMs: undefined,
      },
      committed,
      this.#parts.syncWithinMs(),
    )
  }
}

function encodeUntil(segmentId: number): Uint8Array {
  const bytes = new Uint8Array(UNTIL_BYTES)
  new DataView(bytes.buffer).setUint32(0, segmentId, true)
  return bytes
}

/** The entry that a record of a state stands for. */
export function entryOf(cursor: RecordCursor, segmentId: number, offset: number): StateEntry {
  const isRemoved = (cursor.flags & RecordFlag.removed) !== 0
  const isCarried = cursor.headersLength === UNTIL_BYTES
  const untilAt = cursor.subjectStart + cursor.subjectLength
  const until = isCarried ? cursor.chunk.view.getUint32(untilAt, true) : segmentId
  return {
    value: isRemoved ? undefined : new Uint8Array(cursor.payload),
    segmentId,
    offset,
    length: cursor.length,
    since: Math.min(cursor.seq, until),
    until,
  }
}

function isOwn(key: string): boolean {
  return key.startsWith(OWN_KEY_PREFIX)
}

function checkKey(key: string): void {
  if (Buffer.byteLength(key) <= SUBJECT_BYTES_MAX) return
  throw new PetioleError(
    'PETIOLE_MESSAGE_TOO_LARGE',
    `state key of ${key.length} characters is longer than ${SUBJECT_BYTES_MAX} bytes`,
  )
}
