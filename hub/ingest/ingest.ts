import type { ClientMessage, NatsClient } from '../../shared/client/index.ts'
import type { Log } from '../../shared/log/index.ts'
import { type Clock, codeOf, invariant, messageOf, Tasks } from '../../shared/runtime/index.ts'
import type { StateTable, Store } from '../../shared/store/index.ts'
import {
  type BatchReply,
  batchSubject,
  countDuplicates,
  decide,
  decodeHello,
  encodeJson,
  HELLO_ANYWHERE_SUBJECT,
  type Hello,
  type HelloBuffer,
  type HelloReply,
  helloSubject,
  type LedgerEntry,
  openEntry,
  ReceivedBatch,
  retrySubject,
  SYNC_QUEUE,
  type WelcomeBuffer,
} from '../../shared/sync/index.ts'
import { answerOf, later, NOT_TOLD, replyOf } from './batch-answers.ts'
import { BatchPublishing } from './batch-publishing.ts'
import {
  BatchStoring,
  type IngestStreams,
  type Refusal,
  type StoredPrefix,
  SUBJECT_UNBOUND,
} from './batch-storing.ts'
import { BlockedBuffers, type BlockedReason } from './blocked-buffers.ts'
import type { CommitRoom } from './commit-room.ts'
import { HelloPace } from './hello-pace.ts'
import { type LedgerAccount, LedgerBook } from './ledger-book.ts'
import {
  CREDIT_BYTES,
  RETRY_BUSY_MS,
  RETRY_FAILED_MS,
  RETRY_FULL_MS,
  RETRY_REFUSED_MS,
} from './limits.ts'
import { Publishers } from './publishers.ts'

/** Whether a leaf may sync here; the fleet's registry fits. */
export interface LeafAdmission {
  admit(leaf: { readonly name: string; readonly id: string }): Admission
}

export type Admission =
  | { readonly isAdmitted: true }
  | { readonly isAdmitted: false; readonly reason: string }

export interface IngestOptions {
  /** What leaves know this hub's store by: the JetStream domain, else the server's name. */
  readonly home: string
  /** The largest message that the hub takes. */
  readonly payloadBytesMax: number
  /** Where the configuration names the streams of this account; told to whoever lacks one. */
  readonly streamsKey: string
}

export interface IngestDependencies {
  readonly client: NatsClient
  readonly store: Store
  /** Of this account alone. */
  readonly marks: StateTable
  readonly streams: IngestStreams
  /** Whether this hub has the history of a buffer in another account; default: it has none. */
  readonly knowsElsewhere?: (buffer: string, incarnation: string) => boolean
  readonly room: CommitRoom
  readonly admission: LeafAdmission
  readonly clock: Clock
  readonly log: Log
}

type Answering = (message: ClientMessage) => Promise<HelloReply | BatchReply>

/**
 * The hub's end of the sync protocol in one account: answers hellos with the watermarks, and batches after their
 * records and the new watermark are on disk. It keeps nothing per leaf but the ledger.
 */
export class Ingest {
  readonly book: LedgerBook
  readonly #options: IngestOptions
  readonly #client: NatsClient
  readonly #store: Store
  readonly #streams: IngestStreams
  readonly #blocked: BlockedBuffers
  readonly #admission: LeafAdmission
  readonly #clock: Clock
  readonly #log: Log
  readonly #storing: BatchStoring
  readonly #publishing: BatchPublishing
  readonly #tasks: Tasks
  readonly #pace: HelloPace
  readonly #listeners = new Set<(account: LedgerAccount) => void>()
  #unsubscribe: (() => void)[] = []
  readonly #publishers = new Publishers()
  readonly #room: CommitRoom
  readonly #knowsElsewhere: (buffer: string, incarnation: string) => boolean
  #uncommittedBytes = 0

  constructor(options: IngestOptions, dependencies: IngestDependencies) {
    this.#options = options
    this.#client = dependencies.client
    this.#store = dependencies.store
    this.#streams = dependencies.streams
    this.#admission = dependencies.admission
    this.#clock = dependencies.clock
    this.#log = dependencies.log
    this.#room = dependencies.room
    this.#knowsElsewhere = dependencies.knowsElsewhere ?? (() => false)
    this.book = new LedgerBook(dependencies.marks)
    const { store, streams } = dependencies
    const { client } = dependencies
    this.#storing = new BatchStoring(store, streams, this.book, client, options.streamsKey)
    this.#publishing = new BatchPublishing(client, this.#storing)
    this.#tasks = new Tasks((name, error) => this.#log.error({ name, err: error }, 'sync failed'))
    this.#pace = new HelloPace(dependencies.clock)
    this.#blocked = new BlockedBuffers(dependencies.clock, (leaf, buffer) =>
      this.#client.publish(retrySubject(leaf), Buffer.from(buffer)),
    )
  }

  /** What its leaves know this hub by. */
  get home(): string {
    return this.#options.home
  }

  /** Why the next record of a buffer is not stored; undefined when nothing speaks against it. */
  blockedReason(leaf: string, buffer: string): BlockedReason | undefined {
    return this.#blocked.find(leaf, buffer)
  }

  /** Lets the figures of a leaf start anew, see `LedgerBook.release`. */
  release(leaf: string): Promise<void> {
    this.#blocked.forget(leaf)
    return this.book.release(leaf)
  }

  start(): void {
    const { home } = this.#options
    const queue = { queue: SYNC_QUEUE }
    const hello = (message: ClientMessage): void =>
      this.#receive('hello', message, (it) => this.#hello(it))
    const batch = (message: ClientMessage): void =>
      this.#receive('batch', message, (it) => this.#batch(it))
    this.#unsubscribe = [
      this.#client.subscribe(HELLO_ANYWHERE_SUBJECT, hello, queue),
      this.#client.subscribe(helloSubject(home), hello, queue),
      this.#client.subscribe(batchSubject(home), batch, queue),
    ]
  }

  /** Called after each commit that moved an account. */
  onProgress(listener: (account: LedgerAccount) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Takes nothing more, and waits for the commits of what it took: their answers are sent. */
  async drain(): Promise<void> {
    this.#close()
    await this.#tasks.drain()
  }

  async destroy(): Promise<void> {
    this.#close()
    await this.#tasks.destroy()
  }

  #close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#unsubscribe = []
    this.#blocked.stop()
  }

  #receive(name: string, message: ClientMessage, answer: Answering): void {
    if (message.reply === '') return
    this.#tasks.run(name, async () => {
      this.#client.publish(message.reply, encodeJson(await answer(message)))
    })
  }

  async #hello(message: ClientMessage): Promise<HelloReply> {
    let hello: Hello
    try {
      hello = decodeHello(message.payload)
    } catch (error) {
      this.#log.warn({ err: error }, 'refused a hello')
      return { v: 1, status: 'refused', reason: messageOf(error) }
    }
    const admission = this.#admission.admit(hello)
    if (!admission.isAdmitted) {
      this.#log.warn({ leaf: hello.name, id: hello.id }, 'refused a leaf')
      return { v: 1, status: 'refused', reason: admission.reason }
    }
    if (!this.#pace.take()) {
      const reason = 'too many leaves are coming back at once'
      return { v: 1, status: 'later', retry_ms: RETRY_BUSY_MS, reason }
    }
    // Batches of this leaf may still wait for their commit, and the answer must count them in.
    await this.#barrier()
    return this.#welcome(hello)
  }

  #welcome(hello: Hello): HelloReply {
    return {
      v: 1,
      status: 'welcome',
      home: this.#options.home,
      now_ms: this.#clock.wallMs(),
      payload_max: this.#options.payloadBytesMax,
      credit_bytes: CREDIT_BYTES,
      buffers: hello.buffers.map((buffer) => this.#welcomeBuffer(hello, buffer)),
    }
  }

  #welcomeBuffer(hello: Hello, buffer: HelloBuffer): WelcomeBuffer {
    const { name, incarnation, synced_seq: syncedSeq } = buffer
    const leaf = hello.name
    const known = this.book.find(leaf, name, incarnation) ?? this.#open(hello, buffer)
    // It asks whether this is its old home under another name: it is not.
    if (known === undefined) return { name, incarnation, watermark: null, fingerprint: null }
    const { watermark, fingerprint } = known.committed
    if (syncedSeq > watermark) {
      this.#log.error(
        { leaf, buffer: name, watermark, syncedSeq },
        'the leaf was told of a higher watermark: this hub has lost records, was its store put back or wiped?',
      )
    }
    return { name, incarnation, watermark, fingerprint }
  }

  /**
   * Opens an account for an incarnation that this leaf's name never had here; undefined when its home
   * is another hub. A leaf that says that this very hub has confirmed some of it tells of a loss: the
   * account then begins before that, so that the leaf sends again what it still has, and accounts for
   * the rest as forgotten.
   */
  #open(hello: Hello, buffer: HelloBuffer): LedgerAccount | undefined {
    const { name, incarnation, synced_seq: syncedSeq, base_seq: baseSeq = syncedSeq } = buffer
    const leaf = hello.name
    const isRenamed =
      this.book.knowsHistory(name, incarnation) || this.#knowsElsewhere(name, incarnation)
    if (hello.home !== '' && !isRenamed) {
      if (hello.home !== this.#options.home) return undefined
      const isFirst = this.book.incarnations(leaf, name).length === 0
      return this.book.open(leaf, name, incarnation, openEntry(isFirst ? 0 : baseSeq))
    }
    if (syncedSeq > 0) {
      this.#log.warn(
        { leaf, buffer: name, incarnation, syncedSeq, isRenamed },
        'a buffer was synced under another name, in another account or elsewhere before: it counts from there on',
      )
    }
    return this.book.open(leaf, name, incarnation, openEntry(syncedSeq))
  }

  async #batch(message: ClientMessage): Promise<BatchReply> {
    let batch: ReceivedBatch
    try {
      batch = new ReceivedBatch(message.payload)
    } catch (error) {
      this.#log.warn({ err: error }, 'refused a batch')
      return replyOf('', 'invalid', null, { reason: messageOf(error) })
    }
    const account = this.book.find(batch.leaf, batch.buffer, batch.incarnation)
    const decision = decide(account?.staged, batch)
    if (account === undefined || decision.name === 'unknown')
      return replyOf(batch.incarnation, 'hello', null)
    if (decision.name === 'gap') return answerOf(account, 'gap')
    if (decision.name === 'repeat') return this.#repeat(account, batch)
    const publisher = this.#publishers.of(message)
    if (publisher === 'unknown') return this.#refused(account, NOT_TOLD)
    const { fromSeq } = decision
    return this.#storeBatch(message.payload.length, account, batch, () =>
      this.#storing.store(account, batch, fromSeq, publisher),
    )
  }

  async #repeat(account: LedgerAccount, batch: ReceivedBatch): Promise<BatchReply> {
    account.staged = countDuplicates(account.staged, batch.records)
    account.committed = countDuplicates(account.committed, batch.records)
    // What it repeats may still wait for its commit.
    if (batch.lastSeq > account.committed.watermark) await this.#barrier()
    if (batch.lastSeq > account.committed.watermark) {
      return later(account, RETRY_FAILED_MS, 'what it repeats could not be stored')
    }
    return answerOf(account, 'repeat')
  }

  /** @param size of the message that it came in */
  async #storeBatch(
    size: number,
    account: LedgerAccount,
    batch: ReceivedBatch,
    store: () => StoredPrefix,
  ): Promise<BatchReply> {
    if (!this.#room.hasRoom(this.#uncommittedBytes, size)) {
      return later(account, RETRY_BUSY_MS, 'the hub has more batches in hand than it can store')
    }
    this.#uncommittedBytes += size
    this.#room.take(size)
    try {
      return await this.#commit(account, batch, store())
    } catch (error) {
      return this.#storeFailed(account, error)
    } finally {
      this.#uncommittedBytes -= size
      this.#room.give(size)
    }
  }

  /**
   * Only a commit that failed takes back what was staged: the store has then refused all that waited
   * behind it as well. A batch that the store did not take at all has staged nothing, and those before
   * it may still succeed.
   */
  async #commit(
    account: LedgerAccount,
    batch: ReceivedBatch,
    stored: StoredPrefix,
  ): Promise<BatchReply> {
    const { staged, committed, refusal } = stored
    const { rollbacks } = account
    try {
      await committed
    } catch (error) {
      if (account.rollbacks === rollbacks) {
        account.rollbacks++
        account.staged = account.committed
      }
      throw error
    }
    invariant(account.rollbacks === rollbacks, 'nothing is committed on top of a failed commit')
    if (staged !== undefined) {
      this.#settled(account, staged)
      this.#publishing.publish(account, batch, stored, staged.watermark)
    }
    if (refusal !== undefined) return this.#refused(account, refusal)
    this.#blocked.stored(account)
    return answerOf(account, 'stored')
  }

  #settled(account: LedgerAccount, staged: LedgerEntry): void {
    if (staged.watermark <= account.committed.watermark) return
    const { duplicates } = account.staged
    account.committed = { ...staged, duplicates }
    for (const listener of this.#listeners) listener(account)
  }

  #refused(account: LedgerAccount, refusal: Refusal): BatchReply {
    const { subject, reason } = refusal
    const { leaf, buffer } = account
    this.#log.warn({ leaf, buffer, subject, reason }, 'refused a record')
    const isUnbound = refusal.code === SUBJECT_UNBOUND
    const isMended = (): boolean => isUnbound && this.#streams.streamFor(subject) !== undefined
    this.#blocked.add(account, { subject, reason }, isMended)
    return answerOf(account, 'refused', { retry_ms: RETRY_REFUSED_MS, subject, reason })
  }

  #storeFailed(account: LedgerAccount, error: unknown): BatchReply {
    const { leaf, buffer } = account
    this.#log.warn({ leaf, buffer, err: error }, 'cannot store a batch')
    const isFull = codeOf(error) === 'PETIOLE_STORE_FULL' || codeOf(error) === 'PETIOLE_STORE_BUSY'
    const isMended = (): boolean => this.#store.condition.name === 'open'
    this.#blocked.add(account, { subject: '', reason: messageOf(error) }, isMended)
    return later(account, isFull ? RETRY_FULL_MS : RETRY_FAILED_MS, messageOf(error))
  }

  #barrier(): Promise<void> {
    return new Promise((resolve) => this.#store.barrier(() => resolve()))
  }
}
