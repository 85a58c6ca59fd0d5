/**
 * Writes what has gathered: one gather write that is on disk when it is done, while the next commit gathers.
 * Only then records are applied and acknowledged, in order.
 *
 * A batch whose records may all wait for a sync is applied after its write. The next sync of the file,
 * of a batch that needs one or when the time is up, covers it; a file is left only synced, so that
 * nothing of a later one outlives it. Only a commit behind a sync is marked as the begin of one.
 *
 * When the disk is full, the file is cut back to what was committed and everything staged is
 * refused. When a new segment can not be made (too many open files), nothing was written: what is
 * staged is refused, and it is tried again. Any other error of a write or a sync stops the store for
 * good: after a failed sync the kernel may have dropped the pages, and a later sync that succeeds
 * would lie.
 */
import {
  type Cancel,
  type Clock,
  type Disk,
  type DiskFile,
  messageOf,
  type PetioleError,
  type Random,
} from '../runtime/index.ts'
import { applyBatch } from './apply-batch.ts'
import type { Catalog } from './catalog.ts'
import type { Keyring } from './encryption/keyring.ts'
import { markStart, storedChunks } from './encryption/stored-batch.ts'
import { Batch } from './gather.ts'
import type { JournalStream } from './journal-stream.ts'
import { FIRST_PAGE_BYTES, SYNC_WITHIN_MS_MAX } from './limits.ts'
import { createSegment } from './new-segment.ts'
import type { Chunk } from './record.ts'
import { fullError, isOutOfFiles, isOutOfSpace, type Room } from './room.ts'
import type { Segment } from './segment.ts'
import type { SegmentFiles } from './segment-files.ts'
import { SegmentTail } from './segment-tail.ts'
import type { Writer } from './writer.ts'

export interface CommitterEvents {
  /** A commit is done and applied; its callbacks come next. */
  committed(touched: ReadonlySet<JournalStream>): void
  /** A new segment is on disk, or has more than its first page now. */
  begun(): void
  /** A segment will not be written to any more. */
  sealed(segment: Segment): void
  /** The last chance to add records to the commit. */
  gathering(): void
}

export interface CommitterParts {
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  readonly journalDirectory: string
  readonly segmentBytes: number
  readonly earlyCommitBytes: number
  readonly catalog: Catalog
  readonly files: SegmentFiles
  readonly room: Room
  readonly writer: Writer
  readonly keys: Keyring
  readonly events: CommitterEvents
}

interface OpenSegment {
  readonly segment: Segment
  readonly tail: SegmentTail
}

export class Committer {
  commits = 0
  syncs = 0
  bytesWritten = 0
  readonly #parts: CommitterParts
  #segment: Segment | undefined
  #tail: SegmentTail | undefined
  #nextSegmentId = 1
  #isScheduled = false
  #isBeginning = false
  #running: Promise<void> | undefined
  #isStopped = false
  #isRollWanted = false
  /** Somebody wanted a commit since the last one began. */
  #isWoken = false
  #isSyncDue = false
  #syncDueMs = Number.POSITIVE_INFINITY
  #cancelSync: Cancel | undefined

  constructor(parts: CommitterParts) {
    this.#parts = parts
    parts.writer.wake = () => this.wake()
    parts.writer.segmentIdMin = () => this.#segment?.id ?? this.#nextSegmentId
  }

  get currentSegment(): Segment | undefined {
    return this.#segment
  }

  /** Goes on in the last segment of the directory, or in a new one after `lastId`. */
  async resume(
    lastId: number,
    segment: Segment | undefined,
    file: DiskFile | undefined,
  ): Promise<void> {
    this.#nextSegmentId = lastId + 1
    if (segment === undefined || file === undefined) return
    this.#segment = segment
    this.#parts.files.adopt(segment.id, file)
    this.#tail = await SegmentTail.of(file, this.#parts)
  }

  /**
   * What one turn of the loop brings is written together; when it brings much, the disk begins with the first
   * of it, and works while the rest comes.
   */
  wake(): void {
    this.#isWoken = true
    if (this.#running !== undefined || this.#isBeginning || this.#isStopped) return
    if (this.#hasMuch) {
      this.#begin()
    } else if (!this.#isScheduled) {
      this.#schedule()
    }
  }

  /** The current segment is closed with the next commit, although it is not full. */
  rollSoon(): void {
    this.#isRollWanted = true
  }

  /** Resolves when nothing waits any more. */
  async drain(): Promise<void> {
    while (
      !this.#isStopped &&
      (this.#running !== undefined || !this.#parts.writer.gather.isEmpty)
    ) {
      this.wake()
      await (this.#running ?? new Promise<void>((resolve) => this.#parts.clock.soon(resolve)))
    }
  }

  /** What waits is refused; a commit that is under way is still awaited. */
  async stop(error: PetioleError): Promise<void> {
    this.#isStopped = true
    await this.#running
    this.#refuseAll([], error)
    this.#cancelSync?.()
    if (!this.#parts.room.isFailed) await this.#settle()
    await this.#tail?.leave()
  }

  #schedule(): void {
    this.#isScheduled = true
    this.#parts.clock.soon(() => {
      this.#isScheduled = false
      if (this.#running === undefined && !this.#isStopped) this.#begin()
    })
  }

  #begin(): void {
    this.#isWoken = false
    this.#isBeginning = true
    this.#running = this.#commitNext().finally(() => {
      this.#running = undefined
      if (this.#isWoken || !this.#parts.writer.gather.isEmpty) this.wake()
    })
    this.#isBeginning = false
  }

  /** Nobody is called back before the turn is over: when the store is open, what comes first is the write. */
  get #hasMuch(): boolean {
    const { writer, room } = this.#parts
    const isMuch = writer.gather.bytes >= this.#parts.earlyCommitBytes
    return isMuch && !writer.isInTransaction && room.condition.name === 'open'
  }

  async #commitNext(): Promise<void> {
    const { writer, events, room } = this.#parts
    if (!room.isFailed) events.gathering()
    const batch = writer.gather.take() ?? this.#syncOnly()
    if (batch === undefined) return
    if (room.condition.name === 'failed') return this.#refuseAll([batch], room.condition.error)
    room.underWayBytes = batch.bytes
    const isWritten = await (batch.bytes === 0 ? this.#syncFor(batch) : this.#write(batch))
    room.underWayBytes = 0
    if (isWritten) this.#finish(batch)
  }

  /** A batch without records, when what was written before must be synced. */
  #syncOnly(): Batch | undefined {
    if (!this.#isSyncDue) return undefined
    const batch = new Batch()
    batch.syncWithinMs = 0
    return batch
  }

  async #write(batch: Batch): Promise<boolean> {
    const { room, catalog, events } = this.#parts
    const before = this.#segment
    if (before !== undefined && (before.size >= this.#parts.segmentBytes || this.#isRollWanted)) {
      if (!(await this.#settle())) return this.#refuseFailed(batch)
      await this.#leaveSegment(before)
      events.sealed(before)
    }
    const opened = this.#opened ?? (await this.#openSegment(batch))
    if (opened === undefined) return false
    const { segment, tail } = opened
    const { gather } = this.#parts.writer
    markStart(batch, !tail.isDirty)
    const storing = storedChunks(batch, segment, gather, this.#parts.clock)
    const stored = storing instanceof Promise ? await storing : storing
    try {
      if (await tail.write(stored.map(viewOf), segment.size, this.#isUrgent(batch))) this.syncs++
    } catch (error) {
      return this.#refused(batch, segment, tail, error, 'a write failed')
    } finally {
      if (stored !== batch.chunks) for (const chunk of stored) gather.release(chunk)
    }
    room.underWayBytes = 0
    if (!(await this.#syncFor(batch))) return false
    const start = segment.size
    segment.size += batch.bytes
    if (start < FIRST_PAGE_BYTES && segment.size >= FIRST_PAGE_BYTES) events.begun()
    this.bytesWritten += batch.bytes
    catalog.wear.journal += batch.bytes
    this.commits++
    try {
      applyBatch(catalog, segment, batch, start)
    } catch (error) {
      // What it needs to know of subjects on disk cannot be read.
      if (room.isFailed) return this.#refuseFailed(batch)
      throw error
    }
    return true
  }

  /** Syncs now when the batch needs it or the time is up, else later. */
  async #syncFor(batch: Batch): Promise<boolean> {
    if (this.#isUrgent(batch)) return (await this.#settle()) || this.#refuseFailed(batch)
    this.#syncLater(Math.min(batch.syncWithinMs, SYNC_WITHIN_MS_MAX))
    return true
  }

  #isUrgent(batch: Batch): boolean {
    return batch.syncWithinMs === 0 || this.#isSyncDue
  }

  #syncLater(withinMs: number): void {
    const { clock } = this.#parts
    const dueMs = clock.monotonicMs() + withinMs
    if (this.#syncDueMs <= dueMs) return
    this.#cancelSync?.()
    this.#syncDueMs = dueMs
    this.#cancelSync = clock.after(withinMs, () => {
      this.#isSyncDue = true
      this.wake()
    })
  }

  /** Everything written is on disk afterwards; false when the store has failed. */
  async #settle(): Promise<boolean> {
    try {
      if (await this.#tail?.sync()) this.syncs++
    } catch (error) {
      this.#parts.room.fail(error, 'a sync failed')
      return false
    }
    if (this.#parts.room.isFailed) return false
    this.#isSyncDue = false
    this.#syncDueMs = Number.POSITIVE_INFINITY
    this.#cancelSync?.()
    return true
  }

  #refuseFailed(batch: Batch): false {
    this.#refuseAll([batch], failure(this.#parts.room))
    return false
  }

  #finish(batch: Batch): void {
    const { writer, catalog, events } = this.#parts
    for (const chunk of batch.chunks) writer.gather.release(chunk)
    if (writer.gather.isEmpty) writer.settled()
    const touched = catalog.takeTouched()
    events.committed(touched)
    this.#answer(batch, undefined)
    for (const stream of touched) stream.notifyCommit()
  }

  get #opened(): OpenSegment | undefined {
    const [segment, tail] = [this.#segment, this.#tail]
    return segment && tail && { segment, tail }
  }

  /** A new segment to write to; undefined when there is none, and the batch was refused. */
  async #openSegment(batch: Batch): Promise<OpenSegment | undefined> {
    const { catalog, files, room, events } = this.#parts
    const id = this.#nextSegmentId
    const created = await createSegment(id, this.#parts)
    if ('error' in created) {
      const { error, wasCreated } = created
      if (!wasCreated || isOutOfFiles(error)) this.#refuseForNow(batch, error)
      else await this.#refused(batch, undefined, undefined, error, 'a segment could not be begun')
      return undefined
    }
    const { segment, file } = created
    const tail = await SegmentTail.of(file, this.#parts)
    this.#nextSegmentId = id + 1
    this.#segment = segment
    this.#tail = tail
    this.#isRollWanted = false
    room.usedBytes += segment.size
    catalog.wear.journal += segment.size
    catalog.addSegment(segment)
    files.adopt(id, file)
    events.begun()
    return { segment, tail }
  }

  async #leaveSegment(segment: Segment): Promise<void> {
    const tail = this.#tail
    segment.isSealed = true
    this.#parts.files.disown(segment.id)
    this.#segment = undefined
    this.#tail = undefined
    await tail?.leave()
  }

  /** A write that did not succeed: full when the disk says so and the file can be cut back, else the end. */
  async #refused(
    batch: Batch,
    segment: Segment | undefined,
    tail: SegmentTail | undefined,
    error: unknown,
    what: string,
  ): Promise<false> {
    const { room } = this.#parts
    if (!isOutOfSpace(error)) room.fail(error, what)
    else if (segment !== undefined && tail !== undefined) {
      try {
        await tail.cut(segment.size)
      } catch (cutError) {
        room.fail(cutError, 'a write that found no space could not be taken back')
      }
    }
    if (room.isFailed) this.#refuseAll([batch], failure(room))
    else this.#refuseForNow(batch, error)
    return false
  }

  /** Nothing of the batch is on disk and no sync failed: the store takes writes again by itself. */
  #refuseForNow(batch: Batch, error: unknown): void {
    const { room, journalDirectory } = this.#parts
    const isNoSpace = isOutOfSpace(error)
    const reason = isNoSpace
      ? `no space left for ${journalDirectory} (${messageOf(error)}): free some, or purge streams`
      : `no new segment could be made in ${journalDirectory} (${messageOf(error)}): mend that, or allow more open files`
    if (isNoSpace) {
      room.freeBytes = 0
      room.isStarved = room.condition.name === 'full'
    }
    room.becomeFull(reason)
    this.#refuseAll([batch], fullError(reason))
  }

  #refuseAll(batches: readonly Batch[], error: PetioleError): void {
    const { writer } = this.#parts
    const all = [...batches, ...writer.gather.takeAll()]
    writer.unstageAll()
    for (const batch of all) {
      for (const chunk of batch.chunks) writer.gather.release(chunk)
      this.#answer(batch, error)
    }
  }

  /** A callback that finds the store failed keeps no other from being called. */
  #answer({ callbacks, seqs, whom }: Batch, failed: PetioleError | undefined): void {
    for (let i = 0; i < callbacks.length; i++) {
      try {
        callbacks[i]?.(failed, seqs[i] ?? 0, whom[i])
      } catch (error) {
        this.#parts.room.absorb(error)
      }
    }
  }
}

function failure(room: Room): PetioleError {
  return room.condition.name === 'failed' ? room.condition.error : fullError('')
}

function viewOf({ bytes, end }: Chunk): Uint8Array {
  return bytes.subarray(0, end)
}
