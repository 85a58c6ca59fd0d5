/**
 * Whether a stream takes a message, and as what it is stored. Checks see what is staged: appended,
 * given a sequence, and not on disk yet. The dedup window, the last message id and the last sequences
 * per subject are entered when a message is appended and taken back when its commit fails, so that
 * two publishes in one commit judge each other as if the first were stored already.
 *
 * Checks come nearly in nats-server's order (stream.go, processJetStreamMsg), so that of several reasons to refuse it is mostly the
 * same one. Not so: message ids come before expected sequences, so that a retry that carries both learns that it was stored;
 * sizes come behind those, because only then it is known what would be stored; and a lifetime must be one where nobody is
 * interested in the message, too.
 */
import type { Clock } from '../../runtime/index.ts'
import { onDisk, type Store, type StreamStore } from '../../store/index.ts'
import { isValidSubject, SubjectFilter } from '../../subject/index.ts'
import type { StreamMode } from '../config/stored-config.ts'
import type { StreamConfig } from '../config/stream-config.ts'
import { NO_BYTES, withHeader, withoutHeaders, withoutStatus } from '../headers.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { HEADER_BYTES_MAX, NS_PER_MS, NS_PER_SECOND } from '../limits.ts'
import type { CapturedMessage } from '../port.ts'
import { type Counted, Counters, parseIncrement } from './counters.ts'
import { MessageIds, type MessageIdsParts } from './message-ids.ts'
import { NEVER, parseMessageTtl } from './message-ttl.ts'
import { messageIdOf, NOTHING_ASKED, type PublishHeaders } from './publish-headers.ts'
import { checkSchedule, checkScheduler } from './schedule/schedule-checks.ts'
import { StagedSubjects } from './staged-subjects.ts'
import { SubjectRewrite } from './subject-rewrite.ts'

/** What is checked against: the stream itself, whose configuration changes. */
export interface AdmittingStream {
  readonly name: string
  readonly config: StreamConfig
  readonly mode: StreamMode
  readonly store: StreamStore
}

export type Message = Pick<CapturedMessage, 'subject' | 'subjectBytes' | 'headers' | 'payload'>

/** A message as it is going to be stored. One that asks for nothing is its own draft. */
export interface Draft extends Message {
  /** Seconds that it lives, or NEVER to end. */
  readonly ttl?: number | undefined
  /** It is a schedule, due first at this time. */
  readonly dueMs?: number | undefined
  /** When it was stored, if that was in another stream. */
  readonly timeMs?: number | undefined
  /** What it replaces: all of its subject, or of the stream. */
  readonly rollup?: 'sub' | 'all' | undefined
  readonly counted?: Counted | undefined
}

/** Who publishes: a client, or the stream itself, which may say more. */
export interface Origin {
  readonly isTrusted: boolean
}

const CLIENT: Origin = { isTrusted: false }

export class Admission {
  readonly staged = new StagedSubjects()
  readonly counters = new Counters()
  readonly #stream: AdmittingStream
  readonly #clock: Clock
  readonly #root: Store
  readonly #ids: MessageIds
  readonly #rewrite: SubjectRewrite
  /** Whether the last message of a subject, if there is one, is a schedule. */
  readonly #isScheduleOn: (subject: string) => boolean
  #lastMsgId = ''

  constructor(
    stream: AdmittingStream,
    parts: MessageIdsParts & { readonly root: Store },
    isScheduleOn: (subject: string) => boolean,
  ) {
    this.#stream = stream
    this.#clock = parts.clock
    this.#root = parts.root
    this.#isScheduleOn = isScheduleOn
    this.#rewrite = new SubjectRewrite(stream.config.subject_transform, parts.random)
    this.#ids = new MessageIds(stream.name, parts, stream.config.duplicate_window / NS_PER_MS)
  }

  /** The stream's configuration is another now. */
  configured(): void {
    const { duplicate_window, subject_transform } = this.#stream.config
    this.#ids.windowMs = duplicate_window / NS_PER_MS
    this.#rewrite.configure(subject_transform)
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
    for (const { id, seq, timeMs } of await store.recentIds(wallMs - windowMs)) {
      this.#ids.remember(id, seq, Math.max(0, wallMs - timeMs))
    }
  }

  /** The subject under which what comes on this one is stored. */
  subjectOf(subject: string): string {
    return this.#rewrite.subjectOf(subject)
  }

  /** Resolves once the message can be checked; undefined when it can be now. */
  prepare(message: Message, asked: PublishHeaders): Promise<void> | undefined {
    const isExpecting = asked.expectedLastSubjectSeq !== undefined
    if (isExpecting && this.#stream.store.stage.isClearing) return this.#barrier()
    if (asked.increment === undefined || this.#stream.config.allow_msg_counter !== true) {
      return undefined
    }
    const subject = this.#rewrite.subjectOf(message.subject)
    const seq = this.lastSeqOn(subject)
    return this.counters.isMissing(subject, seq) ? this.#readCounter(subject, seq) : undefined
  }

  /** What is to be stored, or the sequence of the message that it repeats. Throws a refusal. */
  check(message: Message, asked: PublishHeaders, origin = CLIENT): Draft | number {
    const { config, name } = this.#stream
    if (config.sealed) throw new JetStreamError(10109)
    const renamed = this.#rewrite.isActive ? this.#rewrite.of(message) : message
    if (asked === NOTHING_ASKED) return this.#checkPlain(renamed)
    if (!origin.isTrusted) this.#checkIncrement(asked, message.payload)
    if (asked.expectedStream !== undefined && asked.expectedStream !== name) {
      throw new JetStreamError(10060)
    }
    const ttl = asked.ttl === undefined ? 0 : parseMessageTtl(asked.ttl)
    if (!origin.isTrusted && !config.allow_msg_ttl && ttl !== undefined && ttl !== 0) {
      throw new JetStreamError(10166)
    }
    if (asked.msgId !== undefined) {
      const seq = this.#ids.find(asked.msgId)
      if (seq !== undefined) return seq
      if (!origin.isTrusted) this.#ids.requireRoom()
    }
    this.#checkExpected(renamed, asked)
    const dueMs = origin.isTrusted ? undefined : this.#checkSchedules(renamed, asked)
    this.#checkRest(asked, origin)
    const rollup = this.#checkRollUp(dueMs === undefined ? asked.rollup : 'sub', origin)
    const { subject, subjectBytes } = renamed
    const sent = storedHeaders(message.headers, asked, dueMs)
    const counted =
      config.allow_msg_counter === true ? this.#count(renamed, sent, asked) : undefined
    const { headers, payload } = counted ?? { headers: sent, payload: message.payload }
    this.#checkSize(headers, payload)
    if (ttl === undefined) throw new JetStreamError(10165)
    const lives = ttl === 0 || !config.allow_msg_ttl ? undefined : this.#lifetime(ttl)
    const isLonger = lives !== undefined && lives !== ttl
    if (rollup === undefined && config.discard_new_per_subject === true) {
      this.#checkSubjectRoom(subject)
    }
    return {
      subject,
      subjectBytes,
      headers: isLonger ? withLifetime(headers, lives) : headers,
      payload,
      ttl: lives,
      dueMs,
      rollup,
      counted,
    }
  }

  /** A message has its sequence, and waits for the disk. Returns the id that it puts out of sight. */
  stage(seq: number, draft: Draft, asked: PublishHeaders): string {
    const before = this.#lastMsgId
    const { msgId } = asked
    this.stageSubject(seq, this.#stream.mode.isCapturing ? draft.subject : '')
    if (msgId !== undefined) this.#ids.remember(msgId, seq)
    if (draft.counted !== undefined) this.counters.staged(draft.subject, seq, draft.counted)
    this.#lastMsgId = msgId ?? ''
    return before
  }

  /** The same for a message that asks for nothing. */
  stagePlain(seq: number, subject: string): void {
    this.stageSubject(seq, subject)
    this.#lastMsgId = ''
  }

  undoPlain(before: string): void {
    if (this.#lastMsgId === '') this.#lastMsgId = before
  }

  get lastMsgId(): string {
    return this.#lastMsgId
  }

  /** A stream that does not capture by itself keeps no account of what is staged. */
  stageSubject(seq: number, subject: string): void {
    if (this.#stream.mode.isCapturing) this.staged.add(seq, subject)
  }

  /** Its commit failed, or its transaction was undone. @param before what `stage` returned */
  undo(seq: number, draft: Draft, { msgId }: PublishHeaders, before: string): void {
    if (msgId !== undefined) this.#ids.forget(msgId, seq)
    if (this.#lastMsgId === (msgId ?? '')) this.#lastMsgId = before
    if (draft.counted !== undefined) this.counters.undone(draft.subject)
  }

  /** An id that came with a message that its owner decided on. */
  remember(msgId: string, seq: number): void {
    this.#ids.remember(msgId, seq)
  }

  /** The store committed, or gave sequences back. */
  settle(): void {
    const { store } = this.#stream
    this.staged.trim(store.assignedSeq)
    this.staged.settle(store.lastSeq)
  }

  /** The newest sequence on a subject, stored or staged. Throws 10164 when that can not be told. */
  lastSeqOn(subject: string): number {
    const { store, mode } = this.#stream
    this.settle()
    if (!mode.isCapturing && store.assignedSeq > store.lastSeq) {
      // What is in flight of a buffer makes the answer unknown.
      throw new JetStreamError(10164)
    }
    // Nothing is ever stored on what is no subject.
    if (!isValidSubject(subject)) return 0
    const filter = new SubjectFilter(subject)
    const staged = filter.isLiteral
      ? this.staged.lastSeqOf(subject)
      : this.staged.lastSeqWhere((other) => filter.matchesText(other))
    let stored = filter.isLiteral ? store.lastSeqOf(subject) : store.lastSeqMatching(filter)
    const { stage } = store
    // Who asks while more than a few are leaving has waited in `prepare`.
    while (stored > staged && !stage.isClearing && stage.isLeaving(stored)) {
      stored = store.lastSeqMatching(filter, stored - 1)
    }
    const last = Math.max(staged, stored)
    return last <= stage.leavingThrough ? 0 : last
  }

  #checkPlain(message: Message): Message {
    const { config } = this.#stream
    if (config.allow_msg_counter === true) throw new JetStreamError(10169)
    // Headers that ask for nothing name no way that the message came either.
    const headers = message.headers.length === 0 ? NO_BYTES : withoutStatus(message.headers)
    this.#checkSize(headers, message.payload)
    if (config.discard_new_per_subject === true) this.#checkSubjectRoom(message.subject)
    if (headers.length === message.headers.length) return message
    const { subject, subjectBytes, payload } = message
    return { subject, subjectBytes, headers, payload }
  }

  /** Throws 10168, 10170 or 10171. */
  #checkIncrement(asked: PublishHeaders, payload: Uint8Array): void {
    if (asked.increment === undefined) return
    // Long numbers cost much more than their bytes; nats-server looks at the length later.
    if (asked.increment.length > HEADER_BYTES_MAX) throw new JetStreamError(10097)
    if (parseIncrement(asked.increment) === undefined) throw new JetStreamError(10171)
    if (this.#stream.config.allow_msg_counter !== true) throw new JetStreamError(10168)
    if (payload.length > 0) throw new JetStreamError(10170)
    const others = [
      asked.rollup,
      asked.expectedStream,
      asked.expectedLastMsgId,
      asked.expectedSubject,
      asked.expectedLastSeq,
      asked.expectedLastSubjectSeq,
    ]
    if (others.some((other) => other !== undefined)) throw new JetStreamError(10171)
  }

  #checkExpected(message: Message, asked: PublishHeaders): void {
    const { expectedLastSubjectSeq, expectedLastSeq } = asked
    const { store } = this.#stream
    if (expectedLastSubjectSeq !== undefined) {
      const last = this.lastSeqOn(asked.expectedSubject ?? message.subject)
      if (last !== expectedLastSubjectSeq) throw new JetStreamError(10071, String(last))
    } else if (asked.expectedSubject !== undefined) {
      throw new JetStreamError(10193)
    }
    if (expectedLastSeq !== undefined && expectedLastSeq !== store.assignedSeq) {
      throw new JetStreamError(10071, String(store.assignedSeq))
    }
  }

  #checkSchedules(message: Message, asked: PublishHeaders): number | undefined {
    const { config } = this.#stream
    const dueMs = checkSchedule(config, message.subject, asked, this.#clock.wallMs())
    checkScheduler(config, message.subject, asked, this.#isScheduleOn)
    return dueMs
  }

  #checkRest(asked: PublishHeaders, { isTrusted }: Origin): void {
    if (asked.source !== undefined && !isTrusted) throw new JetStreamError(10227)
    if (asked.expectedLastMsgId !== undefined && asked.expectedLastMsgId !== this.#lastMsgId) {
      throw new JetStreamError(10070, this.#lastMsgId)
    }
  }

  /** Throws 10111. */
  #checkRollUp(rollup: string | undefined, { isTrusted }: Origin): Draft['rollup'] {
    const { config } = this.#stream
    if (rollup === undefined) return undefined
    if (!isTrusted && !(config.allow_rollup_hdrs && !config.deny_purge)) {
      throw new JetStreamError(10111, 'rollup not permitted')
    }
    if (rollup === 'sub' || rollup === 'all') return rollup
    throw new JetStreamError(10111, `rollup value invalid: ${JSON.stringify(rollup)}`)
  }

  /** Throws 10169 or 10172. */
  #count({ subject, payload }: Message, headers: Uint8Array, asked: PublishHeaders): Counted {
    const increment = parseIncrement(asked.increment ?? '')
    if (increment === undefined) throw new JetStreamError(10169)
    const last = this.lastSeqOn(subject)
    // Its total could not be read.
    if (this.counters.isMissing(subject, last)) throw new JetStreamError(10008)
    if (asked.source === undefined) return this.counters.count(subject, last, headers, increment)
    return this.counters.countSourced(subject, last, { headers, payload }, asked.source)
  }

  #checkSize(headers: Uint8Array, payload: Uint8Array): void {
    const { max_msg_size } = this.#stream.config
    if (max_msg_size >= 0 && headers.length + payload.length > max_msg_size) {
      throw new JetStreamError(10054)
    }
    if (headers.length > HEADER_BYTES_MAX) throw new JetStreamError(10097)
  }

  /**
   * A message that lives shorter than the marker of its subject could hide that marker's end; where
   * each subject has one message there is nothing to hide.
   */
  #lifetime(asked: number): number {
    const { subject_delete_marker_ttl = 0, max_msgs_per_subject } = this.#stream.config
    const least = Math.floor(subject_delete_marker_ttl / NS_PER_SECOND)
    return asked === NEVER || max_msgs_per_subject === 1 ? asked : Math.max(asked, least)
  }

  #checkSubjectRoom(subject: string): void {
    const { store, config } = this.#stream
    this.settle()
    const stored = store.subjects(new SubjectFilter(subject), 1).get(subject) ?? 0
    if (this.staged.countWith(subject, stored) >= config.max_msgs_per_subject) {
      throw new JetStreamError(10077, 'maximum messages per subject exceeded')
    }
  }

  #barrier(): Promise<void> {
    return onDisk((done) => this.#root.barrier(done))
  }

  async #readCounter(subject: string, seq: number): Promise<void> {
    const { store } = this.#stream
    if (seq > store.lastSeq) await this.#barrier()
    const message = await store.get(seq)
    this.counters.learn(subject, seq, message)
  }
}

/** Without what is about the way that the message came; a schedule replaces the one before it. */
function storedHeaders(
  sent: Uint8Array,
  { isForwarded, rollup }: PublishHeaders,
  dueMs: number | undefined,
): Uint8Array {
  let headers = withoutStatus(sent)
  if (isForwarded) headers = withoutHeaders(headers, (name) => name === 'Nats-Request-Info')
  if (dueMs === undefined || rollup !== undefined) return headers
  return withHeader(headers, 'Nats-Rollup', 'sub')
}

function withLifetime(headers: Uint8Array, seconds: number): Uint8Array {
  const bare = withoutHeaders(headers, (name) => name === 'Nats-TTL')
  return withHeader(bare, 'Nats-TTL', String(seconds))
}
