/**
 * One stream: takes what is published on its subjects, checks it, appends it to its store and
 * acknowledges it once it is on disk.
 *
 * Checks see what is staged: appended, given a sequence, and not on disk yet. The dedup window, the
 * last message id and the last sequences per subject are entered when a message is appended and
 * taken back when its commit fails, so that two publishes in one commit judge each other as if the
 * first were stored already.
 */
import type { Log } from '../log/index.ts'
import { type Clock, codeOf, type PetioleError } from '../runtime/index.ts'
import type { Committed, Store, StreamStore } from '../store/index.ts'
import { SubjectFilter } from '../subject/index.ts'
import type { AccountLimits } from './account-limits.ts'
import type { Advisories } from './advisories.ts'
import { encodeConfig, limitsOf, type StreamMode } from './config/stored-config.ts'
import type { StreamConfig } from './config/stream-config.ts'
import type { AckSubjects } from './consumer/ack-subject.ts'
import { ConsumerSet } from './consumer/consumer-set.ts'
import { NO_BYTES } from './headers.ts'
import { JetStreamError, toJetStreamError } from './jetstream-error.ts'
import { DEDUP_IDS_MAX, NS_PER_MS } from './limits.ts'
import type { CapturedMessage, StreamPort } from './port.ts'
import { DedupWindow } from './publish/dedup-window.ts'
import { messageIdOf, type PublishHeaders, parsePublishHeaders } from './publish/publish-headers.ts'
import { StagedSubjects } from './publish/staged-subjects.ts'

export interface StreamParts {
  readonly clock: Clock
  readonly port: StreamPort
  readonly log: Log
  /** For what is answered only after everything before it is on disk. */
  readonly root: Store
  readonly domain: string
  readonly acks: AckSubjects
  readonly advisories: Advisories
  readonly limits: AccountLimits
}

/** A subject in both its forms: an owner that appends many has them at hand. */
export interface AppendSubject {
  readonly text: string
  readonly bytes: Uint8Array
}

type Told = (error: PetioleError | undefined) => void

export class Stream {
  readonly name: string
  readonly store: StreamStore
  readonly consumers: ConsumerSet
  readonly mode: StreamMode
  #config: StreamConfig
  #claimed: readonly string[] | undefined
  readonly #parts: StreamParts
  readonly #clock: Clock
  readonly #dedup: DedupWindow
  readonly #staged = new StagedSubjects()
  readonly #ackHead: string
  #lastMsgId = ''
  readonly #stopCaptures = new Map<string, () => void>()
  readonly #stopListening: (() => void)[]
  #evictedLast = 0
  #isClosed = false

  constructor(parts: StreamParts, store: StreamStore, config: StreamConfig, mode: StreamMode) {
    this.name = config.name
    this.store = store
    this.mode = mode
    this.#config = config
    this.#parts = parts
    this.#clock = parts.clock
    this.#dedup = new DedupWindow(config.duplicate_window / NS_PER_MS, DEDUP_IDS_MAX)
    const domain = parts.domain === '' ? '' : `"domain":${JSON.stringify(parts.domain)},`
    this.#ackHead = `{"stream":${JSON.stringify(this.name)},${domain}"seq":`
    this.consumers = new ConsumerSet({ ...parts, stream: this })
    this.#stopListening = [
      store.onCommit(() => this.#committed()),
      store.onEvict(({ lastSeq }) => {
        this.#evictedLast = Math.max(this.#evictedLast, lastSeq)
      }),
    ]
  }

  get config(): StreamConfig {
    return this.#config
  }

  /** Learns again what only memory knew: message ids of the window, the consumers' positions. */
  async recover(): Promise<void> {
    await this.#recoverIds()
    this.consumers.recover()
  }

  /** Takes what is published on its subjects from now on, if it captures by itself. */
  openCaptures(): void {
    const wanted = this.mode.isCapturing && !this.#isClosed ? this.#config.subjects : []
    for (const [subject, stop] of this.#stopCaptures) {
      if (wanted.includes(subject)) continue
      stop()
      this.#stopCaptures.delete(subject)
    }
    for (const subject of wanted) {
      if (this.#stopCaptures.has(subject)) continue
      const stop = this.#parts.port.capture(subject, (message) => this.ingest(message))
      this.#stopCaptures.set(subject, stop)
    }
  }

  /** One published message: checked, appended, acknowledged to its `reply` after the commit. */
  ingest(message: CapturedMessage): void {
    const committed = message.takeCommitted()
    const reply = this.#config.no_ack === true ? '' : message.reply
    try {
      const headers = parsePublishHeaders(message.headers)
      const duplicate = this.#check(message, headers)
      if (duplicate === undefined) this.#store(message, headers, reply, committed)
      else this.#answerDuplicate(duplicate, reply, committed)
    } catch (error) {
      this.#refuse(error, reply, committed)
    }
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
    const msgId = headers.length === 0 ? '' : messageIdOf(headers)
    let done = committed
    if (msgId !== '') {
      done = (error, seq) => {
        if (error === undefined) this.#dedup.remember(msgId, seq, this.#clock.monotonicMs())
        committed?.(error, seq)
      }
    }
    const seq = this.store.append(subject.bytes, headers, payload, done, timeMs)
    if (this.mode.isCapturing) this.#staged.add(seq, subject.text)
    return seq
  }

  /** Removes one message. Throws 10043 when it is not there, 10057 when the stream denies it. */
  removeMessage(seq: number): Promise<void> {
    if (this.#config.sealed) throw new JetStreamError(10109)
    if (this.#config.deny_delete) throw new JetStreamError(10057, 'message delete not permitted')
    return new Promise((resolve, reject) => {
      const isThere = this.store.remove(seq, (error) => (error ? reject(error) : resolve()))
      if (!isThere) reject(new JetStreamError(10043, String(seq)))
      this.consumers.removed(seq, seq)
    })
  }

  /** Removes messages; returns how many. Throws 10110 when the stream denies it. */
  async purge(options: {
    readonly throughSeq?: number
    readonly filter?: SubjectFilter
    readonly keep?: number
  }): Promise<number> {
    if (this.#config.sealed) throw new JetStreamError(10109)
    if (this.#config.deny_purge) throw new JetStreamError(10110, 'stream purge not permitted')
    return this.#purge(options)
  }

  /** Subjects that are its own, or will be when a change that is under way is on disk. */
  get claimedSubjects(): readonly string[] {
    return this.#claimed ?? this.#config.subjects
  }

  /** Applies a changed configuration once it is on disk; nothing has changed when that fails. */
  async update(config: StreamConfig): Promise<void> {
    this.#claimed = [...new Set([...this.#config.subjects, ...config.subjects])]
    try {
      await new Promise<void>((resolve, reject) => {
        this.store.configure(encodeConfig(config, this.mode), limitsOf(config), (error) =>
          error ? reject(error) : resolve(),
        )
      })
    } finally {
      this.#claimed = undefined
    }
    this.#config = config
    this.#dedup.windowMs = config.duplicate_window / NS_PER_MS
    this.openCaptures()
  }

  /** Stops taking messages and serving consumers. */
  close(status: string, isKept: boolean): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.openCaptures()
    this.consumers.close(status, isKept)
    for (const stop of this.#stopListening) stop()
  }

  /** Returns the sequence of the stored duplicate, if the message is one. Throws a refusal. */
  #check(message: CapturedMessage, headers: PublishHeaders): number | undefined {
    const config = this.#config
    if (config.sealed) throw new JetStreamError(10109)
    if (headers.expectedStream !== undefined && headers.expectedStream !== this.name) {
      throw new JetStreamError(10060)
    }
    // Before the expected sequences: a retry with both must learn that its first try was stored.
    if (headers.msgId !== undefined) {
      const seq = this.#dedup.find(headers.msgId, this.#clock.monotonicMs())
      if (seq !== undefined) return seq
    }
    this.#checkExpected(message, headers)
    if (headers.rollup !== undefined && !(config.allow_rollup_hdrs && !config.deny_purge)) {
      throw new JetStreamError(10111, 'rollup not permitted')
    }
    const bytes = message.headers.length + message.payload.length
    if (config.max_msg_size >= 0 && bytes > config.max_msg_size) throw new JetStreamError(10054)
    if (config.discard_new_per_subject === true) this.#checkSubjectRoom(message.subject)
    return undefined
  }

  #checkExpected(message: CapturedMessage, headers: PublishHeaders): void {
    const { expectedLastSubjectSeq, expectedLastSeq, expectedLastMsgId } = headers
    if (expectedLastSubjectSeq !== undefined) {
      const subject = headers.expectedSubject ?? message.subject
      const last = this.#lastSeqOn(subject)
      if (last !== expectedLastSubjectSeq) throw new JetStreamError(10071, String(last))
    }
    if (expectedLastSeq !== undefined && expectedLastSeq !== this.store.assignedSeq) {
      throw new JetStreamError(10071, String(this.store.assignedSeq))
    }
    if (expectedLastMsgId !== undefined && expectedLastMsgId !== this.#lastMsgId) {
      throw new JetStreamError(10070, this.#lastMsgId)
    }
  }

  /** The newest sequence on a subject, stored or staged. */
  #lastSeqOn(subject: string): number {
    this.#settleStaged()
    if (!this.mode.isCapturing && this.store.assignedSeq > this.store.state.lastSeq) {
      // A buffer keeps no account of staged subjects: what is in flight makes the answer unknown.
      throw new JetStreamError(10164)
    }
    const filter = new SubjectFilter(subject)
    if (filter.isLiteral) {
      return Math.max(this.#staged.lastSeqOf(subject), this.store.lastSeqOf(subject))
    }
    let last = this.#staged.lastSeqWhere((other) => filter.matchesText(other))
    for (const match of this.store.subjects(filter, Number.MAX_SAFE_INTEGER).keys()) {
      last = Math.max(last, this.store.lastSeqOf(match))
    }
    return last
  }

  #checkSubjectRoom(subject: string): void {
    this.#settleStaged()
    const stored = this.store.subjects(new SubjectFilter(subject), 1).get(subject) ?? 0
    if (stored + this.#staged.countOf(subject) >= this.#config.max_msgs_per_subject) {
      throw new JetStreamError(10077, 'maximum messages per subject exceeded')
    }
  }

  #store(
    message: CapturedMessage,
    headers: PublishHeaders,
    reply: string,
    committed: Told | undefined,
  ): void {
    const { msgId, rollup } = headers
    const subject = this.mode.isCapturing || rollup !== undefined ? message.subject : ''
    const before = this.#lastMsgId
    const seq = this.store.append(
      message.subjectBytes,
      message.headers,
      message.payload,
      (error, stored) => {
        if (error !== undefined) {
          if (msgId !== undefined) this.#dedup.forget(msgId, stored)
          if (this.#lastMsgId === msgId) this.#lastMsgId = before
          this.#refuse(error, reply, committed)
        } else if (rollup === undefined) {
          this.#accept(stored, '', reply, committed)
        } else {
          this.#rollUp(stored, rollup === 'sub' ? subject : undefined, reply, committed)
        }
      },
    )
    if (this.mode.isCapturing) this.#staged.add(seq, subject)
    if (msgId !== undefined) this.#dedup.remember(msgId, seq, this.#clock.monotonicMs())
    this.#lastMsgId = msgId ?? ''
  }

  /** What the roll-up replaces goes once it is on disk itself; the publisher hears after that. */
  #rollUp(
    seq: number,
    subject: string | undefined,
    reply: string,
    committed: Told | undefined,
  ): void {
    const filter = subject === undefined ? {} : { filter: new SubjectFilter(subject) }
    this.#purge({ throughSeq: seq - 1, ...filter }).then(
      () => this.#accept(seq, '', reply, committed),
      (error: unknown) => this.#refuse(error, reply, committed),
    )
  }

  async #purge(options: {
    readonly throughSeq?: number
    readonly filter?: SubjectFilter
    readonly keep?: number
  }): Promise<number> {
    const { throughSeq, filter, keep } = options
    if (throughSeq === 0) return 0
    const { firstSeq } = this.store.state
    const purged = await this.store.purge(options)
    if (purged === 0) return 0
    if (throughSeq === undefined || keep !== undefined) this.consumers.purged()
    else this.consumers.removed(firstSeq, throughSeq, filter)
    return purged
  }

  #accept(seq: number, tail: string, reply: string, committed: Told | undefined): void {
    if (reply !== '') {
      this.#parts.port.publish(reply, '', NO_BYTES, Buffer.from(`${this.#ackHead}${seq}${tail}}`))
    }
    committed?.(undefined)
  }

  #answerDuplicate(seq: number, reply: string, committed: Told | undefined): void {
    // The first one may still be on its way to the disk, and may fail to get there.
    this.#parts.root.barrier((error) => {
      if (error === undefined) this.#accept(seq, ',"duplicate":true', reply, committed)
      else this.#refuse(error, reply, committed)
    })
  }

  #refuse(error: unknown, reply: string, committed: Told | undefined): void {
    const refusal = this.#refusal(error)
    // The caller may be the router in the middle of a delivery.
    queueMicrotask(() => {
      if (reply !== '') {
        const answer = { error: refusal, stream: this.name, seq: 0 }
        this.#parts.port.publish(reply, '', NO_BYTES, Buffer.from(JSON.stringify(answer)))
      }
      committed?.(refusal)
    })
  }

  #refusal(error: unknown): JetStreamError {
    if (codeOf(error) !== 'PETIOLE_STREAM_FULL') return toJetStreamError(error)
    const { max_msgs } = this.#config
    const isByMessages = max_msgs > 0 && this.store.state.messages >= max_msgs
    const text = isByMessages ? 'maximum messages exceeded' : 'maximum bytes exceeded'
    return new JetStreamError(10077, text, { cause: error })
  }

  #settleStaged(): void {
    this.#staged.trim(this.store.assignedSeq)
    this.#staged.settle(this.store.state.lastSeq)
  }

  #committed(): void {
    this.#settleStaged()
    if (this.#evictedLast > 0) {
      // Consumers keep what they have read ahead: it is only no longer counted as still to come.
      this.consumers.evicted(this.#evictedLast)
      this.#evictedLast = 0
    }
    this.consumers.wake()
  }

  async #recoverIds(): Promise<void> {
    const { lastSeq } = this.store.state
    const last = lastSeq === 0 ? undefined : await this.store.get(lastSeq)
    if (last !== undefined) this.#lastMsgId = messageIdOf(last.headers)
    const windowMs = this.#config.duplicate_window / NS_PER_MS
    if (windowMs === 0 || lastSeq === 0) return
    const wallMs = this.#clock.wallMs()
    const nowMs = this.#clock.monotonicMs()
    for (const { id, seq, timeMs } of await this.store.recentIds(wallMs - windowMs)) {
      this.#dedup.remember(id, seq, nowMs - Math.max(0, wallMs - timeMs))
    }
  }
}
