/**
 * The way of a message into its stream: read what its headers ask, check it, append it, and answer
 * once it is on disk. `prepare`, `check` and `appendChecked` are those steps for who has several
 * messages to take together; `transaction` takes back what they have done when one is refused.
 */
import type { Log } from '../../log/index.ts'
import { type Cancel, type Clock, messageOf, type Random, Tasks } from '../../runtime/index.ts'
import { type Committed, RetentionClock, type Store } from '../../store/index.ts'
import type { AccountLimits } from '../account-limits.ts'
import type { StreamRoom } from '../account-room.ts'
import type { Advisories } from '../advisories.ts'
import { Batching } from '../batch/batching.ts'
import { fastReplyOf } from '../batch/fast-reply.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { EXPIRY_RETRY_MS } from '../limits.ts'
import type { CapturedMessage, StreamPort } from '../port.ts'
import { Admission, type Draft, type Message, type Origin } from './admission.ts'
import { Expiry } from './expiry.ts'
import { IngestLine } from './ingest-line.ts'
import { parseMessageTtl } from './message-ttl.ts'
import { PubAcks, type Told, type Waiting } from './pub-ack.ts'
import {
  messageIdOf,
  NOTHING_ASKED,
  type PublishHeaders,
  parsePublishHeaders,
} from './publish-headers.ts'
import { Republishing } from './republishing.ts'
import { Schedules } from './schedule/schedules.ts'
import { Storing, type StoringStream } from './storing.ts'

/** A subject in both its forms: an owner that appends many has them at hand. */
export interface AppendSubject {
  readonly text: string
  readonly bytes: Uint8Array
}

/** What publishing needs of its stream. */
export interface PublishingStream extends StoringStream {
  /** What the account has left. */
  readonly room: StreamRoom
}

export interface PublishingParts {
  readonly clock: Clock
  readonly random: Random
  readonly port: StreamPort
  readonly log: Log
  /** For what is answered only after everything before it is on disk. */
  readonly root: Store
  readonly domain: string
  readonly advisories: Advisories
  /** What this server can do, for publishers that ask for more. */
  readonly apiLevel: number
  readonly limits: AccountLimits
}

/** Refusals that name the last message id or sequence. */
const TELLING: ReadonlySet<number> = new Set([10070, 10071])

/** It may say what only a stream says of itself, or of what it got from another. */
const ITSELF: Origin = { isTrusted: true }

export class Publishing {
  readonly acks: PubAcks
  readonly #stream: PublishingStream
  readonly #parts: PublishingParts
  readonly #admission: Admission
  readonly #line: IngestLine
  readonly #republishing: Republishing
  readonly #expiry: Expiry
  readonly #schedules: Schedules
  readonly #storing: Storing
  readonly #batching: Batching
  readonly #tasks: Tasks
  /** What may wait for the disk; undefined: as much as the store takes. */
  readonly #waitingMax: { readonly messages: number; readonly bytes: number } | undefined
  #cancelRetry: Cancel | undefined
  /** Of all messages that ask for nothing; `whom` is whoever waits, or only his reply subject. */
  readonly #plainStored: Committed = (error, seq, whom) => {
    const waiting = typeof whom === 'string' ? { reply: whom, committed: undefined } : whom
    if (error === undefined) this.acks.accept(seq, '', waiting as Waiting)
    else this.acks.refuse(error, waiting as Waiting)
  }

  constructor(stream: PublishingStream, parts: PublishingParts) {
    const { clock, random, port, log, root, domain } = parts
    this.#stream = stream
    this.#parts = parts
    this.#waitingMax = waitingMaxOf(parts.limits)
    this.acks = new PubAcks(port, stream.name, domain)
    const admission = new Admission(stream, parts, (subject) => this.#isScheduleOn(subject))
    this.#admission = admission
    this.#republishing = new Republishing(port, random, stream.name)
    this.#republishing.configure(stream.config.republish)
    const retentionClock = retentionClockOf(root, clock)
    const lastSeqOn = (subject: string): number => admission.lastSeqOn(subject)
    this.#expiry = new Expiry(stream, {
      clock,
      retentionClock,
      log,
      isLast: (subject, seq) => lastSeqOn(subject) === seq,
      publish: (message) => this.#publishOwn(message),
    })
    this.#schedules = new Schedules(stream.store, {
      clock,
      retentionClock,
      log,
      lastSeqOn,
      publish: (message, along) => this.#publishOwn(message, along),
    })
    const features = {
      expiry: this.#expiry,
      schedules: this.#schedules,
      republishing: this.#republishing,
    }
    this.#storing = new Storing(stream, { clock, root, admission, ...features })
    this.#batching = this.#newBatching()
    this.#line = new IngestLine(
      (message) => this.prepare(message, parsePublishHeaders(message.headers)),
      ({ message, waiting }) => this.#take(message, waiting),
    )
    this.#tasks = new Tasks((_, error) => {
      log.error({ err: messageOf(error) }, 'lifetimes of messages not read, it is tried again')
      this.#cancelRetry = clock.after(EXPIRY_RETRY_MS, () => this.#recoverLater())
    })
    // A stream that is new has nothing to recover.
    if (stream.store.assignedSeq === 0) this.#expiry.recovered()
  }

  /** Learns again what only memory knew. */
  async recover(): Promise<void> {
    await this.#admission.recover()
    const { config } = this.#stream
    // Whether a subject has a schedule is asked of each message that says so.
    if (config.allow_msg_schedules === true) await this.#recoverMarked()
    else if (config.allow_msg_ttl) this.#recoverLater()
    else this.#expiry.recovered()
  }

  /** How many messages have a lifetime, and how many are schedules. */
  get deadlines(): readonly [lifetimes: number, schedules: number] {
    return [this.#expiry.size, this.#schedules.size]
  }

  /** The stream's configuration is another now. */
  configured(): void {
    this.#admission.configured()
    this.#republishing.configure(this.#stream.config.republish)
    this.#expiry.configured()
    this.#batching.configured()
  }

  /** The store committed something of this stream. */
  settle(): void {
    this.#admission.settle()
    this.#expiry.stored()
  }

  close(): void {
    this.#batching.close()
    this.#expiry.close()
    this.#schedules.close()
    this.#cancelRetry?.()
    this.#tasks.destroy().catch(() => {})
  }

  /** One published message: checked, appended, acknowledged to its `reply` after the commit. */
  ingest(message: CapturedMessage): void {
    const committed = message.takeCommitted()
    const said = fastReplyOf(message.reply, message.headers)
    const isMute = this.#stream.config.no_ack === true && said === undefined
    const reply = isMute ? '' : message.reply
    const waiting = said === undefined ? { reply, committed } : { reply, committed, said }
    if (this.#isBusy) this.acks.refuse(new JetStreamError(10167), waiting)
    else if (this.#line.isEmpty) this.#take(message, waiting)
    else this.#waitInLine(message, waiting)
  }

  /** Resolves once the message can be checked; undefined when it can be now. */
  prepare(message: Message, asked: PublishHeaders): Promise<void> | undefined {
    if (asked.batch !== undefined) return this.#batching.prepare(message, asked)
    return this.#admission.prepare(message, asked)
  }

  /** What is to be stored, or the sequence of the message that it repeats. Throws a refusal. */
  check(message: Message, asked: PublishHeaders, origin?: Origin): Draft | number {
    const draft = this.#admission.check(message, asked, origin)
    if (typeof draft !== 'number') this.#stream.room.check(draft)
    return draft
  }

  /**
   * Appends what was checked in this same turn. Throws what the store refuses; then nothing was
   * appended. `committed` is called when the message was seen to in all other ways.
   * @returns its sequence
   */
  appendChecked(draft: Draft, asked: PublishHeaders, committed: Committed): number {
    const seq = this.#storing.append(draft, asked, committed)
    this.#stream.room.update()
    return seq
  }

  /**
   * `Store.transaction` for work that calls `check` and `appendChecked`: each sees what the ones before
   * it did, and when one throws, what they remember is as it was before. May be nested.
   */
  transaction(work: () => void): void {
    this.#storing.transaction(work)
  }

  /** Appends what its owner has decided on already; see `Stream.append`. */
  append(
    subject: AppendSubject,
    headers: Uint8Array,
    payload: Uint8Array,
    committed?: Committed,
    timeMs?: number,
  ): number {
    const { store, config, consumers } = this.#stream
    if (!consumers.interest.wants(subject.text)) {
      const skipped = store.assignedSeq + 1
      store.skipTo(skipped + 1, (error) => committed?.(error, skipped))
      return skipped
    }
    const msgId = headers.length === 0 ? '' : messageIdOf(headers)
    const ttl = config.allow_msg_ttl ? ttlOf(headers) : 0
    let done = committed
    if (msgId !== '' || ttl !== 0) {
      done = (error, seq) => {
        if (error === undefined && msgId !== '') this.#admission.remember(msgId, seq)
        if (error === undefined && ttl !== 0) {
          this.#expiry.add(seq, ttl, timeMs ?? this.#parts.clock.wallMs())
        }
        committed?.(error, seq)
      }
    }
    const seq = store.append(subject.bytes, headers, payload, done, timeMs, ttl !== 0)
    this.#admission.stageSubject(seq, subject.text)
    this.#stream.room.update()
    return seq
  }

  /** More waits for the disk than may. */
  get #isBusy(): boolean {
    if (this.#waitingMax === undefined) return false
    const { assignedSeq, lastSeq, stage } = this.#stream.store
    const waiting = assignedSeq - lastSeq
    return waiting >= this.#waitingMax.messages || stage.bytes > this.#waitingMax.bytes
  }

  #take(message: Message, waiting: Waiting): void {
    try {
      const asked = parsePublishHeaders(message.headers)
      if (this.prepare(message, asked) !== undefined) {
        this.#line.add(message, waiting)
        return
      }
      if (this.#batching.isPart(asked, waiting)) {
        this.#batching.take(message, asked, waiting)
        return
      }
      const draft = this.check(message, asked)
      if (typeof draft === 'number') this.#answerDuplicate(draft, waiting)
      else if (asked === NOTHING_ASKED && this.#storing.isPlain) this.#storePlain(draft, waiting)
      else this.#store(draft, asked, waiting)
    } catch (error) {
      this.#refuse(error, waiting)
    }
  }

  #newBatching(): Batching {
    const admission = this.#admission
    const target = {
      subjectOf: (subject: string) => admission.subjectOf(subject),
      prepare: admission.prepare.bind(admission),
      check: this.check.bind(this),
      appendChecked: this.appendChecked.bind(this),
      transaction: this.transaction.bind(this),
      whenTold: this.#whenTold.bind(this),
    }
    return new Batching(this.#stream, target, { ...this.#parts, acks: this.acks })
  }

  #waitInLine(message: Message, waiting: Waiting): void {
    try {
      this.#line.add(message, waiting)
    } catch (error) {
      this.acks.refuse(error, waiting)
    }
  }

  #refuse(error: unknown, waiting: Waiting): void {
    this.#whenTold(error, (failed) => this.acks.refuse(failed ?? error, waiting))
  }

  /** What a refusal tells of the stream may be on its way to the disk still, and may not get there. */
  #whenTold(error: unknown, then: Told): void {
    const { store } = this.#stream
    const isTelling = error instanceof JetStreamError && TELLING.has(error.errCode)
    if (!isTelling || store.assignedSeq === store.lastSeq) then(undefined)
    else this.#parts.root.barrier(then)
  }

  #storePlain(draft: Draft, waiting: Waiting): void {
    const { reply, committed } = waiting
    this.#storing.plain(draft, this.#plainStored, committed === undefined ? reply : waiting)
    this.#stream.room.update()
  }

  #store(draft: Draft, asked: PublishHeaders, waiting: Waiting): void {
    const { counted } = draft
    const tail = counted === undefined ? '' : `,"val":"${counted.value}"`
    this.appendChecked(draft, asked, (error, seq) => {
      if (error === undefined) this.acks.accept(seq, tail, waiting)
      else this.acks.refuse(error, waiting)
    })
  }

  /** Resolves with its sequence when it is on disk. @param along appended in the same transaction */
  #publishOwn(message: Message, along?: () => void): Promise<number> {
    return new Promise((resolve, reject) => {
      const asked = parsePublishHeaders(message.headers)
      const committed: Committed = (error, seq) => (error ? reject(error) : resolve(seq))
      const draft = this.check(message, asked, ITSELF)
      if (typeof draft === 'number') return resolve(draft)
      this.transaction(() => {
        along?.()
        this.appendChecked(draft, asked, committed)
      })
    })
  }

  #answerDuplicate(seq: number, waiting: Waiting): void {
    // The first one may still be on its way to the disk, and may fail to get there.
    this.#parts.root.barrier((error) => {
      if (error === undefined) this.acks.accept(seq, ',"duplicate":true', waiting)
      else this.acks.refuse(error, waiting)
    })
  }

  /** Messages may be published and read meanwhile. */
  #recoverLater(): void {
    this.#tasks.run('deadlines', (signal) => this.#recoverMarked(signal))
  }

  async #recoverMarked(signal?: AbortSignal): Promise<void> {
    const { lastSeq } = this.#stream.store
    for await (const message of this.#stream.store.marked()) {
      if (signal?.aborted) return
      // What came since the start is known already.
      if (message.seq > lastSeq) break
      const { ttl, schedule } = parsePublishHeaders(message.headers)
      const seconds = ttl === undefined ? 0 : (parseMessageTtl(ttl) ?? 0)
      if (seconds !== 0) this.#expiry.add(message.seq, seconds, message.timeMs)
      if (schedule !== undefined) this.#schedules.recover(message, schedule)
    }
    this.#schedules.recovered()
    this.#expiry.recovered()
  }

  #isScheduleOn(subject: string): boolean {
    const seq = this.#admission.lastSeqOn(subject)
    return seq === 0 || this.#schedules.has(seq)
  }
}

function waitingMaxOf({ server }: AccountLimits) {
  const { bufferedMessagesMax, bufferedBytesMax } = server
  if (bufferedMessagesMax === 0 && bufferedBytesMax === 0) return undefined
  return { messages: bufferedMessagesMax || Infinity, bytes: bufferedBytesMax || Infinity }
}

/** 0 when there is none. */
function ttlOf(headers: Uint8Array): number {
  const { ttl } = parsePublishHeaders(headers)
  return ttl === undefined ? 0 : (parseMessageTtl(ttl) ?? 0)
}

/** One for all streams of a store: at first it looks at what each of them holds. */
const RETENTION_CLOCKS = new WeakMap<Store, RetentionClock>()

function retentionClockOf(root: Store, clock: Clock): RetentionClock {
  const known = RETENTION_CLOCKS.get(root)
  if (known !== undefined) return known
  const made = new RetentionClock(clock, () => newestMs(root))
  RETENTION_CLOCKS.set(root, made)
  return made
}

/** The time of the newest message in the store. */
function newestMs({ streams }: Store): number {
  let newest = 0
  for (const { state } of streams.values()) newest = Math.max(newest, state.lastTimeMs)
  return newest
}
