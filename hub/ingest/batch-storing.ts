import type { Subscription } from '../../shared/broker/index.ts'
import type { NatsClient } from '../../shared/client/index.ts'
import { codeOf, messageOf, PetioleError } from '../../shared/runtime/index.ts'
import type { Committed, Store } from '../../shared/store/index.ts'
import {
  fingerprint,
  type LedgerEntry,
  OriginHeaders,
  type ReceivedBatch,
  settle,
} from '../../shared/sync/index.ts'
import { type KnownSubject, KnownSubjects } from './known-subjects.ts'
import type { LedgerAccount, LedgerBook } from './ledger-book.ts'
import type { Publisher } from './publishers.ts'

/** What ingest needs of a stream; `Stream` of the embedded engine fits. */
export interface IngestStream {
  append(subject: KnownSubject, headers: Uint8Array, payload: Uint8Array): number
}

/** Which stream binds a subject; `StreamEngine` fits. */
export interface IngestStreams {
  streamFor(subject: string): IngestStream | undefined
}

export const SUBJECT_UNBOUND = 'PETIOLE_SUBJECT_UNBOUND'
/** Its user may not publish there. */
export const SUBJECT_FORBIDDEN = 'PETIOLE_SUBJECT_FORBIDDEN'

/** Why the record after the last stored one could not be stored. */
export interface Refusal {
  readonly code: string
  readonly subject: string
  readonly reason: string
}

type Lots = ReadonlyMap<number, Subscription[]>

export interface StoredPrefix {
  /** The account as it is once the commit is done; undefined when not even the first record went in. */
  readonly staged: LedgerEntry | undefined
  /** The first record that went in. */
  readonly fromSeq: number
  /** By record: whom it fell to in queue groups with a member that stores what it gets. */
  readonly lots: Lots
  /** Resolves when it and all before it is on disk. Rejects when the commit failed; then nothing of it was kept. */
  readonly committed: Promise<void>
  /** undefined when the whole batch went in. */
  readonly refusal: Refusal | undefined
}

/** A record that stops its batch; thrown inside the transaction so that nothing of it is appended. */
class RecordRefused extends PetioleError {
  readonly seq: number
  readonly refusal: Refusal

  constructor(seq: number, refusal: Refusal) {
    super('PETIOLE_SYNC_RECORD_REFUSED', refusal.reason)
    this.seq = seq
    this.refusal = refusal
  }
}

/**
 * Appends a batch's records to the streams that bind their subjects, and the new watermark, in one
 * commit. So do the logs of sessions that wait for them, the members of queue groups among them, and the queues of brokers
 * (`MessagePart`): after a crash nobody would bring the records again. When a record cannot be stored, the records before it are stored without it and the rest
 * waits: order is kept, and one bad subject does not let earlier data rot on the leaf.
 */
export class BatchStoring {
  readonly subjects = new KnownSubjects()
  readonly #store: Store
  readonly #streams: IngestStreams
  readonly #book: LedgerBook
  readonly #streamsKey: string
  readonly #client: NatsClient
  /** They go with their accounts. */
  readonly #headers = new WeakMap<LedgerAccount, OriginHeaders>()

  /**
   * @param client in whose name logs get the records
   * @param streamsKey where the configuration names the streams
   */
  constructor(
    store: Store,
    streams: IngestStreams,
    book: LedgerBook,
    client: NatsClient,
    streamsKey: string,
  ) {
    this.#store = store
    this.#client = client
    this.#streamsKey = streamsKey
    this.#streams = streams
    this.#book = book
  }

  /** Throws when the store takes nothing at all: PETIOLE_STORE_FULL, PETIOLE_STORE_FAILED. */
  store(
    account: LedgerAccount,
    batch: ReceivedBatch,
    fromSeq: number,
    publisher: Publisher,
  ): StoredPrefix {
    try {
      const { lastSeq } = batch
      const appended = this.#append(account, batch, fromSeq, lastSeq, publisher)
      return { staged: account.staged, fromSeq, ...appended, refusal: undefined }
    } catch (error) {
      if (!(error instanceof RecordRefused)) throw error
      const { seq, refusal } = error
      if (seq === fromSeq) {
        // Earlier batches may still wait: the answer says what comes before the refused record.
        const lots: Lots = new Map()
        return { staged: undefined, fromSeq, lots, committed: this.#barrier(), refusal }
      }
      const appended = this.#append(account, batch, fromSeq, seq - 1, publisher)
      return { staged: account.staged, fromSeq, ...appended, refusal }
    }
  }

  /** Headers that name the origin of this account's records. */
  originHeaders(account: LedgerAccount): OriginHeaders {
    let headers = this.#headers.get(account)
    if (headers === undefined) {
      headers = new OriginHeaders(account.leaf, account.buffer)
      this.#headers.set(account, headers)
    }
    return headers
  }

  #barrier(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#store.barrier((error) => (error === undefined ? resolve() : reject(error)))
    })
  }

  #append(
    account: LedgerAccount,
    batch: ReceivedBatch,
    fromSeq: number,
    throughSeq: number,
    publisher: Publisher,
  ): Pick<StoredPrefix, 'lots' | 'committed'> {
    const headers = this.originHeaders(account)
    const bound = new Map<KnownSubject, IngestStream>()
    const unlogged = new Set<KnownSubject>()
    const lots = new Map<number, Subscription[]>()
    let cast: Subscription[] = []
    let settled: Committed | undefined
    const committed = new Promise<void>((resolve, reject) => {
      settled = (error) => (error === undefined ? resolve() : reject(error))
    })
    this.#store.transaction(() => {
      let stored = 0
      let last: number | null = null
      batch.rewind()
      while (batch.next() && batch.seq <= throughSeq) {
        if (batch.seq < fromSeq) continue
        const subject = this.subjects.of(batch)
        const stream = bound.get(subject) ?? this.#bind(batch, subject, bound, publisher)
        this.#appendRecord(batch, subject, stream, headers)
        if (!unlogged.has(subject)) {
          if (!this.#log(batch, subject, headers, cast)) unlogged.add(subject)
          if (cast.length > 0) {
            lots.set(batch.seq, cast)
            cast = []
          }
        }
        stored++
        if (batch.seq === throughSeq) last = fingerprint(batch)
      }
      const entry = settle(account.staged, batch, throughSeq, stored, last)
      this.#book.write(account, entry, settled)
      account.staged = entry
    })
    return { lots, committed }
  }

  #appendRecord(
    batch: ReceivedBatch,
    subject: KnownSubject,
    stream: IngestStream,
    headers: OriginHeaders,
  ): void {
    const { seq, timeMs, payload } = batch
    try {
      // The hub's own time is the stream's time: a leaf without a clock, or one that comes back
      // after a longer outage than `max_age`, would else be expired on arrival.
      stream.append(subject, headers.block(seq, timeMs, batch.headers), payload)
    } catch (error) {
      if (codeOf(error).startsWith('PETIOLE_STORE_')) throw error
      throw new RecordRefused(seq, refusalOf(batch, codeOf(error), messageOf(error)))
    }
  }

  /** False when no log wants the subject. */
  #log(
    batch: ReceivedBatch,
    subject: KnownSubject,
    headers: OriginHeaders,
    lots: Subscription[],
  ): boolean {
    const { seq, timeMs, payload } = batch
    let failure: PetioleError | undefined
    const committed = (error: PetioleError | undefined): void => {
      failure ??= error
    }
    const block = headers.block(seq, timeMs, batch.headers)
    const choices = { headers: block, capture: false, part: 'logs', lots, committed } as const
    const isLogged = this.#client.publish(subject.bytes, payload, choices) > 0
    // The store takes nothing now: the leaf sends the batch again.
    if (failure !== undefined && codeOf(failure).startsWith('PETIOLE_STORE_')) throw failure
    return isLogged
  }

  /** Once per subject and batch. */
  #bind(
    { seq }: ReceivedBatch,
    subject: KnownSubject,
    bound: Map<KnownSubject, IngestStream>,
    publisher: Publisher,
  ): IngestStream {
    if (publisher?.mayPublish(subject) === false) {
      const reason = `the leaf's user may not publish to ${subject.text}: allow it in the user's permissions at the hub`
      throw new RecordRefused(seq, { code: SUBJECT_FORBIDDEN, subject: subject.text, reason })
    }
    const stream = this.#streams.streamFor(subject.text)
    if (stream === undefined) {
      const reason = `no stream of the hub binds ${subject.text}: add one under ${this.#streamsKey}`
      throw new RecordRefused(seq, { code: SUBJECT_UNBOUND, subject: subject.text, reason })
    }
    bound.set(subject, stream)
    return stream
  }
}

function refusalOf(batch: ReceivedBatch, code: string, reason: string): Refusal {
  const subject = batch.bytes.toString('utf8', batch.subjectStart, batch.headersStart)
  return { code, subject, reason }
}
