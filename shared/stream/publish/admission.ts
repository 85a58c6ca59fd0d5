/**
 * Whether a stream takes a message. Checks see what is staged: appended, given a sequence, and not on
 * disk yet. The dedup window, the last message id and the last sequences per subject are entered when
 * a message is appended and taken back when its commit fails, so that two publishes in one commit
 * judge each other as if the first were stored already.
 */
import type { Clock } from '../../runtime/index.ts'
import type { StreamStore } from '../../store/index.ts'
import { SubjectFilter } from '../../subject/index.ts'
import type { StreamMode } from '../config/stored-config.ts'
import type { StreamConfig } from '../config/stream-config.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { DEDUP_IDS_MAX, NS_PER_MS } from '../limits.ts'
import type { CapturedMessage } from '../port.ts'
import { DedupWindow } from './dedup-window.ts'
import { messageIdOf, type PublishHeaders } from './publish-headers.ts'
import { StagedSubjects } from './staged-subjects.ts'

/** What is checked against: the stream itself, whose configuration changes. */
export interface AdmittingStream {
  readonly name: string
  readonly config: StreamConfig
  readonly mode: StreamMode
  readonly store: StreamStore
}

export class Admission {
  readonly #stream: AdmittingStream
  readonly #clock: Clock
  readonly #dedup: DedupWindow
  readonly #staged = new StagedSubjects()
  #lastMsgId = ''

  constructor(stream: AdmittingStream, clock: Clock) {
    this.#stream = stream
    this.#clock = clock
    this.#dedup = new DedupWindow(stream.config.duplicate_window / NS_PER_MS, DEDUP_IDS_MAX)
  }

  /** The stream's configuration is another now. */
  configured(): void {
    this.#dedup.windowMs = this.#stream.config.duplicate_window / NS_PER_MS
  }

  /** Learns again what only memory knew. */
  async recover(): Promise<void> {
    const { store, config } = this.#stream
    const { lastSeq } = store.state
    const last = lastSeq === 0 ? undefined : await store.get(lastSeq)
    if (last !== undefined) this.#lastMsgId = messageIdOf(last.headers)
    const windowMs = config.duplicate_window / NS_PER_MS
    if (windowMs === 0 || lastSeq === 0) return
    const wallMs = this.#clock.wallMs()
    const nowMs = this.#clock.monotonicMs()
    for (const { id, seq, timeMs } of await store.recentIds(wallMs - windowMs)) {
      this.#dedup.remember(id, seq, nowMs - Math.max(0, wallMs - timeMs))
    }
  }

  /** Returns the sequence of the stored duplicate, if the message is one. Throws a refusal. */
  check(message: CapturedMessage, headers: PublishHeaders): number | undefined {
    const { config, name } = this.#stream
    if (config.sealed) throw new JetStreamError(10109)
    if (headers.expectedStream !== undefined && headers.expectedStream !== name) {
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

  /** A message has its sequence, and waits for the disk. Returns what it puts out of sight. */
  staged(seq: number, subject: string, msgId: string | undefined): string {
    const before = this.#lastMsgId
    this.stagedSubject(seq, subject)
    if (msgId !== undefined) this.#dedup.remember(msgId, seq, this.#clock.monotonicMs())
    this.#lastMsgId = msgId ?? ''
    return before
  }

  /** A stream that does not capture by itself keeps no account of what is staged. */
  stagedSubject(seq: number, subject: string): void {
    if (this.#stream.mode.isCapturing) this.#staged.add(seq, subject)
  }

  /** Its commit failed. @param before what `staged` returned */
  undone(seq: number, msgId: string | undefined, before: string): void {
    if (msgId !== undefined) this.#dedup.forget(msgId, seq)
    if (this.#lastMsgId === (msgId ?? '')) this.#lastMsgId = before
  }

  /** An id that came with a message that its owner decided on. */
  remember(msgId: string, seq: number): void {
    this.#dedup.remember(msgId, seq, this.#clock.monotonicMs())
  }

  /** The store committed, or gave sequences back. */
  settle(): void {
    const { store } = this.#stream
    this.#staged.trim(store.assignedSeq)
    this.#staged.settle(store.state.lastSeq)
  }

  #checkExpected(message: CapturedMessage, headers: PublishHeaders): void {
    const { expectedLastSubjectSeq, expectedLastSeq, expectedLastMsgId } = headers
    const { store } = this.#stream
    if (expectedLastSubjectSeq !== undefined) {
      const subject = headers.expectedSubject ?? message.subject
      const last = this.#lastSeqOn(subject)
      if (last !== expectedLastSubjectSeq) throw new JetStreamError(10071, String(last))
    }
    if (expectedLastSeq !== undefined && expectedLastSeq !== store.assignedSeq) {
      throw new JetStreamError(10071, String(store.assignedSeq))
    }
    if (expectedLastMsgId !== undefined && expectedLastMsgId !== this.#lastMsgId) {
      throw new JetStreamError(10070, this.#lastMsgId)
    }
  }

  /** The newest sequence on a subject, stored or staged. */
  #lastSeqOn(subject: string): number {
    const { store, mode } = this.#stream
    this.settle()
    if (!mode.isCapturing && store.assignedSeq > store.state.lastSeq) {
      // What is in flight of a buffer makes the answer unknown.
      throw new JetStreamError(10164)
    }
    const filter = new SubjectFilter(subject)
    if (filter.isLiteral) {
      return Math.max(this.#staged.lastSeqOf(subject), store.lastSeqOf(subject))
    }
    const staged = this.#staged.lastSeqWhere((other) => filter.matchesText(other))
    return Math.max(staged, store.lastSeqMatching(filter))
  }

  #checkSubjectRoom(subject: string): void {
    const { store, config } = this.#stream
    this.settle()
    const stored = store.subjects(new SubjectFilter(subject), 1).get(subject) ?? 0
    if (stored + this.#staged.countOf(subject) >= config.max_msgs_per_subject) {
      throw new JetStreamError(10077, 'maximum messages per subject exceeded')
    }
  }
}
