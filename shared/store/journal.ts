/** The store itself: ties streams, writer, committer and housekeeping together. */
import { invariant, PetioleError } from '../runtime/index.ts'
import type { Catalog } from './catalog.ts'
import type { Committer } from './committer.ts'
import type { EvictionQueue } from './eviction-queue.ts'
import type { Housekeeping } from './housekeeping.ts'
import type { JournalStream } from './journal-stream.ts'
import { RecordFlag } from './record.ts'
import type { Room } from './room.ts'
import type { SegmentFiles } from './segment-files.ts'
import type { Store, StoreCondition, StoreStats } from './store.ts'
import type {
  Committed,
  StateTable,
  StreamLimits,
  StreamOptions,
  StreamStore,
} from './stream-store.ts'
import type { SubjectSpill } from './subject-spill.ts'
import type { Quarantine } from './upkeep/quarantine.ts'
import type { Scrubber } from './upkeep/scrubber.ts'
import type { Writer } from './writer.ts'

export interface JournalParts {
  readonly directory: string
  readonly catalog: Catalog
  readonly room: Room
  readonly writer: Writer
  readonly committer: Committer
  readonly files: SegmentFiles
  readonly evictions: EvictionQueue
  readonly spill: SubjectSpill
  readonly housekeeping: Housekeeping
  readonly quarantine: Quarantine
  readonly scrubber: Scrubber
  readonly tornBytes: number
  readonly wallMs: () => number
  readonly unlock: () => Promise<void>
}

export class Journal implements Store {
  readonly #parts: JournalParts
  #closed: Promise<void> | undefined

  constructor(parts: JournalParts) {
    this.#parts = parts
  }

  get directory(): string {
    return this.#parts.directory
  }

  get condition(): StoreCondition {
    return this.#parts.room.condition
  }

  get stats(): StoreStats {
    const { committer, catalog, room, tornBytes, quarantine, scrubber } = this.#parts
    return {
      commits: committer.commits,
      syncs: committer.syncs,
      bytesWritten: committer.bytesWritten,
      segments: catalog.segmentCount,
      diskBytes: room.usedBytes,
      savedBytes: catalog.savedBytes,
      freeBytes: room.leftBytes,
      damagedRecords: catalog.damagedRecords,
      mendedFiles: catalog.mendedFiles,
      indexBytesWritten: catalog.wear.indexes,
      rewriteBytesWritten: catalog.wear.rewrites,
      everWritten: catalog.wear.ever,
      scrub: scrubber.stats,
      encryption: this.#parts.housekeeping.rekeying.stats,
      quarantineFiles: quarantine.files,
      quarantineBytes: quarantine.bytes,
      quarantineDroppedBytes: quarantine.droppedBytes,
      tornBytes,
    }
  }

  get streams(): ReadonlyMap<string, StreamStore> {
    return this.#parts.catalog.streams
  }

  get marks(): StateTable {
    return this.#parts.catalog.marks
  }

  createStream(
    name: string,
    config: Uint8Array,
    limits: StreamLimits,
    committed?: Committed,
    options: StreamOptions = {},
  ): StreamStore {
    const { catalog, writer, wallMs } = this.#parts
    if (catalog.streams.has(name)) {
      throw new PetioleError('PETIOLE_STREAM_EXISTS', `the store has a stream ${name} already`)
    }
    writer.check(config.length, 'message')
    const definition = {
      name,
      createdMs: wallMs(),
      limits,
      ...options,
      config: new Uint8Array(config),
    }
    const stream = catalog.makeStream(catalog.lastStreamId + 1, definition)
    const undo = (): void => {
      catalog.streamsById.delete(stream.id)
      if (catalog.streams.get(name) === stream) catalog.streams.delete(name)
      stream.isRemoved = true
    }
    catalog.streams.set(name, stream)
    writer.onUndo(undo)
    stream.stageDefinition(definition, 0, (error, seq) => {
      if (error !== undefined) undo()
      committed?.(error, seq)
    })
    return stream
  }

  removeStream(name: string, committed?: Committed): void {
    const { catalog, writer, housekeeping } = this.#parts
    const stream = catalog.streams.get(name)
    if (stream === undefined) {
      throw new PetioleError('PETIOLE_STREAM_REMOVED', `the store has no stream ${name}`)
    }
    writer.check(0, 'upkeep')
    const undo = (): void => {
      stream.isRemoved = false
      catalog.streams.set(name, stream)
    }
    catalog.streams.delete(name)
    stream.isRemoved = true
    writer.onUndo(undo)
    stream.stageDefinition(stream.definition, RecordFlag.removed, (error, seq) => {
      if (error !== undefined) undo()
      else housekeeping.wake()
      committed?.(error, seq)
    })
  }

  transaction(write: () => void): void {
    this.#parts.writer.transaction(write)
  }

  onUndo(undo: () => void): void {
    this.#parts.writer.onUndo(undo)
  }

  barrier(committed: Committed): void {
    this.#parts.writer.barrier(committed)
  }

  limit(bytesMax: number): void {
    this.#parts.room.limit(bytesMax)
  }

  onCondition(listener: (condition: StoreCondition) => void): () => void {
    return this.#parts.room.onCondition(listener)
  }

  drain(): Promise<void> {
    this.#closed ??= this.#close(true)
    return this.#closed
  }

  destroy(): Promise<void> {
    this.#closed ??= this.#close(false)
    return this.#closed
  }

  async #close(isClean: boolean): Promise<void> {
    const { room, committer, files, housekeeping, directory, unlock } = this.#parts
    await this.#parts.scrubber.destroy()
    await housekeeping.destroy()
    if (isClean && !room.isFailed) {
      await committer.drain()
      this.#markClean()
      await committer.drain()
      await housekeeping.end()
    }
    room.close()
    await committer.stop(
      new PetioleError(
        'PETIOLE_STORE_FAILED',
        `the store ${directory} was closed before the commit`,
      ),
    )
    await files.close()
    this.#parts.spill.close()
    await unlock()
  }

  /**
   * One more commit behind the last: it proves that all before it was synced, so that damage there
   * is never taken for a torn end, and it keeps the last sequence of each stream.
   */
  #markClean(): void {
    const { catalog, writer, evictions } = this.#parts
    const isUnchanged = writer.bootRef === 0 && evictions.isEmpty
    if (isUnchanged || this.condition.name !== 'open') return
    for (const stream of catalog.streams.values()) markLast(catalog, stream)
    writer.repeatBoot()
  }
}

function markLast(catalog: Catalog, stream: JournalStream): void {
  invariant(catalog.streamsById.get(stream.id) === stream, 'a named stream is known by id')
  if (stream.index.lastSeq > stream.loggedLastSeq) stream.stageFloor(stream.index.floor)
}
