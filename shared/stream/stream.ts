/**
 * One stream: its configuration, what it captures, what is removed from it. The way of a message into
 * it is `publish/publishing.ts`.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Log } from '../log/index.ts'
import type { Clock, Random } from '../runtime/index.ts'
import {
  type Committed,
  onDisk,
  type Store,
  type StreamStore,
  type SyncPolicy,
} from '../store/index.ts'
import type { SubjectFilter } from '../subject/index.ts'
import type { AccountLimits } from './account-limits.ts'
import { type AccountRoom, StreamRoom } from './account-room.ts'
import type { Advisories } from './advisories.ts'
import { encodeConfig, limitsOf, type StreamMode, syncOf } from './config/stored-config.ts'
import { isLarge, type StreamConfig } from './config/stream-config.ts'
import type { AckSubjects } from './consumer/ack-subject.ts'
import { ConsumerSet } from './consumer/consumer-set.ts'
import { JetStreamError } from './jetstream-error.ts'
import { TAKING_STEPS } from './limits.ts'
import type { CapturedMessage, StreamPort } from './port.ts'
import { type AppendSubject, Publishing } from './publish/publishing.ts'
import { StreamFeeds } from './sourcing/stream-feeds.ts'

export type { AppendSubject } from './publish/publishing.ts'

export interface StreamParts {
  readonly clock: Clock
  readonly random: Random
  readonly port: StreamPort
  readonly log: Log
  /** For what is answered only after everything before it is on disk. */
  readonly root: Store
  readonly domain: string
  readonly acks: AckSubjects
  readonly advisories: Advisories
  readonly limits: AccountLimits
  readonly room: AccountRoom
  /** Of JetStream, as INFO tells it. */
  readonly apiLevel: number
  /** Characters that nobody guesses. */
  readonly newToken: () => string
  /** Lets others have the loop, in the middle of long work. */
  readonly turn: () => Promise<void>
}

/** The same as the store's: up to and with `throughSeq`, of what matches, but for the newest `keep`. */
export interface Purge {
  readonly throughSeq?: number
  readonly filter?: SubjectFilter
  readonly keep?: number
}

export class Stream {
  readonly name: string
  readonly store: StreamStore
  readonly consumers: ConsumerSet
  readonly mode: StreamMode
  /** The `first_seq` it was opened with; an update moves no beginning, but a purge of all says that it is 1. */
  #beginsAt: number
  readonly publishing: Publishing
  readonly room: StreamRoom
  /** What it gets from other streams. */
  readonly feeds: StreamFeeds
  #config: StreamConfig
  #claimed: readonly string[] | undefined
  readonly #parts: StreamParts
  readonly #stopCaptures = new Map<string, () => void>()
  readonly #stopListening: (() => void)[]
  /** Steps to what it takes from, with what each counts for; those that were begun last go on. */
  #taking: Generator<number, void, void> | undefined
  #evictedLast = 0
  /** Purges that are under way. */
  #purges = 0
  #isClosed = false

  constructor(parts: StreamParts, store: StreamStore, config: StreamConfig, mode: StreamMode) {
    this.name = config.name
    this.store = store
    this.mode = mode
    this.#beginsAt = config.first_seq ?? 0
    this.#config = config
    this.#parts = parts
    this.room = new StreamRoom(parts.room, config.storage, store.stage)
    this.publishing = new Publishing(this, parts)
    this.consumers = new ConsumerSet({ ...parts, stream: this })
    const { domain, advisories } = parts
    this.feeds = new StreamFeeds(this, parts, { account: advisories.account, domain })
    this.#stopListening = [
      store.onCommit(() => this.#committed()),
      store.onEvict((eviction) => {
        this.#evictedLast = Math.max(this.#evictedLast, eviction.lastSeq)
        this.consumers.removals.noteEviction(eviction)
      }),
    ]
  }

  /** Its first sequence as long as it never had a message; 0 where nobody has said. */
  get beginsAt(): number {
    return this.#beginsAt
  }

  get config(): StreamConfig {
    return this.#config
  }

  /** Learns again what only memory knew: message ids of the window, the consumers' positions. */
  async recover(): Promise<void> {
    this.room.settle()
    const sync = this.#syncOf(this.#config)
    const limits = limitsOf(this.#config)
    const isSame = isDeepStrictEqual([sync, limits], [this.store.sync, this.store.limits])
    if (!isSame) {
      // The server's configuration is another than at the last start, or its messages were counted otherwise.
      this.store.configure(encodeConfig(this.#config, this.mode), limits, undefined, { sync })
    }
    await this.publishing.recover()
    this.consumers.recover()
  }

  /**
   * From now on takes what others feed it, and what is published on its subjects if it captures: of few at
   * once, of very many in turns. Resolves when all is as the configuration says, or another call goes on.
   */
  openCaptures(): Promise<void> {
    return this.#take(this.#isClosed ? this.#takingNothing() : this.#takingAll())
  }

  /** Takes no more, in turns, before it is erased, where that takes long; goes on when it stays. */
  async letGoFor(erase: (erased: Committed) => void): Promise<void> {
    const hasLetGo = isLarge(this.#config)
    if (hasLetGo) await this.#take(this.#lettingGo())
    try {
      await onDisk(erase)
    } catch (error) {
      if (hasLetGo) await this.openCaptures()
      throw error
    }
  }

  async #take(steps: Generator<number, void, void>): Promise<void> {
    this.#taking = steps
    let left = TAKING_STEPS
    while (this.#taking === steps) {
      const { done, value } = steps.next()
      if (done === true) return
      left -= value
      if (left > 0) continue
      left = TAKING_STEPS
      await this.#parts.turn()
    }
  }

  *#takingAll(): Generator<number, void, void> {
    yield* this.#capturing(this.mode.isCapturing ? this.#config.subjects : [])
    yield* this.feeds.follow(this.#config)
  }

  *#takingNothing(): Generator<number, void, void> {
    yield* this.#capturing([])
    yield* this.feeds.follow(undefined)
  }

  *#lettingGo(): Generator<number, void, void> {
    yield* this.#capturing([])
    yield* this.feeds.end()
  }

  *#capturing(subjects: readonly string[]): Generator<number, void, void> {
    const wanted: ReadonlySet<string> = new Set(subjects)
    for (const [subject, stop] of this.#stopCaptures) {
      if (!wanted.has(subject)) {
        stop()
        this.#stopCaptures.delete(subject)
      }
      yield 1
    }
    for (const subject of wanted) {
      if (!this.#stopCaptures.has(subject)) {
        const stop = this.#parts.port.capture(subject, (message) => this.ingest(message))
        this.#stopCaptures.set(subject, stop)
      }
      yield 1
    }
  }

  /** One published message: checked, appended, acknowledged to its `reply` after the commit. */
  ingest(message: CapturedMessage): void {
    this.publishing.ingest(message)
  }

  /**
   * Appends what its owner has decided on already: no checks, no acknowledgement. May be called
   * inside `store.transaction`. Throws as StreamStore.append.
   */
  append(
    subject: AppendSubject,
    headers: Uint8Array,
    payload: Uint8Array,
    committed?: Committed,
    timeMs?: number,
  ): number {
    return this.publishing.append(subject, headers, payload, committed, timeMs)
  }

  /** Removes one message. Throws 10043 when it is not there, 10057 when the stream denies it. */
  removeMessage(seq: number): Promise<void> {
    if (this.#config.sealed) throw new JetStreamError(10109)
    if (this.#config.deny_delete) throw new JetStreamError(10057, 'message delete not permitted')
    return new Promise((resolve, reject) => {
      const isThere = this.store.remove(seq, (error) => {
        if (error !== undefined) return reject(error)
        this.consumers.removed(seq, seq)
        resolve()
      })
      if (!isThere) reject(new JetStreamError(10043, String(seq)))
    })
  }

  /** Removes messages; returns how many. Throws 10110 when the stream denies it. */
  async purge(options: Purge): Promise<number> {
    if (this.#config.sealed) throw new JetStreamError(10109)
    if (this.#config.deny_purge) throw new JetStreamError(10110, 'stream purge not permitted')
    return this.purgeUnasked(options)
  }

  /** Subjects that are its own, or will be when a change that is under way is on disk. */
  get claimedSubjects(): readonly string[] {
    return this.#claimed ?? this.#config.subjects
  }

  /**
   * Applies a changed configuration once it is on disk; nothing has changed when that fails.
   * @param changed called each time when its configuration or what it claims is another
   */
  async update(config: StreamConfig, changed: () => void): Promise<void> {
    const { retention, subjects } = this.#config
    this.#claimed = [...new Set([...subjects, ...config.subjects])]
    changed()
    try {
      await new Promise<void>((resolve, reject) => {
        const done: Committed = (error) => (error ? reject(error) : resolve())
        const options = { sync: this.#syncOf(config), compression: config.compression }
        this.store.configure(encodeConfig(config, this.mode), limitsOf(config), done, options)
      })
      this.#config = config
      this.publishing.configured()
      // What it lets go of is nobody else's before it is captured no more.
      await this.openCaptures()
    } finally {
      this.#claimed = undefined
      changed()
    }
    if (config.retention !== retention) await this.consumers.retentionChanged()
  }

  /** It is gone from disk: whoever has to do with it is told. */
  removed(): void {
    this.consumers.tellOfRemoval()
    this.feeds.removed()
  }

  /** Resolves when what it has taken so far is stored or refused, at once when nothing is on its way. */
  async settled(): Promise<void> {
    if (this.store.assignedSeq <= this.store.state.lastSeq) return
    await new Promise<void>((resolve) => this.#parts.root.barrier(() => resolve()))
  }

  /** Stops taking messages and serving consumers. */
  close(status: string, isKept: boolean): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#taking = this.#takingNothing()
    while (!this.#taking.next().done);
    this.publishing.close()
    this.consumers.close(status, isKept)
    this.room.close()
    for (const stop of this.#stopListening) stop()
  }

  /** The same whatever the configuration denies, as part of something that it allows. */
  async purgeUnasked(options: Purge): Promise<number> {
    const { throughSeq, filter, keep } = options
    if (throughSeq === 0) return 0
    const { firstSeq } = this.store.state
    const purged = await this.#purged(options)
    if (throughSeq === undefined && filter === undefined && keep === undefined) {
      this.#beginsAt = Math.max(1, this.#beginsAt)
    }
    if (purged === 0) return 0
    this.consumers.removed(firstSeq, throughSeq ?? this.store.state.lastSeq, false)
    return purged
  }

  async #purged(options: Purge): Promise<number> {
    this.#purges++
    try {
      return await this.store.purge(options)
    } finally {
      this.#purges--
    }
  }

  /** A buffer waits for the disk whatever the server says of streams. */
  #syncOf(config: StreamConfig): SyncPolicy {
    return syncOf(config, this.mode.isCapturing ? this.#parts.limits.server.syncEveryMs : 0)
  }

  #committed(): void {
    this.publishing.settle()
    this.room.settle()
    // It may have taken a part of what a purge takes; all that follows the purge comes at its end.
    if (this.#purges > 0) this.consumers.removals.noteAnywhere()
    if (this.#evictedLast > 0) {
      this.consumers.evicted(this.#evictedLast)
      this.#evictedLast = 0
    }
    this.consumers.wake()
  }
}
