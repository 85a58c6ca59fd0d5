/**
 * A Store that keeps everything in memory, with commits the test decides on. What is appended is
 * staged; `commit` applies it and calls back, `failCommit` drops it with an error, `restarted` gives
 * the store that a new process would find: only what was committed.
 */
import { PetioleError } from '../../shared/runtime/index.ts'
import type {
  Committed,
  Compression,
  Eviction,
  MessageId,
  ReadOptions,
  StagedBytes,
  StateTable,
  Store,
  StoreCondition,
  StoredMessage,
  StoreStats,
  StreamBatch,
  StreamLimits,
  StreamOptions,
  StreamState,
  StreamStore,
  SyncPolicy,
} from '../../shared/store/index.ts'
import type { SubjectFilter } from '../../shared/subject/index.ts'

interface Staged {
  apply(): void
  undo(): void
  readonly committed: Committed | undefined
  readonly whom?: unknown
  readonly seq: number
}

export class MemoryStore implements Store {
  readonly directory = 'memory'
  condition: StoreCondition = { name: 'open' }
  readonly stats: StoreStats = {
    commits: 0,
    syncs: 0,
    bytesWritten: 0,
    indexBytesWritten: 0,
    rewriteBytesWritten: 0,
    everWritten: { journal: 0, all: 0 },
    scrub: { passes: 0, bytes: 0, lastPassMs: 0 },
    quarantineFiles: 0,
    quarantineBytes: 0,
    quarantineDroppedBytes: 0,
    segments: 0,
    diskBytes: 0,
    savedBytes: 0,
    damagedRecords: 0,
    mendedFiles: 0,
    freeBytes: Number.POSITIVE_INFINITY,
    tornBytes: 0,
    encryption: undefined,
  }
  readonly #streams = new Map<string, MemoryStream>()
  readonly marks: StateTable
  readonly wallMs: () => number
  /** Commits by itself at the end of the turn. */
  isAuto = true
  /** How many commits there were. */
  commits = 0
  waiting: Staged[] = []
  #isScheduled = false
  #undo: (() => void)[] | undefined

  constructor(wallMs: () => number) {
    this.wallMs = wallMs
    this.marks = new MemoryTable(this)
  }

  get streams(): ReadonlyMap<string, StreamStore> {
    return this.#streams
  }

  /** Memory has no quota. */
  limit(): void {}

  createStream(
    name: string,
    config: Uint8Array,
    limits: StreamLimits,
    committed?: Committed,
    { sync = 'always', compression = 'none' }: StreamOptions = {},
  ): StreamStore {
    const stream = new MemoryStream(this, name, config, limits)
    stream.sync = sync
    stream.compression = compression
    this.#streams.set(name, stream)
    this.stage({ apply: () => {}, undo: () => void this.#streams.delete(name), committed, seq: 0 })
    return stream
  }

  removeStream(name: string, committed?: Committed): void {
    const stream = this.#streams.get(name)
    this.#streams.delete(name)
    const undo = (): void => void (stream && this.#streams.set(name, stream))
    this.stage({ apply: () => {}, undo, committed, seq: 0 })
  }

  /** One within another is part of it, as in the journal. */
  transaction(write: () => void): void {
    if (this.#undo !== undefined) {
      write()
      return
    }
    const before = this.waiting.length
    this.#undo = []
    try {
      write()
    } catch (error) {
      for (const undo of this.#undo.reverse()) undo()
      for (const staged of this.waiting.splice(before).reverse()) staged.undo()
      throw error
    } finally {
      this.#undo = undefined
    }
  }

  onUndo(undo: () => void): void {
    this.#undo?.push(undo)
  }

  barrier(committed: Committed): void {
    this.stage({ apply: () => {}, undo: () => {}, committed, seq: 0 })
  }

  onCondition(): () => void {
    return () => {}
  }

  async drain(): Promise<void> {
    this.commit()
  }

  async destroy(): Promise<void> {
    this.waiting = []
  }

  stage(staged: Staged): void {
    this.waiting.push(staged)
    if (!this.isAuto || this.#isScheduled) return
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      if (this.isAuto) this.commit()
    })
  }

  /** @param count what came behind these goes on waiting, as for the next batch */
  commit(count = Number.POSITIVE_INFINITY): void {
    const gathered = this.waiting.splice(0, count)
    this.commits++
    for (const staged of gathered) staged.apply()
    for (const staged of gathered) staged.committed?.(undefined, staged.seq, staged.whom)
    for (const stream of this.#streams.values()) stream.tellCommit()
  }

  failCommit(): void {
    const gathered = this.waiting
    this.waiting = []
    const error = new PetioleError('PETIOLE_STORE_FULL', 'no room')
    for (const staged of [...gathered].reverse()) staged.undo()
    for (const staged of gathered) staged.committed?.(error, staged.seq, staged.whom)
  }

  /** What a new process finds after this one was killed. */
  restarted(): MemoryStore {
    const store = new MemoryStore(this.wallMs)
    for (const [name, stream] of this.#streams) store.#streams.set(name, stream.restarted(store))
    return store
  }
}

class MemoryTable implements StateTable {
  readonly committed = new Map<string, Uint8Array>()
  readonly #shown = new Map<string, Uint8Array>()
  readonly #store: MemoryStore
  writes = 0

  constructor(store: MemoryStore, committed: ReadonlyMap<string, Uint8Array> = new Map()) {
    this.#store = store
    for (const [key, value] of committed) {
      this.committed.set(key, value)
      this.#shown.set(key, value)
    }
  }

  get(key: string): Uint8Array | undefined {
    return this.#shown.get(key)
  }

  set(key: string, value: Uint8Array, committed?: Committed): void {
    const before = this.#shown.get(key)
    this.#shown.set(key, value)
    this.writes++
    this.#store.stage({
      apply: () => this.committed.set(key, value),
      undo: () => (before ? this.#shown.set(key, before) : this.#shown.delete(key)),
      committed,
      seq: 0,
    })
  }

  remove(key: string, committed?: Committed): void {
    const before = this.#shown.get(key)
    this.#shown.delete(key)
    const apply = (): unknown => this.committed.delete(key)
    const undo = (): unknown => before && this.#shown.set(key, before)
    this.#store.stage({ apply, undo, committed, seq: 0 })
  }

  entries(): IterableIterator<[string, Uint8Array]> {
    return this.#shown.entries()
  }
}

export class MemoryStream implements StreamStore {
  readonly name: string
  createdMs: number
  limits: StreamLimits
  sync: SyncPolicy = 'always'
  compression: Compression = 'none'
  config: Uint8Array
  assignedSeq = 0
  readonly states: MemoryTable
  readonly #store: MemoryStore
  #messages = new Map<number, StoredMessage>()
  #bytes = 0
  readonly #marks = new Set<number>()
  #lastSeq = 0
  #hasChanged = false
  readonly #commitListeners = new Set<() => void>()
  readonly #leaving = new Set<number>()
  /** By subject, how many wait for their commit. */
  readonly #awaited = new Map<string, number>()
  readonly #takenBackListeners = new Set<() => void>()
  readonly stage: { bytes: number } & StagedBytes
  readonly #evictListeners = new Set<(eviction: Eviction) => void>()

  constructor(
    store: MemoryStore,
    name: string,
    config: Uint8Array,
    limits: StreamLimits,
    states?: ReadonlyMap<string, Uint8Array>,
  ) {
    this.#store = store
    this.name = name
    this.createdMs = store.wallMs()
    this.config = config
    this.limits = limits
    this.states = new MemoryTable(store, states)
    const storedBytes = (): number => this.#bytes
    this.stage = {
      bytes: 0,
      get heldBytes() {
        return storedBytes() + this.bytes
      },
      isAwaited: (subject) => this.#awaited.has(Buffer.from(subject).toString()),
      isLeaving: (seq) => this.#leaving.has(seq),
      leavingThrough: 0,
      isClearing: false,
      onTakenBack: (listener) => {
        this.#takenBackListeners.add(listener)
        return () => this.#takenBackListeners.delete(listener)
      },
    }
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  get state(): StreamState {
    const messages = [...this.#messages.values()]
    const first = messages[0]
    return {
      messages: messages.length,
      bytes: this.#bytes,
      firstSeq: first?.seq ?? (this.#lastSeq === 0 ? 0 : this.#lastSeq + 1),
      lastSeq: this.#lastSeq,
      firstTimeMs: first?.timeMs ?? 0,
      lastTimeMs: messages.at(-1)?.timeMs ?? 0,
      subjects: new Set(messages.map(({ subject }) => subject)).size,
      deleted: first === undefined ? 0 : this.#lastSeq - first.seq + 1 - messages.length,
    }
  }

  append(
    subjectBytes: Uint8Array,
    headers: Uint8Array,
    payload: Uint8Array,
    committed?: Committed,
    timeMs = this.#store.wallMs(),
    isMarked = false,
    _isRollUp = false,
    whom?: unknown,
  ): number {
    const { messagesMax, discard } = this.limits
    if (discard === 'new' && messagesMax > 0 && this.#messages.size >= messagesMax) {
      throw new PetioleError('PETIOLE_STREAM_FULL', 'the stream is full')
    }
    const before = this.assignedSeq
    const seq = ++this.assignedSeq
    const message: StoredMessage = {
      seq,
      timeMs,
      subject: Buffer.from(subjectBytes).toString(),
      subjectBytes: subjectBytes.slice(),
      headers: headers.slice(),
      payload: payload.slice(),
    }
    const apply = (): void => {
      this.stage.bytes -= payload.length
      this.#await(message.subject, -1)
      if (isMarked) this.#marks.add(seq)
      this.#insert(message)
    }
    const undo = (): void => {
      this.assignedSeq = before
      this.stage.bytes -= payload.length
      this.#await(message.subject, -1)
      for (const listener of this.#takenBackListeners) listener()
    }
    this.stage.bytes += payload.length
    this.#await(message.subject, 1)
    this.#store.stage({ apply, undo, committed, seq, whom })
    return seq
  }

  rollUp(seq: number, subject: Uint8Array | undefined): void {
    const text = subject === undefined ? undefined : Buffer.from(subject).toString()
    const apply = (): void => {
      for (const message of [...this.#messages.values()]) {
        if (message.seq < seq && (text === undefined || message.subject === text)) {
          this.#drop(message.seq)
        }
      }
    }
    this.#store.stage({ apply, undo: () => {}, committed: undefined, seq: 0 })
  }

  subjectOf(seq: number): string | undefined {
    return this.#messages.get(seq)?.subject
  }

  subjectBytesOf(seq: number): Uint8Array | undefined {
    const subject = this.subjectOf(seq)
    return subject === undefined ? undefined : Buffer.from(subject)
  }

  has(seq: number): boolean {
    return this.#messages.has(seq)
  }

  skipTo(seq: number, committed?: Committed): void {
    const before = this.assignedSeq
    if (seq <= before) throw new Error('a stream skips forward only')
    this.assignedSeq = seq - 1
    const apply = (): void => {
      this.#lastSeq = seq - 1
    }
    const undo = (): void => {
      this.assignedSeq = before
    }
    this.#store.stage({ apply, undo, committed, seq })
  }

  async *marked(): AsyncIterable<StoredMessage> {
    for (const message of [...this.#messages.values()]) {
      if (this.#marks.has(message.seq)) yield message
    }
  }

  recent(seq: number): StoredMessage | undefined {
    return this.#messages.get(seq)
  }

  async get(seq: number): Promise<StoredMessage | undefined> {
    return this.#messages.get(seq)
  }

  async read({ fromSeq, messagesMax, filter }: ReadOptions): Promise<StreamBatch> {
    const messages: StoredMessage[] = []
    for (const message of this.#messages.values()) {
      if (message.seq < fromSeq || filter?.matches(message.subjectBytes) === false) continue
      if (messages.length === messagesMax) return { messages, nextSeq: message.seq }
      messages.push(message)
    }
    return { messages, nextSeq: this.#lastSeq + 1 }
  }

  async recentIds(sinceMs: number): Promise<readonly MessageId[]> {
    const found: MessageId[] = []
    for (const { headers, seq, timeMs } of this.#messages.values()) {
      const id = /\nNats-Msg-Id: (.*)\r\n/.exec(Buffer.from(headers).toString())?.[1]
      if (timeMs >= sinceMs && id !== undefined) found.push({ id, seq, timeMs })
    }
    return found
  }

  lastSeqOf(subject: string): number {
    let last = 0
    for (const message of this.#messages.values()) {
      if (message.subject === subject) last = message.seq
    }
    return last
  }

  lastSeqMatching(filter: SubjectFilter, throughSeq = this.#lastSeq): number {
    return this.#lastSeqs([filter], throughSeq).at(-1) ?? 0
  }

  firstSeqMatching(filter: SubjectFilter, fromSeq: number): number {
    for (const { seq, subjectBytes } of this.#messages.values()) {
      if (seq >= fromSeq && filter.matches(subjectBytes)) return seq
    }
    return 0
  }

  async lastSeqsInTurns(
    filters: readonly SubjectFilter[],
    { throughSeq, max }: { readonly throughSeq: number; readonly max: number },
  ): Promise<readonly number[] | undefined> {
    const seqs = this.#lastSeqs(filters, throughSeq)
    return seqs.length > max ? undefined : seqs
  }

  #lastSeqs(filters: readonly SubjectFilter[], throughSeq: number): readonly number[] {
    const last = new Map<string, number>()
    for (const { seq, subject, subjectBytes } of this.#messages.values()) {
      const isMatch = filters.some((filter) => filter.matches(subjectBytes))
      if (isMatch && seq <= throughSeq) last.set(subject, seq)
    }
    return [...last.values()].sort((a, b) => a - b)
  }

  async subjectsInTurns(filter: SubjectFilter): Promise<Map<string, number>> {
    return this.subjects(filter, Infinity)
  }

  async readAt(seqs: readonly number[]): Promise<readonly StoredMessage[]> {
    return seqs.flatMap((seq) => this.#messages.get(seq) ?? [])
  }

  subjects(filter: SubjectFilter, subjectsMax: number): Map<string, number> {
    const found = new Map<string, number>()
    for (const { subject, subjectBytes } of this.#messages.values()) {
      if (!filter.matches(subjectBytes)) continue
      if (found.has(subject) || found.size < subjectsMax) {
        found.set(subject, (found.get(subject) ?? 0) + 1)
      }
    }
    return found
  }

  countFrom(fromSeq: number, filter?: SubjectFilter): number {
    let count = 0
    for (const { seq, subjectBytes } of this.#messages.values()) {
      if (seq >= fromSeq && filter?.matches(subjectBytes) !== false) count++
    }
    return count
  }

  async seqAtTime(timeMs: number): Promise<number> {
    for (const message of this.#messages.values()) if (message.timeMs >= timeMs) return message.seq
    return this.#lastSeq + 1
  }

  remove(seq: number, committed?: Committed): boolean {
    if (!this.#messages.has(seq)) return false
    this.#leaving.add(seq)
    const undo = (): unknown => this.#leaving.delete(seq)
    const apply = (): void => {
      undo()
      this.#drop(seq)
    }
    this.#store.stage({ apply, undo, committed, seq })
    return true
  }

  removeLazily(seq: number): boolean {
    const isThere = this.#messages.has(seq)
    if (isThere) this.#drop(seq)
    return isThere
  }

  async purge(
    options: { throughSeq?: number; filter?: SubjectFilter; keep?: number },
    committed?: Committed,
  ): Promise<number> {
    const { throughSeq = this.#lastSeq, filter, keep = 0 } = options
    const matching = [...this.#messages.values()].filter(
      ({ seq, subjectBytes }) => seq <= throughSeq && filter?.matches(subjectBytes) !== false,
    )
    const gone = matching.slice(0, Math.max(0, matching.length - keep))
    for (const { seq } of gone) this.#drop(seq)
    this.#store.stage({ apply: () => {}, undo: () => {}, committed, seq: 0 })
    return gone.length
  }

  configure(
    config: Uint8Array,
    limits: StreamLimits,
    committed?: Committed,
    { sync = this.sync, compression = this.compression }: StreamOptions = {},
  ): void {
    const apply = (): void => {
      this.sync = sync
      this.compression = compression
      this.config = config
      this.limits = limits
      this.#enforceLimits(new Set([...this.#messages.values()].map(({ subject }) => subject)))
    }
    this.#store.stage({ apply, undo: () => {}, committed, seq: 0 })
  }

  onCommit(listener: () => void): () => void {
    this.#commitListeners.add(listener)
    return () => this.#commitListeners.delete(listener)
  }

  onEvict(listener: (eviction: Eviction) => void): () => void {
    this.#evictListeners.add(listener)
    return () => this.#evictListeners.delete(listener)
  }

  tellCommit(): void {
    if (!this.#hasChanged) return
    this.#hasChanged = false
    for (const listener of this.#commitListeners) listener()
  }

  restarted(store: MemoryStore): MemoryStream {
    const stream = new MemoryStream(
      store,
      this.name,
      this.config,
      this.limits,
      this.states.committed,
    )
    stream.#messages = new Map(this.#messages)
    stream.#bytes = this.#bytes
    stream.createdMs = this.createdMs
    stream.#lastSeq = this.#lastSeq
    stream.assignedSeq = this.#lastSeq
    stream.sync = this.sync
    stream.compression = this.compression
    for (const seq of this.#marks) stream.#marks.add(seq)
    return stream
  }

  #insert(message: StoredMessage): void {
    this.#messages.set(message.seq, message)
    this.#bytes += message.payload.length
    this.#lastSeq = message.seq
    this.#hasChanged = true
    this.#enforceLimits([message.subject])
  }

  #enforceLimits(grown: Iterable<string>): void {
    const { messagesPerSubjectMax, messagesMax } = this.limits
    for (const subject of messagesPerSubjectMax > 0 ? grown : []) {
      const same = [...this.#messages.values()].filter((message) => message.subject === subject)
      const surplus = Math.max(0, same.length - messagesPerSubjectMax)
      for (const { seq } of same.slice(0, surplus)) this.#evict(seq, 'subject')
    }
    if (messagesMax <= 0) return
    const surplus = Math.max(0, this.#messages.size - messagesMax)
    for (const seq of [...this.#messages.keys()].slice(0, surplus)) this.#evict(seq, 'messages')
  }

  #evict(seq: number, cause: Eviction['cause']): void {
    this.#drop(seq)
    for (const listener of this.#evictListeners) {
      listener({ firstSeq: seq, lastSeq: seq, messages: 1, cause })
    }
  }

  #await(subject: string, more: number): void {
    const count = (this.#awaited.get(subject) ?? 0) + more
    if (count > 0) this.#awaited.set(subject, count)
    else this.#awaited.delete(subject)
  }

  #drop(seq: number): void {
    const message = this.#messages.get(seq)
    if (message === undefined) return
    this.#messages.delete(seq)
    this.#bytes -= message.payload.length
    this.#hasChanged = true
  }
}
