/**
 * Records that wait for their commit, encoded into chunks from a pool: a buffer that grows would be
 * copied again and again. A batch becomes one gather write in one segment, so a transaction is never
 * split over two.
 */
import { Chunk, encodeRecord, type RecordFields, RecordFlag, recordLength } from './record.ts'
import type { Committed } from './stream-store.ts'

export class Batch {
  readonly chunks: Chunk[] = []
  /** As it will take them on disk. */
  bytes = 0
  readonly callbacks: Committed[] = []
  readonly seqs: number[] = []
  /** What each callback is to be told besides. */
  readonly whom: unknown[] = []
  /** How long its records may stay without a sync, ms; 0: their callbacks wait for it. */
  syncWithinMs = Number.POSITIVE_INFINITY
}

export interface Savepoint {
  readonly batch: Batch
  readonly chunks: number
  readonly chunkEnd: number
  readonly bytes: number
  readonly callbacks: number
  readonly syncWithinMs: number
}

export interface GatherLimits {
  readonly chunkBytes: number
  readonly chunksPooledMax: number
  readonly commitBytesMax: number
  /** By how much a record is longer on disk than it is here. */
  readonly recordExtra: number
}

export class Gather {
  /** Bytes that wait, over all batches, as they will take them on disk. */
  bytes = 0
  readonly #limits: GatherLimits
  readonly #pool: Chunk[] = []
  #batches: Batch[] = [new Batch()]
  #lastChunk: Chunk | undefined
  #lastAt = 0
  #isGrouping = false

  constructor(limits: GatherLimits) {
    this.#limits = limits
  }

  get isEmpty(): boolean {
    return this.bytes === 0 && this.#current().callbacks.length === 0
  }

  append(
    fields: RecordFields,
    committed: Committed | undefined,
    syncWithinMs: number,
    whom?: unknown,
  ): void {
    const length = recordLength(fields)
    const stored = length + this.#limits.recordExtra
    const batch = this.#batchFor(stored)
    let chunk = batch.chunks[batch.chunks.length - 1]
    if (chunk === undefined || chunk.end + length > chunk.bytes.length) {
      chunk = this.lend(length)
      batch.chunks.push(chunk)
    }
    this.#lastChunk = chunk
    this.#lastAt = chunk.end
    encodeRecord(chunk, fields)
    batch.bytes += stored
    if (syncWithinMs < batch.syncWithinMs) batch.syncWithinMs = syncWithinMs
    this.bytes += stored
    if (committed !== undefined) this.callBack(committed, fields.seq, whom)
  }

  /** Calls back when all that was appended before is on disk. */
  barrier(committed: Committed): void {
    this.#current().syncWithinMs = 0
    this.callBack(committed, 0)
  }

  /** Calls back with the batch that gathers now, after what was appended before. */
  callBack(committed: Committed, seq: number, whom?: unknown): void {
    const { callbacks, seqs, whom: all } = this.#current()
    callbacks.push(committed)
    seqs.push(seq)
    all.push(whom)
  }

  /** All that is appended until `endGroup` or `rollBack` is one atomic group. */
  beginGroup(): Savepoint {
    this.#batchFor(0)
    this.#isGrouping = true
    this.#lastChunk = undefined
    const batch = this.#current()
    return {
      batch,
      chunks: batch.chunks.length,
      chunkEnd: batch.chunks[batch.chunks.length - 1]?.end ?? 0,
      bytes: batch.bytes,
      callbacks: batch.callbacks.length,
      syncWithinMs: batch.syncWithinMs,
    }
  }

  /** Takes back the flag that says that more of the group follows. */
  endGroup(): void {
    this.#isGrouping = false
    if (this.#lastChunk === undefined) return
    const at = this.#lastAt + 9
    const flags = this.#lastChunk.bytes[at] as number
    this.#lastChunk.bytes[at] = flags & ~RecordFlag.more
  }

  rollBack(to: Savepoint): void {
    this.#isGrouping = false
    const { batch } = to
    for (const chunk of batch.chunks.splice(to.chunks)) this.release(chunk)
    const last = batch.chunks[batch.chunks.length - 1]
    if (last !== undefined) last.end = to.chunkEnd
    this.bytes -= batch.bytes - to.bytes
    batch.bytes = to.bytes
    batch.syncWithinMs = to.syncWithinMs
    batch.callbacks.length = to.callbacks
    batch.seqs.length = to.callbacks
    batch.whom.length = to.callbacks
  }

  /** The next batch to write; undefined when nothing waits. */
  take(): Batch | undefined {
    if (this.isEmpty) return undefined
    const batch = this.#batches.shift()
    if (this.#batches.length === 0) this.#batches.push(new Batch())
    if (batch !== undefined) this.bytes -= batch.bytes
    return batch
  }

  /** All batches, when they cannot be written. */
  takeAll(): Batch[] {
    const batches = this.#batches
    this.#batches = [new Batch()]
    this.bytes = 0
    return batches
  }

  /** A chunk of the pool, or a larger one; to be released. */
  lend(length: number): Chunk {
    const { chunkBytes } = this.#limits
    if (length > chunkBytes) return new Chunk(Buffer.allocUnsafeSlow(length))
    return this.#pool.pop() ?? new Chunk(Buffer.allocUnsafeSlow(chunkBytes))
  }

  release(chunk: Chunk): void {
    const { chunkBytes, chunksPooledMax } = this.#limits
    chunk.end = 0
    if (chunk.bytes.length === chunkBytes && this.#pool.length < chunksPooledMax) {
      this.#pool.push(chunk)
    }
  }

  get isGrouping(): boolean {
    return this.#isGrouping
  }

  #current(): Batch {
    return this.#batches[this.#batches.length - 1] as Batch
  }

  #batchFor(length: number): Batch {
    const batch = this.#current()
    if (this.#isGrouping || batch.bytes === 0) return batch
    if (batch.bytes + length <= this.#limits.commitBytesMax) return batch
    const next = new Batch()
    this.#batches.push(next)
    return next
  }
}
