import type { PetioleError } from '../runtime/index.ts'
import type { SubjectFilter } from '../subject/index.ts'

/**
 * Called once for each record, in the order of the appends: with no error when the record is on
 * disk, else with PETIOLE_STORE_FULL (nothing was kept, may be tried again) or PETIOLE_STORE_FAILED. `whom` is what
 * the append was given for it.
 */
export type Committed = (error: PetioleError | undefined, seq: number, whom?: unknown) => void

/**
 * What a message takes in a stream's `bytes` and against its limit, beside subject, headers and payload: as much
 * as its owner says. What is taken of the disk is another matter, and counted apart.
 */
export interface MessageOverhead {
  readonly always: number
  /** More, where a message has headers. */
  readonly withHeaders: number
}

/** Limits of one stream; 0 means none. The oldest messages make room (`old`) or the write is refused (`new`). */
export interface StreamLimits {
  readonly messagesMax: number
  readonly bytesMax: number
  readonly ageMaxMs: number
  readonly messagesPerSubjectMax: number
  readonly messageBytesMax: number
  readonly discard: 'old' | 'new'
  /**
   * With discard `new`: refuses a message whose subject has its share already. Without it the oldest
   * of the subject makes room whatever `discard` says, as in nats-server.
   */
  readonly discardNewPerSubject?: boolean
  /** undefined: what its record takes beside them. */
  readonly overhead?: MessageOverhead
}

/**
 * When what a stream is given is on disk. `always`: before it is called back. `everyMs`: called back
 * when it is written, and on disk at most so many ms later, or with the next commit that has a record of
 * an `always` stream: a power cut costs such a stream at most its newest messages, acknowledgements
 * and lazy removals of that time. Changes of its configuration, removals and purges are always on disk.
 */
export type SyncPolicy = 'always' | { readonly everyMs: number }

/** Whether the messages that a stream is given from now on are compressed on disk, where that makes them smaller. */
export type Compression = 'none' | 's2'

/** What a stream is made with besides its limits. */
export interface StreamOptions {
  readonly sync?: SyncPolicy
  readonly compression?: Compression
}

/** What is committed; `bytes` counts messages by `StreamLimits.overhead`, before compression and encryption. Sequences are 0 in a stream that never had a message. */
export interface StreamState {
  readonly messages: number
  readonly bytes: number
  /** The first sequence that is stored; `lastSeq + 1` when the stream is empty. */
  readonly firstSeq: number
  readonly lastSeq: number
  readonly firstTimeMs: number
  readonly lastTimeMs: number
  readonly subjects: number
  /** Sequences between first and last that are deleted or damaged. */
  readonly deleted: number
}

/** A message read from disk. The byte fields are views on a chunk that is this message's to keep. */
export interface StoredMessage {
  readonly seq: number
  /** Wall time at which it was stored, ms since the epoch, repaired when the clock was wrong at the time. */
  readonly timeMs: number
  readonly subject: string
  readonly subjectBytes: Uint8Array
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  /** The same bytes; undefined when they lie apart. */
  readonly laidOut?: LaidOut | undefined
}

/**
 * A message as it lies in memory: subject [subjectAt, headersAt), headers up to `payloadAt`, payload up to
 * `end`. Three views for each message are most of what reading takes, so who passes it on goes without.
 */
export interface LaidOut {
  readonly bytes: DataView
  readonly subjectAt: number
  readonly headersAt: number
  readonly payloadAt: number
  readonly end: number
}

export interface MessageId {
  readonly id: string
  readonly seq: number
  readonly timeMs: number
}

export interface ReadOptions {
  readonly fromSeq: number
  readonly messagesMax: number
  /** Stops after the message that passes this many bytes; at least one message is returned. */
  readonly bytesMax: number
  readonly filter?: SubjectFilter
}

export interface StreamBatch {
  readonly messages: readonly StoredMessage[]
  /** Where to read on. Past `lastSeq` when everything up to the end was seen. */
  readonly nextSeq: number
}

/** What left a stream without being asked to by `remove` or `purge`: limits, or damage found on disk. */
export interface Eviction {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly messages: number
  readonly cause: 'age' | 'bytes' | 'messages' | 'subject' | 'damage'
}

/** A durable key/value table in the journal; the last value wins. For consumers, ledger marks, sessions. */
export interface StateTable {
  get(key: string): Uint8Array | undefined
  /** Memory shows the new value at once; `committed` comes when it is on disk. */
  set(key: string, value: Uint8Array, committed?: Committed): void
  remove(key: string, committed?: Committed): void
  entries(): IterableIterator<[string, Uint8Array]>
}

/** What of a stream waits for its commit, as it is at this moment; bytes count as in `StreamState`. */
export interface StagedBytes {
  readonly bytes: number
  /** With what is stored. */
  readonly heldBytes: number
  /** Whether a message on the subject is on its way to the disk. Of streams with discard `new` and a limit per subject. */
  isAwaited(subject: Uint8Array): boolean
  /** Whether the removal of a message that is stored is on its way to the disk. */
  isLeaving(seq: number): boolean
  /** All up to here is leaving, or has left. */
  readonly leavingThrough: number
  /** So much is leaving that it takes long to look around it: it is done with the next commit. */
  readonly isClearing: boolean
  /** Called whenever something will not be stored after all: its commit failed, or its transaction threw. */
  onTakenBack(listener: () => void): () => void
}

/** One stream's messages in the commit journal. Everything it shows is committed, unless said otherwise. */
export interface StreamStore {
  /** The key given to `Store.createStream`; opaque to the store. */
  readonly name: string
  readonly createdMs: number
  readonly limits: StreamLimits
  readonly sync: SyncPolicy
  readonly compression: Compression
  /** The owner's configuration, as last written with `configure`. */
  readonly config: Uint8Array
  readonly state: StreamState
  /** The last sequence given out, committed or not. The next append gets the one after it. */
  readonly assignedSeq: number
  /** That of `state`, without all the rest of it. */
  readonly lastSeq: number
  readonly stage: StagedBytes
  readonly states: StateTable

  /**
   * Appends to the commit that is being gathered and returns the sequence. Copies its arguments.
   * Throws PETIOLE_STORE_BUSY (too much waits for the disk), PETIOLE_STORE_FULL, PETIOLE_STORE_FAILED
   * (see Store.condition), PETIOLE_STREAM_FULL
   * (discard `new`) or PETIOLE_MESSAGE_TOO_LARGE; then nothing was appended.
   * @param timeMs keeps a message's original time (mirrors, synced records); else the store's clock is used.
   * @param isMarked lets `marked` find it: for what has a time of its own, such as a TTL or a schedule
   * @param isRollUp its subject may be full: `rollUp` is called next, in the same transaction
   * @param whom what `committed` gets, so that one function does for many messages
   */
  append(
    subject: Uint8Array,
    headers: Uint8Array,
    payload: Uint8Array,
    committed?: Committed,
    timeMs?: number,
    isMarked?: boolean,
    isRollUp?: boolean,
    whom?: unknown,
  ): number
  /**
   * Removes all before `seq`, which was appended last, that is on `subject` (no wildcards), or all
   * before it when that is undefined: with the commit that gathers, and inside a transaction with all
   * of that. `staged` are the sequences on the subject that have no commit yet.
   */
  rollUp(seq: number, subject: Uint8Array | undefined, staged: readonly number[]): void
  /**
   * The next append gets `seq`; all between the last one and it are gone, as if they had been deleted.
   * A stream without messages then has `firstSeq === seq`. `seq` must be above `assignedSeq`.
   */
  skipTo(seq: number, committed?: Committed): void
  /**
   * The message, when it can be had in this turn; its bytes are views until the next call. Undefined says nothing:
   * `get` knows.
   */
  recent(seq: number): StoredMessage | undefined
  get(seq: number): Promise<StoredMessage | undefined>
  read(options: ReadOptions): Promise<StreamBatch>
  /** The messages with these rising sequences, those of them that are there. */
  readAt(seqs: readonly number[]): Promise<readonly StoredMessage[]>
  /** Messages since `sinceMs` that carry a Nats-Msg-Id, oldest first: for deduplication after a start. */
  recentIds(sinceMs: number): Promise<readonly MessageId[]>
  /** The live messages that were appended with `isMarked`, oldest first; reads nothing else. */
  marked(): AsyncIterable<StoredMessage>
  /** The last sequence stored on a subject (no wildcards), 0 when there is none. In memory. */
  lastSeqOf(subject: string): number
  /** The newest sequence up to and with `throughSeq` (default: all) on a subject that matches, 0 when there is none. In memory. */
  lastSeqMatching(filter: SubjectFilter, throughSeq?: number): number
  /** The first sequence from `fromSeq` on on a subject that matches, 0 when there is none. In memory. */
  firstSeqMatching(filter: SubjectFilter, fromSeq: number): number
  /**
   * The newest sequence, up to and with `throughSeq`, of each subject that matches one of the filters,
   * rising; undefined when there are more than `max`. Others go on in between: a subject that gets a newer
   * message meanwhile has its newest up to `throughSeq`, when that is still there.
   */
  lastSeqsInTurns(
    filters: readonly SubjectFilter[],
    options: { readonly throughSeq: number; readonly max: number },
  ): Promise<readonly number[] | undefined>
  /** All subjects that match, with their message counts; what comes or goes meanwhile may be among them or not. */
  subjectsInTurns(filter: SubjectFilter): Promise<Map<string, number>>
  /** Subjects that match, with their message counts, in an order that stays; at most `subjectsMax`. */
  subjects(filter: SubjectFilter, subjectsMax: number): Map<string, number>
  /** Messages from `fromSeq` on that match. Exact; may read indexes, never message data, when the filter is '>'. */
  countFrom(fromSeq: number, filter?: SubjectFilter): number
  /** The first sequence whose time is not before `timeMs`; `lastSeq + 1` when there is none. */
  seqAtTime(timeMs: number): Promise<number>
  /** What a message was stored on; undefined when it is not there. In memory. */
  subjectOf(seq: number): string | undefined
  /** The same as a view, until something is stored or removed. */
  subjectBytesOf(seq: number): Uint8Array | undefined
  /** Whether a message is there, committed. In memory. */
  has(seq: number): boolean
  /** Returns false when the sequence is not there. */
  remove(seq: number, committed?: Committed): boolean
  /**
   * Removes it from sight at once, and on disk with the next commit, whoever makes it: any number of them
   * is one record, at most a second later, and not later than the next barrier. For expiry, and for what
   * consumers have acknowledged: after a crash the newest may be back, and are to be removed again by who
   * knows that they are due. Not part of a transaction.
   */
  removeLazily(seq: number): boolean
  /**
   * Removes messages up to and with `throughSeq` that match `filter`, leaving the newest `keep` of
   * them; returns how many go. Without a filter this is O(segments).
   */
  purge(
    options: {
      readonly throughSeq?: number
      readonly filter?: SubjectFilter
      readonly keep?: number
    },
    committed?: Committed,
  ): Promise<number>
  /** What `options` does not name stays as it is. */
  configure(
    config: Uint8Array,
    limits: StreamLimits,
    committed?: Committed,
    options?: StreamOptions,
  ): void
  /** Called after each commit that changed this stream, with the state already up to date. */
  onCommit(listener: () => void): () => void
  onEvict(listener: (eviction: Eviction) => void): () => void
}
