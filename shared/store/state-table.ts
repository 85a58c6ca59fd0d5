/**
 * A durable key/value table. What is committed knows where its record lies (the segment must carry
 * it along when it goes); what is staged lies over it and is what `get` shows.
 */
import { type Clock, PetioleError } from '../runtime/index.ts'
import { SUBJECT_BYTES_MAX } from './limits.ts'
import { RECORD_HEADER_BYTES, RecordFlag, RecordType } from './record.ts'
import type { Committed, StateTable } from './stream-store.ts'
import type { Staging, Writer } from './writer.ts'

export interface StateEntry {
  /** undefined: removed, and the removal must outlive older records of the key. */
  readonly value: Uint8Array | undefined
  readonly segmentId: number
  readonly offset: number
  readonly length: number
}

interface Staged {
  value: Uint8Array | undefined
  records: number
}

const NO_BYTES = new Uint8Array(0)

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
  repeat(key: string, committed?: Committed): void {
    this.#write(key, this.get(key), committed)
  }

  /** Returns the entry that this one replaces. */
  apply(key: string, entry: StateEntry): StateEntry | undefined {
    const before = this.committed.get(key)
    this.committed.set(key, entry)
    const staged = this.#staged.get(key)
    if (staged !== undefined && --staged.records === 0) this.#staged.delete(key)
    return before
  }

  unstage(): void {
    this.#staged.clear()
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

  isStaged(key: string): boolean {
    return this.#staged.has(key)
  }

  forget(key: string): void {
    this.committed.delete(key)
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

  #write(key: string, value: Uint8Array | undefined, committed: Committed | undefined): void {
    const { writer } = this.#parts
    const before = this.#staged.get(key)
    this.#staged.set(key, { value, records: (before?.records ?? 0) + 1 })
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
        seq: 0,
        subject: Buffer.from(key),
        headers: NO_BYTES,
        payload: value ?? NO_BYTES,
        timeMs: undefined,
      },
      committed,
      this.#parts.syncWithinMs(),
    )
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
