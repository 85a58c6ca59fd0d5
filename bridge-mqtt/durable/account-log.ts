import type { SubjectSpace } from '../../shared/broker/index.ts'
import type { Log } from '../../shared/log/index.ts'
import { type Clock, PetioleError, type Random } from '../../shared/runtime/index.ts'
import { onDisk, RetentionClock, type Store, type StreamStore } from '../../shared/store/index.ts'
import type { WillMessage } from '../codec/index.ts'
import { DurableSession } from './durable-session.ts'
import { type DurableLimits, WILL_RESTART_GRACE_MS } from './limits.ts'
import { SessionDeadlines } from './session-deadlines.ts'
import { SessionLog } from './session-log.ts'
import type { FoundSession } from './session-records.ts'
import { StoredSubjects } from './stored-subjects.ts'

/** Publishes a will whose time has come; it was kept with the session. Called within a transaction. */
export type PublishWill = (account: string, clientId: string, will: WillMessage) => void

export interface AccountLogParts {
  readonly account: string
  /** In the store. */
  readonly streamName: string
  /** undefined: nothing outlives the process, and there are no durable sessions. */
  readonly store: Store | undefined
  readonly space: SubjectSpace
  readonly limits: DurableLimits
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly nextPeerId: () => number
  readonly publishWill: PublishWill
}

export interface NewSession {
  /** As `DurableSession.setExpiry` takes it. */
  readonly expirySeconds: number
}

export interface AccountLogStats {
  /** In the log. */
  readonly messages: number
  readonly bytes: number
  readonly sessions: number
  readonly online: number
  /** Since the start: sessions whose time was over, what was stored, and what the store did not take. */
  readonly expired: number
  readonly appended: number
  readonly refused: number
  /** Taken away by the limit of the log, or by damage, before all had them. */
  readonly evicted: number
}

/** The sessions of an account, as front doors see them. */
export interface Sessions {
  readonly size: number
  get(clientId: string): DurableSession | undefined
  /** Throws PETIOLE_SESSIONS_FULL, PETIOLE_NO_STORE, or what the store throws. Nobody may have the client id. */
  create(clientId: string, options: NewSession): DurableSession
  list(): Iterable<DurableSession>
}

const KEY_BYTES = 9
const NO_CONFIG = new Uint8Array(0)

/** One account's durable sessions, and the log that they read. The log is made with the first of them. */
export class AccountLog {
  readonly account: string
  readonly sessions: Sessions
  readonly #parts: AccountLogParts
  readonly #stored: StoredSubjects
  readonly #deadlines: SessionDeadlines
  readonly #byClient = new Map<string, DurableSession>()
  readonly #byKey = new Map<string, DurableSession>()
  #log: SessionLog | undefined
  /** The newest time that records of sessions tell: a clock far ahead of it is not believed at once. */
  #newestMs = 0

  constructor(parts: AccountLogParts) {
    this.account = parts.account
    this.#parts = parts
    this.#stored = new StoredSubjects(parts.space)
    this.#deadlines = new SessionDeadlines(parts.clock, () => this.#byKey.values())
    const byClient = this.#byClient
    this.sessions = {
      get size() {
        return byClient.size
      },
      get: (clientId) => byClient.get(clientId),
      create: (clientId, options) => this.#create(clientId, options),
      list: () => byClient.values(),
    }
  }

  get stats(): AccountLogStats {
    const { messages = 0, bytes = 0 } = this.#log?.stream.state ?? {}
    const counters = this.#log?.counters ?? { appended: 0, refused: 0, evicted: 0 }
    const online = this.#log?.deliveries.size ?? 0
    const { expired } = this.#deadlines
    return { messages, bytes, sessions: this.#byClient.size, online, expired, ...counters }
  }

  /** Whether a stream or a buffer stores what is published on a subject, here or at another hub. */
  isStored(subject: Uint8Array): boolean {
    return this.#stored.isStored(subject)
  }

  /** Brings back the sessions of an earlier process; before anybody comes. */
  recover(store: Store, stream: StreamStore): void {
    const log = this.#makeLog(store, stream)
    const sessions = log.records
      .recover(this.#parts.log)
      .sort((a, b) => a.record.createdMs - b.record.createdMs)
    for (const { record } of sessions) {
      this.#newestMs = Math.max(this.#newestMs, record.createdMs, record.leftMs)
    }
    const nowMs = log.nowMs()
    const monotonicMs = this.#parts.clock.monotonicMs()
    for (const found of sessions) this.#restore(found, log, monotonicMs - awayMs(found, nowMs))
    log.doInPieces(log.records.moveReceived(sessions, this.#parts.log))
    this.#deadlines.graceWills(WILL_RESTART_GRACE_MS)
    log.sweep()
    this.#deadlines.look()
  }

  /** Ends all sessions, without their wills, and removes the log from the store. */
  async purge(): Promise<void> {
    const { store, streamName } = this.#parts
    for (const session of [...this.#byKey.values()]) {
      session.setWill(undefined)
      session.end()
    }
    this.#log?.destroy()
    this.#log = undefined
    if (store?.streams.has(streamName) !== true) return
    await onDisk((done) => store.removeStream(streamName, done))
  }

  /** Writes down what has changed. Idempotent, as `destroy`, which does not. */
  close(): void {
    this.#log?.close()
    this.destroy()
  }

  destroy(): void {
    this.#deadlines.close()
    this.#stored.close()
    this.#log?.destroy()
  }

  #create(clientId: string, { expirySeconds }: NewSession): DurableSession {
    const { store, limits, random, clock } = this.#parts
    if (this.#byClient.size >= limits.sessionsMax) {
      throw new PetioleError(
        'PETIOLE_SESSIONS_FULL',
        `account ${this.account} has ${limits.sessionsMax} durable sessions: raise the limit, or let sessions expire`,
      )
    }
    const log = this.#log ?? this.#newLog(store)
    const key = Buffer.from(random.bytes(KEY_BYTES)).toString('hex')
    const identity = { clientId, key, createdMs: clock.wallMs(), expirySeconds }
    const session = new DurableSession(identity, log)
    session.save()
    this.#byClient.set(clientId, session)
    this.#byKey.set(key, session)
    // Its time runs until its client is attached, which may go away before that.
    this.#deadlines.left(session)
    return session
  }

  #restore(found: FoundSession, log: SessionLog, leftAtMs: number): void {
    const session = new DurableSession({ key: found.key, ...found.record }, log)
    session.restore(found, leftAtMs)
    // The end of an elder one of the client may not have got to the disk.
    const elder = this.#byClient.get(session.clientId)
    elder?.setWill(undefined)
    elder?.end()
    this.#byClient.set(session.clientId, session)
    this.#byKey.set(session.key, session)
    if (session.hasStrays) log.strays(session)
  }

  #newLog(store: Store | undefined): SessionLog {
    if (store === undefined) {
      throw new PetioleError(
        'PETIOLE_NO_STORE',
        'durable sessions need a store: add `jetstream { store_dir: "…" }` to the configuration',
      )
    }
    const { streamName, limits } = this.#parts
    const stream =
      store.streams.get(streamName) ??
      store.createStream(streamName, NO_CONFIG, {
        messagesMax: 0,
        bytesMax: limits.logBytesMax,
        ageMaxMs: 0,
        messagesPerSubjectMax: 0,
        messageBytesMax: 0,
        discard: 'old',
      })
    return this.#makeLog(store, stream)
  }

  #makeLog(store: Store, stream: StreamStore): SessionLog {
    const { space, clock, log, nextPeerId, publishWill } = this.#parts
    this.#log = new SessionLog({
      store,
      stream,
      space,
      stored: this.#stored,
      retention: new RetentionClock(clock, () => Math.max(this.#newestMs, stream.state.lastTimeMs)),
      clock,
      log,
      peerId: nextPeerId(),
      sessions: this.#byKey,
      left: (session) => this.#deadlines.left(session),
      ended: (session) => {
        this.#byKey.delete(session.key)
        if (this.#byClient.get(session.clientId) === session) {
          this.#byClient.delete(session.clientId)
        }
      },
      publishWill: ({ clientId }, will) => publishWill(this.account, clientId, will),
    })
    return this.#log
  }
}

/** How long its client was away already; of an earlier process only what a clock that is trusted says. */
function awayMs({ record: { leftMs } }: FoundSession, nowMs: number): number {
  return leftMs === 0 || nowMs === 0 ? 0 : Math.max(0, nowMs - leftMs)
}
