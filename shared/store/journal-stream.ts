/**
 * One stream of the journal. What is staged (given a sequence, waiting for its commit) is only
 * counted here; messages become visible in `applyMessage`, when their commit is done.
 */
import { invariant, PetioleError } from '../runtime/index.ts'
import { StreamCompression } from './compression/stream-compression.ts'
import { decodeRuns, runsOf, type SeqRun } from './delete-runs.ts'
import { EvictionLog } from './eviction-log.ts'
import { hasMessageId } from './message-id.ts'
import { onDisk } from './on-disk.ts'
import { carryOut, type Purge, type PurgeHost, seqsOn } from './purge.ts'
import { ReadSide } from './read-side.ts'
import { RECORD_HEADER_BYTES, type RecordCursor, RecordFlag, RecordType } from './record.ts'
import { evictOverLimits } from './retention.ts'
import { checkMessageSize } from './staged-messages.ts'
import { JournalTable } from './state-table.ts'
import {
  definitionDraft,
  deleteDrafts,
  floorDraft,
  type StreamDefinition,
} from './stream-drafts.ts'
import type { RecordPlace, StreamHost } from './stream-host.ts'
import type { StreamIndex } from './stream-index.ts'
import { StreamStage } from './stream-stage.ts'
import type {
  Committed,
  Eviction,
  StreamLimits,
  StreamOptions,
  StreamStore,
} from './stream-store.ts'
import type { RecordDraft } from './writer.ts'

/** Flags of a message that somebody looks for later. */
const NO_BYTES = new Uint8Array(0)
const TRAITS = RecordFlag.identified | RecordFlag.marked | RecordFlag.afterSkip

export class JournalStream extends ReadSide implements StreamStore {
  readonly states: JournalTable
  readonly stage: StreamStage
  readonly compressed: StreamCompression
  configAt: RecordPlace | undefined
  floorAt: RecordPlace | undefined
  /** The last sequence as the newest floor record says it. */
  loggedLastSeq = 0
  /** Messages were deleted or purged since housekeeping last looked. */
  hasShrunk = false
  /** Deleted sequences whose records were not found, kept while damage is looked for. */
  readonly absentDeletes = new Set<number>()
  /** Sequences in front of which some were skipped, kept while damage is looked for. */
  readonly skips = new Set<number>()
  /** Set when it is removed: nothing more may be written. */
  isRemoved = false
  readonly evictions: EvictionLog
  readonly #host: StreamHost
  /** Through which limits per subject are kept; they count for nothing yet when they are new. */
  #limitedThroughSeq = 0
  #areLimitsNew = true
  #stagedDefinition: StreamDefinition | undefined

  constructor(id: number, definition: StreamDefinition, index: StreamIndex, host: StreamHost) {
    super(id, definition, index, host)
    this.#host = host
    index.counted.countBy(definition.limits.overhead)
    this.stage = new StreamStage(index, host.writer)
    this.evictions = new EvictionLog((fn) => host.clock.soon(fn))
    this.states = new JournalTable(id, {
      writer: host.writer,
      clock: host.clock,
      checkOpen: () => this.#checkOpen(),
      syncWithinMs: () => this.syncWithinMs,
    })
    this.compressed = new StreamCompression({
      compressor: host.compressor,
      dictionaryBytes: host.dictionaryBytes,
      states: this.states,
      writeLater: (write, refused) =>
        host.clock.soon(() => host.writer.tryTransaction(write) || refused()),
    })
    this.compressed.isOn = this.compression === 's2'
  }

  get assignedSeq(): number {
    return this.stage.assignedSeq
  }

  append(
    subject: Uint8Array,
    headers: Uint8Array,
    payload: Uint8Array,
    committed?: Committed,
    timeMs?: number,
    isMarked = false,
    isRollUp = false,
    whom?: unknown,
  ): number {
    const length = RECORD_HEADER_BYTES + subject.length + headers.length + payload.length
    const bytes = this.index.counted.of(length, headers.length > 0)
    this.#checkAppend(length, bytes, subject, isRollUp)
    const { stage, limits } = this
    const seq = stage.assignedSeq + 1
    stage.begin()
    stage.assignedSeq = seq
    const isCounted = limits.discard === 'new' && limits.messagesPerSubjectMax > 0
    stage.messages.add(bytes, isCounted ? subject : undefined)
    const body = this.compressed.isOn ? this.compressed.compress(headers, payload) : undefined
    const flags =
      (body === undefined ? 0 : RecordFlag.compressed) |
      (hasMessageId(headers) ? RecordFlag.identified : 0) |
      (isMarked ? RecordFlag.marked : 0) |
      (seq === stage.skippedTo ? RecordFlag.afterSkip : 0)
    this.#host.writer.append(
      {
        type: RecordType.message,
        flags,
        streamId: this.id,
        seq,
        subject,
        headers: body === undefined ? headers : NO_BYTES,
        payload: body ?? payload,
        timeMs,
      },
      committed,
      this.syncWithinMs,
      whom,
    )
    return seq
  }

  rollUp(seq: number, subject: Uint8Array | undefined, staged: readonly number[]): void {
    this.#checkOpen()
    this.#host.writer.check(RECORD_HEADER_BYTES, 'upkeep')
    if (subject === undefined) {
      if (seq - 1 > this.index.floor) this.stageFloor(seq - 1, undefined, 0, true)
      return
    }
    const seqs = seqsOn(this.index, subject, seq - 1)
    for (const one of staged) if (one < seq) seqs.push(one)
    if (seqs.length > 0) this.#stageDeletes(runsOf(seqs), undefined)
  }

  skipTo(seq: number, committed?: Committed): void {
    this.#checkOpen()
    invariant(seq > this.assignedSeq, 'a stream skips forward only')
    this.#host.writer.check(RECORD_HEADER_BYTES, 'upkeep')
    if (seq === this.assignedSeq + 1) {
      this.#host.writer.barrier((error) => committed?.(error, seq))
      return
    }
    this.stage.begin()
    const isEmpty = this.index.messages === 0 && this.assignedSeq === this.index.lastSeq
    this.stage.assignedSeq = seq - 1
    this.stage.skippedTo = seq
    this.stageFloor(isEmpty ? seq - 1 : this.index.floor, committed)
  }

  remove(seq: number, committed?: Committed): boolean {
    if (!this.index.has(seq) || this.stage.deletes.has(seq)) return false
    this.#checkOpen()
    this.#host.writer.check(RECORD_HEADER_BYTES, 'upkeep')
    this.#stageDeletes([[seq, seq]], committed)
    return true
  }

  removeLazily(seq: number): boolean {
    if (this.isRemoved || this.stage.deletes.has(seq)) return false
    try {
      if (!this.index.kill(seq)) return false
    } catch (error) {
      this.#host.absorb(error)
      return false
    }
    this.evictions.kills.push(seq)
    this.hasShrunk = true
    this.#host.evictionsWait(this)
    return true
  }

  async purge(options: Purge, committed?: Committed): Promise<number> {
    this.#checkOpen()
    const throughSeq = Math.min(options.throughSeq ?? this.assignedSeq, this.assignedSeq)
    if (!this.stage.isEmpty) await this.#barrier()
    const host: PurgeHost = {
      index: this.index,
      turns: this.#host.reader,
      checkOpen: () => this.#checkOpen(),
      isStaged: (seq) => this.stage.deletes.has(seq),
      stageFloor: (floor, done) => this.stageFloor(floor, done, 0, true),
      stageDeletes: (seqs, done) => this.#stageDeletes(runsOf(seqs), done),
      barrier: (done) => this.#host.writer.barrier(done),
    }
    return carryOut({ ...options, throughSeq }, host, committed)
  }

  configure(
    config: Uint8Array,
    limits: StreamLimits,
    committed?: Committed,
    options: StreamOptions = {},
  ): void {
    this.#checkOpen()
    this.stageDefinition(
      { ...this.newestDefinition, ...options, config: new Uint8Array(config), limits },
      0,
      committed,
    )
  }

  onEvict(listener: (eviction: Eviction) => void): () => void {
    return this.evictions.listen(listener)
  }

  /** Written twice: without its configuration a stream's messages belong to nobody. */
  stageDefinition(definition: StreamDefinition, flags: number, committed?: Committed): void {
    const draft = definitionDraft(this.id, definition, flags)
    this.#write([draft, draft], (error, seq) => {
      if (this.#stagedDefinition === definition) this.#stagedDefinition = undefined
      committed?.(error, seq)
    })
    const before = this.#stagedDefinition
    this.#stagedDefinition = definition
    this.#host.writer.onUndo(() => {
      this.#stagedDefinition = before
    })
  }

  /** What is written again must not come behind a newer one that is on its way to the disk. */
  get newestDefinition(): StreamDefinition {
    return this.#stagedDefinition ?? this.definition
  }

  stageFloor(floor: number, committed?: Committed, syncWithinMs = 0, isTwice = false): void {
    // What was skipped counts also before its own record is committed: this one replaces that.
    const lastSeq = Math.max(this.index.lastSeq, this.stage.skippedTo - 1)
    const draft = floorDraft(this.id, floor, lastSeq, this.index.lastTimeMs)
    this.stage.purge(floor)
    this.#write(isTwice ? [draft, draft] : [draft], committed, syncWithinMs)
  }

  /** Writes again which records in the file are deleted; nothing about them is new. */
  stageKnownDeletes(runs: readonly SeqRun[], committed?: Committed, syncWithinMs = 0): void {
    this.#write(deleteDrafts(this.id, runs), committed, syncWithinMs)
  }

  /** A message whose commit is done, or that was found at start. Returns false when it counts for nothing. */
  applyMessage(segmentId: number, cursor: RecordCursor, offset: number): boolean {
    const { subjectStart, flags, seq, plainLength: length, hasHeaders } = cursor
    this.stage.messages.committed(this.index.counted.of(length, hasHeaders))
    const isApplied = this.index.add(
      segmentId,
      {
        seq,
        offset,
        length,
        hasHeaders,
        wallMs: cursor.wallMs,
        wrongBoot: (flags & RecordFlag.clockWrong) === 0 ? 0 : cursor.bootRef,
      },
      cursor.chunk.bytes,
      subjectStart,
      subjectStart + cursor.subjectLength,
    )
    if (isApplied && (flags & TRAITS) !== 0) this.#noteTraits(flags, seq)
    this.stage.reached(seq)
    return isApplied
  }

  #noteTraits(flags: number, seq: number): void {
    if ((flags & RecordFlag.identified) !== 0) this.index.noteId()
    if ((flags & RecordFlag.marked) !== 0) this.index.noteMark()
    if ((flags & RecordFlag.afterSkip) !== 0) {
      this.index.noteSkip()
      if (this.#host.isRecovering()) this.skips.add(seq)
    }
  }

  /** Returns the segments whose records were hit. */
  applyDelete(cursor: RecordCursor): Set<number> {
    const targets = new Set<number>()
    for (const [first, last] of decodeRuns(cursor.seq, cursor.payload)) {
      for (let seq = first; seq <= last; seq++) {
        this.stage.deletes.delete(seq)
        const span = this.index.spanOf(seq)
        if (span === undefined) {
          if (this.#host.isRecovering()) this.absentDeletes.add(seq)
          continue
        }
        targets.add(span.segmentId)
        this.index.kill(seq)
        this.hasShrunk = true
      }
    }
    return targets
  }

  applyDefinition(definition: StreamDefinition): void {
    this.definition = definition
    this.index.counted.countBy(definition.limits.overhead)
    this.compressed.isOn = this.compression === 's2'
    this.#areLimitsNew = true
  }

  applyFloor(cursor: RecordCursor): void {
    this.hasShrunk = true
    const view = cursor.chunk.view
    this.restoreFloor(
      cursor.seq,
      view.getFloat64(cursor.payloadStart, true),
      view.getFloat64(cursor.payloadStart + 8, true),
    )
  }

  restoreFloor(floor: number, lastSeq: number, lastTimeMs: number): void {
    if (lastSeq > this.index.lastSeq) this.stage.skipped(lastSeq + 1)
    this.loggedLastSeq = Math.max(this.loggedLastSeq, lastSeq)
    this.index.restoreLast(lastSeq, lastTimeMs)
    this.index.raiseFloor(floor)
    this.stage.reached(this.index.lastSeq)
  }

  /** Keeps the limits; evictions take effect at once and are logged with the next commit. */
  enforceLimits(ageNowMs: number | undefined): void {
    const { index, limits } = this
    const { messages } = index
    const fromSeq = this.#areLimitsNew ? undefined : this.#limitedThroughSeq + 1
    try {
      evictOverLimits(index, limits, ageNowMs, this.evictions, fromSeq)
      this.#areLimitsNew = false
      this.#limitedThroughSeq = index.lastSeq
    } catch (error) {
      this.#host.absorb(error)
    }
    if (index.messages < messages) this.#host.evictionsWait(this)
  }

  noteDamage(firstSeq: number, lastSeq: number, messages: number): void {
    for (let seq = firstSeq; seq <= lastSeq; seq++) {
      this.index.kill(seq)
      this.evictions.kills.push(seq)
    }
    this.evictions.report({ firstSeq, lastSeq, messages, cause: 'damage' })
    this.#host.evictionsWait(this)
  }

  /** Appends what was evicted since the last time to the commit that is being gathered. */
  logEvictions(): void {
    if (this.isRemoved) return
    const { kills, isFloorToLog } = this.evictions.take()
    const retry: Committed = (error) => {
      if (error === undefined) return
      this.evictions.restore(kills, isFloorToLog)
      this.#host.evictionsWait(this)
    }
    const { syncWithinMs } = this
    const runs = runsOf(kills.sort((a, b) => a - b))
    if (isFloorToLog) {
      this.stageFloor(this.index.floor, runs.length === 0 ? retry : undefined, syncWithinMs)
    }
    if (runs.length > 0) this.stageKnownDeletes(runs, retry, syncWithinMs)
  }

  #checkOpen(): void {
    if (!this.isRemoved) return
    throw new PetioleError('PETIOLE_STREAM_REMOVED', `stream ${this.name} was removed`)
  }

  #checkAppend(length: number, bytes: number, subject: Uint8Array, isRollUp: boolean): void {
    this.#checkOpen()
    const { limits } = this
    const messageBytes = length - RECORD_HEADER_BYTES - subject.length
    checkMessageSize(this.name, limits, subject.length, messageBytes)
    this.#host.writer.check(length, 'message')
    this.#host.checkSubjects(this, subject)
    if (limits.discard === 'new') {
      this.stage.messages.checkDiscardNew(this.name, limits, this.index, subject, bytes, isRollUp)
    }
  }

  #stageDeletes(runs: readonly SeqRun[], committed: Committed | undefined): void {
    this.stage.delete(runs)
    // Twice, as a purge: with a damaged record what its owner took away would be there again.
    this.stageKnownDeletes(runs)
    this.stageKnownDeletes(runs, committed)
  }

  #write(drafts: readonly RecordDraft[], committed: Committed | undefined, syncWithinMs = 0): void {
    this.stage.begin()
    for (const [i, draft] of drafts.entries()) {
      this.#host.writer.append(draft, i === drafts.length - 1 ? committed : undefined, syncWithinMs)
    }
  }

  #barrier(): Promise<void> {
    return onDisk((done) => this.#host.writer.barrier(done))
  }
}
