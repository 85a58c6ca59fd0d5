/**
 * One stream of the journal. What is staged (given a sequence, waiting for its commit) is only
 * counted here; messages become visible in `applyMessage`, when their commit is done.
 */
import { type Clock, PetioleError } from '../runtime/index.ts'
import type { SubjectFilter } from '../subject/index.ts'
import { decodeRuns, encodeRuns, runsOf, type SeqRun } from './delete-runs.ts'
import { EvictionLog } from './eviction-log.ts'
import { DELETE_SEQS_MAX, SUBJECT_BYTES_MAX } from './limits.ts'
import { type Purge, seqsToPurge } from './purge.ts'
import { RECORD_HEADER_BYTES, type RecordCursor, RecordFlag, RecordType } from './record.ts'
import { evictOverLimits } from './retention.ts'
import { JournalTable } from './state-table.ts'
import type { StreamIndex } from './stream-index.ts'
import type { StreamReader } from './stream-reader.ts'
import type {
  Committed,
  Eviction,
  MessageId,
  ReadOptions,
  StoredMessage,
  StreamBatch,
  StreamLimits,
  StreamState,
  StreamStore,
} from './stream-store.ts'
import type { Staging, Writer } from './writer.ts'

const NO_BYTES = new Uint8Array(0)

/** Where the record lies that says what is true now, so that its segment carries it along. */
export interface RecordPlace {
  readonly segmentId: number
  readonly offset: number
  readonly length: number
}

export interface StreamHost {
  readonly clock: Clock
  readonly writer: Writer
  readonly reader: StreamReader
  /** Throws when the store knows too many subjects to take new ones. */
  checkSubjects(stream: JournalStream, subject: Uint8Array): void
  /** The stream has evictions that wait to be logged. */
  evictionsWait(stream: JournalStream): void
  /** Whether the directory is still being read, and damage was found in it. */
  isRecovering(): boolean
}

export interface StreamDefinition {
  readonly name: string
  readonly createdMs: number
  readonly limits: StreamLimits
  readonly config: Uint8Array
}

export class JournalStream implements StreamStore, Staging {
  readonly id: number
  readonly index: StreamIndex
  readonly states: JournalTable
  definition: StreamDefinition
  assignedSeq = 0
  configAt: RecordPlace | undefined
  floorAt: RecordPlace | undefined
  /** The last sequence as the newest floor record says it. */
  loggedLastSeq = 0
  /** Deleted sequences whose records were not found, kept while damage is looked for. */
  readonly absentDeletes = new Set<number>()
  /** Set when it is removed: nothing more may be written. */
  isRemoved = false
  readonly evictions: EvictionLog
  readonly #host: StreamHost
  readonly #listeners = new Set<() => void>()
  #stagedMessages = 0
  #stagedBytes = 0
  readonly #stagedSubjects = new Map<string, number>()
  readonly #stagedDeletes = new Set<number>()
  #isStaged = false
  /** Subjects that got messages since limits were last enforced; all of them when the limits are new. */
  readonly #grownSubjects = new Set<number>()
  #areLimitsNew = true

  constructor(id: number, definition: StreamDefinition, index: StreamIndex, host: StreamHost) {
    this.id = id
    this.definition = definition
    this.index = index
    this.#host = host
    this.evictions = new EvictionLog((fn) => host.clock.soon(fn))
    this.states = new JournalTable(id, {
      writer: host.writer,
      clock: host.clock,
      checkOpen: () => this.#checkOpen(),
    })
  }

  get name(): string {
    return this.definition.name
  }
  get createdMs(): number {
    return this.definition.createdMs
  }
  get limits(): StreamLimits {
    return this.definition.limits
  }
  get config(): Uint8Array {
    return this.definition.config
  }

  get state(): StreamState {
    const { index } = this
    const { firstSeq, lastSeq, messages } = index
    return {
      messages,
      bytes: index.bytes,
      firstSeq,
      lastSeq,
      firstTimeMs: index.firstTimeMs,
      lastTimeMs: index.lastTimeMs,
      subjects: index.subjects.size,
      deleted: lastSeq === 0 ? 0 : lastSeq - firstSeq + 1 - messages,
    }
  }

  append(
    subject: Uint8Array,
    headers: Uint8Array,
    payload: Uint8Array,
    committed?: Committed,
    timeMs?: number,
  ): number {
    const length = RECORD_HEADER_BYTES + subject.length + headers.length + payload.length
    this.#checkAppend(length, subject, headers.length + payload.length)
    const seq = this.assignedSeq + 1
    this.#stage()
    this.assignedSeq = seq
    this.#stagedMessages++
    this.#stagedBytes += length
    this.#host.writer.append(
      {
        type: RecordType.message,
        flags: 0,
        streamId: this.id,
        seq,
        subject,
        headers,
        payload,
        timeMs,
      },
      committed,
    )
    return seq
  }

  get(seq: number): Promise<StoredMessage | undefined> {
    return this.#host.reader.get(this, seq)
  }

  read(options: ReadOptions): Promise<StreamBatch> {
    return this.#host.reader.read(this, options)
  }

  /** Messages since then that carry a Nats-Msg-Id, oldest first. */
  recentIds(sinceMs: number): Promise<readonly MessageId[]> {
    return this.#host.reader.recentIds(this, sinceMs)
  }

  lastSeqOf(subject: string): number {
    const bytes = Buffer.from(subject)
    const id = this.index.subjects.find(bytes, 0, bytes.length)
    return id < 0 ? 0 : this.index.lastSeqOf(id)
  }

  subjects(filter: SubjectFilter, subjectsMax: number): Map<string, number> {
    const table = this.index.subjects
    const found = new Map<string, number>()
    for (let id = 0; id < table.idEnd && found.size < subjectsMax; id++) {
      if (table.count(id) === 0) continue
      const bytes = table.bytes(id)
      if (filter.matches(bytes)) found.set(Buffer.from(bytes).toString(), table.count(id))
    }
    return found
  }

  countFrom(fromSeq: number, filter?: SubjectFilter): number {
    return this.index.countFrom(fromSeq, filter)
  }

  async seqAtTime(timeMs: number): Promise<number> {
    let found = this.index.lastSeq + 1
    this.index.walk(0, (span, ordinal) => {
      if (this.index.timeAt({ span, ordinal }) < timeMs) return true
      found = span.seqAt(ordinal)
      return false
    })
    return found
  }

  remove(seq: number, committed?: Committed): boolean {
    if (!this.index.has(seq) || this.#stagedDeletes.has(seq)) return false
    this.#checkOpen()
    this.#host.writer.check(RECORD_HEADER_BYTES, 'upkeep')
    this.#stageDeletes([[seq, seq]], committed)
    return true
  }

  async purge(options: Purge, committed?: Committed): Promise<number> {
    this.#checkOpen()
    const throughSeq = Math.min(options.throughSeq ?? this.assignedSeq, this.assignedSeq)
    if (this.#isStaged) await this.#barrier()
    const { floor, seqs, messages } = seqsToPurge(this.index, { ...options, throughSeq })
    const alreadyStaged = seqs.filter((seq) => this.#stagedDeletes.has(seq)).length
    await new Promise<void>((resolve, reject) => {
      const done: Committed = (error, seq) => {
        committed?.(error, seq)
        if (error === undefined) resolve()
        else reject(error)
      }
      if (floor > this.index.floor) this.stageFloor(floor, done)
      else if (seqs.length > 0) this.#stageDeletes(runsOf(seqs), done)
      else this.#host.writer.barrier(done)
    })
    return messages - alreadyStaged
  }

  configure(config: Uint8Array, limits: StreamLimits, committed?: Committed): void {
    this.#checkOpen()
    this.stageDefinition(
      { ...this.definition, config: new Uint8Array(config), limits },
      0,
      committed,
    )
  }

  onCommit(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  onEvict(listener: (eviction: Eviction) => void): () => void {
    return this.evictions.listen(listener)
  }

  /** Written twice: without its configuration a stream's messages belong to nobody. */
  stageDefinition(definition: StreamDefinition, flags: number, committed?: Committed): void {
    const draft = {
      type: RecordType.stream,
      flags,
      streamId: this.id,
      seq: 0,
      subject: Buffer.from(definition.name),
      headers: Buffer.from(
        JSON.stringify({ createdMs: definition.createdMs, limits: definition.limits }),
      ),
      payload: definition.config,
      timeMs: undefined,
    }
    this.#stage()
    this.#host.writer.append(draft, undefined)
    this.#host.writer.append(draft, committed)
  }

  stageFloor(floor: number, committed?: Committed): void {
    const payload = new Uint8Array(16)
    const view = new DataView(payload.buffer)
    view.setFloat64(0, this.index.lastSeq, true)
    view.setFloat64(8, this.index.lastTimeMs, true)
    this.#write(RecordType.purge, 0, floor, NO_BYTES, payload, committed)
  }

  /** Writes again which records in the file are deleted; nothing about them is new. */
  stageKnownDeletes(runs: readonly SeqRun[], committed?: Committed): void {
    for (let i = 0; i < runs.length; i += DELETE_SEQS_MAX) {
      const part = runs.slice(i, i + DELETE_SEQS_MAX)
      const seq = part[0]?.[0] ?? 0
      const done = i + DELETE_SEQS_MAX >= runs.length ? committed : undefined
      this.#write(RecordType.delete, 0, seq, NO_BYTES, encodeRuns(part), done)
    }
  }

  /** A message whose commit is done, or that was found at start. Returns false when it counts for nothing. */
  applyMessage(segmentId: number, cursor: RecordCursor, offset: number): boolean {
    const { subjectStart, flags, seq } = cursor
    if (seq <= this.assignedSeq && this.#stagedMessages > 0) {
      this.#stagedMessages--
      this.#stagedBytes -= cursor.length
    }
    const isApplied = this.index.add(
      segmentId,
      {
        seq,
        offset,
        length: cursor.length,
        wallMs: cursor.wallMs,
        wrongBoot: (flags & RecordFlag.clockWrong) === 0 ? 0 : cursor.bootRef,
      },
      cursor.chunk.bytes,
      subjectStart,
      subjectStart + cursor.subjectLength,
    )
    if (this.assignedSeq < seq) this.assignedSeq = seq
    if (isApplied && this.limits.messagesPerSubjectMax > 0 && !this.#areLimitsNew) {
      this.#grownSubjects.add(this.index.newestSubjectId)
    }
    return isApplied
  }

  /** Returns the segments whose records were hit. */
  applyDelete(cursor: RecordCursor): Set<number> {
    const targets = new Set<number>()
    for (const [first, last] of decodeRuns(cursor.seq, cursor.payload)) {
      for (let seq = first; seq <= last; seq++) {
        this.#stagedDeletes.delete(seq)
        const span = this.index.spanOf(seq)
        if (span === undefined) {
          if (this.#host.isRecovering()) this.absentDeletes.add(seq)
          continue
        }
        targets.add(span.segmentId)
        this.index.kill(seq)
      }
    }
    return targets
  }

  applyDefinition(definition: StreamDefinition): void {
    this.definition = definition
    this.#areLimitsNew = true
  }

  applyFloor(cursor: RecordCursor): void {
    const view = cursor.chunk.view
    this.restoreFloor(
      cursor.seq,
      view.getFloat64(cursor.payloadStart, true),
      view.getFloat64(cursor.payloadStart + 8, true),
    )
  }

  restoreFloor(floor: number, lastSeq: number, lastTimeMs: number): void {
    this.loggedLastSeq = Math.max(this.loggedLastSeq, lastSeq)
    this.index.restoreLast(lastSeq, lastTimeMs)
    this.index.raiseFloor(floor)
    this.assignedSeq = Math.max(this.assignedSeq, this.index.lastSeq)
  }

  /** Keeps the limits; evictions take effect at once and are logged with the next commit. */
  enforceLimits(ageNowMs: number | undefined): void {
    const { index, limits } = this
    const subjectIds = this.#areLimitsNew ? index.subjects.ids() : this.#grownSubjects
    const isEvicted = evictOverLimits(index, limits, ageNowMs, this.evictions, subjectIds)
    this.#areLimitsNew = false
    this.#grownSubjects.clear()
    if (isEvicted) this.#host.evictionsWait(this)
  }

  noteDamage(firstSeq: number, lastSeq: number, messages: number): void {
    for (let seq = firstSeq; seq <= lastSeq && messages > 0; seq++) {
      if (this.index.kill(seq)) this.evictions.kills.push(seq)
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
    if (isFloorToLog) this.stageFloor(this.index.floor, kills.length === 0 ? retry : undefined)
    if (kills.length > 0) this.stageKnownDeletes(runsOf(kills.sort((a, b) => a - b)), retry)
  }

  notifyCommit(): void {
    for (const listener of this.#listeners) listener()
  }

  unstage(): void {
    this.assignedSeq = this.index.lastSeq
    this.#stagedSubjects.clear()
    this.#stagedDeletes.clear()
    this.settled()
  }

  settled(): void {
    this.#stagedMessages = 0
    this.#stagedBytes = 0
    this.#stagedSubjects.clear()
    this.#isStaged = false
  }

  #checkOpen(): void {
    if (!this.isRemoved) return
    throw new PetioleError('PETIOLE_STREAM_REMOVED', `stream ${this.name} was removed`)
  }

  #checkAppend(length: number, subject: Uint8Array, messageBytes: number): void {
    this.#checkOpen()
    const { limits } = this
    const bytesMax = limits.messageBytesMax
    if (bytesMax > 0 && messageBytes > bytesMax) {
      throw new PetioleError(
        'PETIOLE_MESSAGE_TOO_LARGE',
        `message of ${messageBytes} bytes is larger than the ${bytesMax} that stream ${this.name} takes`,
      )
    }
    if (subject.length > SUBJECT_BYTES_MAX) {
      throw new PetioleError(
        'PETIOLE_MESSAGE_TOO_LARGE',
        `subject of ${subject.length} bytes is longer than ${SUBJECT_BYTES_MAX}`,
      )
    }
    this.#host.writer.check(length, 'message')
    this.#host.checkSubjects(this, subject)
    if (limits.discard === 'new') this.#checkDiscardNew(length, subject)
  }

  /** A message that replaces one of its own subject does not raise the count. */
  #checkDiscardNew(length: number, subject: Uint8Array): void {
    const { limits, index } = this
    let isReplacing = false
    if (limits.messagesPerSubjectMax > 0) {
      const id = index.subjects.find(subject, 0, subject.length)
      const key = Buffer.from(subject).toString('latin1')
      const staged = this.#stagedSubjects.get(key) ?? 0
      isReplacing = (id < 0 ? 0 : index.subjects.count(id)) + staged >= limits.messagesPerSubjectMax
      if (isReplacing && limits.discardNewPerSubject === true) {
        throw this.#fullError(`messages per subject: ${limits.messagesPerSubjectMax}`)
      }
      this.#stagedSubjects.set(key, staged + 1)
    }
    const messages = index.messages + this.#stagedMessages + 1
    if (limits.messagesMax > 0 && messages > limits.messagesMax && !isReplacing) {
      throw this.#fullError(`messages: ${limits.messagesMax}`)
    }
    const bytes = index.bytes + this.#stagedBytes + length
    if (limits.bytesMax > 0 && bytes > limits.bytesMax && !isReplacing) {
      throw this.#fullError(`bytes: ${limits.bytesMax}`)
    }
  }

  #fullError(limit: string): PetioleError {
    return new PetioleError(
      'PETIOLE_STREAM_FULL',
      `stream ${this.name} is at its limit of ${limit}`,
    )
  }

  #stageDeletes(runs: readonly SeqRun[], committed: Committed | undefined): void {
    const seqs: number[] = []
    for (const [first, last] of runs) {
      for (let seq = first; seq <= last; seq++) {
        seqs.push(seq)
        this.#stagedDeletes.add(seq)
      }
    }
    this.#host.writer.onUndo(() => {
      for (const seq of seqs) this.#stagedDeletes.delete(seq)
    })
    this.stageKnownDeletes(runs, committed)
  }

  #write(
    type: RecordType,
    flags: number,
    seq: number,
    subject: Uint8Array,
    payload: Uint8Array,
    committed: Committed | undefined,
  ): void {
    this.#stage()
    this.#host.writer.append(
      {
        type,
        flags,
        streamId: this.id,
        seq,
        subject,
        headers: NO_BYTES,
        payload,
        timeMs: undefined,
      },
      committed,
    )
  }

  #stage(): void {
    const { writer } = this.#host
    if (writer.isInTransaction) {
      const { assignedSeq } = this
      const messages = this.#stagedMessages
      const bytes = this.#stagedBytes
      writer.onUndo(() => {
        this.assignedSeq = assignedSeq
        this.#stagedMessages = messages
        this.#stagedBytes = bytes
      })
    }
    if (this.#isStaged) return
    this.#isStaged = true
    writer.stage(this)
  }

  #barrier(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#host.writer.barrier((error) => (error === undefined ? resolve() : reject(error)))
    })
  }
}
