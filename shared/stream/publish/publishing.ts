/**
 * The way of a message into its stream: read what its headers ask, check it, append it, and answer
 * once it is on disk. `check` and `appendChecked` are those steps for who has several messages to
 * take together.
 */
import type { Clock } from '../../runtime/index.ts'
import type { Committed, Store } from '../../store/index.ts'
import { SubjectFilter } from '../../subject/index.ts'
import type { StreamRoom } from '../account-room.ts'
import type { CapturedMessage, StreamPort } from '../port.ts'
import type { Purge } from '../stream.ts'
import { Admission, type AdmittingStream } from './admission.ts'
import { PubAcks, type Waiting } from './pub-ack.ts'
import { messageIdOf, type PublishHeaders, parsePublishHeaders } from './publish-headers.ts'

/** A subject in both its forms: an owner that appends many has them at hand. */
export interface AppendSubject {
  readonly text: string
  readonly bytes: Uint8Array
}

/** What publishing needs of its stream. */
export interface PublishingStream extends AdmittingStream {
  readonly room: StreamRoom
  purgeUnasked(options: Purge): Promise<number>
}

export interface PublishingParts {
  readonly clock: Clock
  readonly port: StreamPort
  /** For what is answered only after everything before it is on disk. */
  readonly root: Store
  readonly domain: string
}

export class Publishing {
  readonly acks: PubAcks
  readonly #stream: PublishingStream
  readonly #parts: PublishingParts
  readonly #admission: Admission

  constructor(stream: PublishingStream, parts: PublishingParts) {
    this.#stream = stream
    this.#parts = parts
    this.#admission = new Admission(stream, parts.clock)
    this.acks = new PubAcks(parts.port, stream.name, parts.domain, () => this.#fullText())
  }

  recover(): Promise<void> {
    return this.#admission.recover()
  }

  /** The stream's configuration is another now. */
  configured(): void {
    this.#admission.configured()
  }

  /** The store committed something of this stream. */
  settle(): void {
    this.#admission.settle()
  }

  /** One published message: checked, appended, acknowledged to its `reply` after the commit. */
  ingest(message: CapturedMessage): void {
    const committed = message.takeCommitted()
    const reply = this.#stream.config.no_ack === true ? '' : message.reply
    const waiting = { reply, committed }
    try {
      const headers = parsePublishHeaders(message.headers)
      const duplicate = this.check(message, headers)
      if (duplicate === undefined) this.#store(message, headers, waiting)
      else this.#answerDuplicate(duplicate, waiting)
    } catch (error) {
      this.acks.refuse(error, waiting)
    }
  }

  /** Returns the sequence of the stored duplicate, if the message is one. Throws a refusal. */
  check(message: CapturedMessage, headers: PublishHeaders): number | undefined {
    const duplicate = this.#admission.check(message, headers)
    if (duplicate === undefined) this.#stream.room.take(message)
    return duplicate
  }

  /**
   * Appends what was checked in this same turn. May be called inside `Store.transaction`.
   * @returns its sequence
   */
  appendChecked(message: CapturedMessage, headers: PublishHeaders, committed: Committed): number {
    const { msgId } = headers
    const seq = this.#stream.store.append(
      message.subjectBytes,
      message.headers,
      message.payload,
      (error, stored) => {
        if (error !== undefined) this.#admission.undone(stored, msgId, before)
        committed(error, stored)
      },
    )
    const subject = this.#stream.mode.isCapturing ? message.subject : ''
    const before = this.#admission.staged(seq, subject, msgId)
    return seq
  }

  /** Appends what its owner has decided on already; see `Stream.append`. */
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
        if (error === undefined) this.#admission.remember(msgId, seq)
        committed?.(error, seq)
      }
    }
    const seq = this.#stream.store.append(subject.bytes, headers, payload, done, timeMs)
    this.#admission.stagedSubject(seq, subject.text)
    return seq
  }

  #store(message: CapturedMessage, headers: PublishHeaders, waiting: Waiting): void {
    const { rollup } = headers
    const subject = rollup === 'sub' ? message.subject : undefined
    this.appendChecked(message, headers, (error, seq) => {
      if (error !== undefined) this.acks.refuse(error, waiting)
      else if (rollup === undefined) this.acks.accept(seq, '', waiting)
      else this.#rollUp(seq, subject, waiting)
    })
  }

  /** What the roll-up replaces goes once it is on disk itself; the publisher hears after that. */
  #rollUp(seq: number, subject: string | undefined, waiting: Waiting): void {
    const filter = subject === undefined ? {} : { filter: new SubjectFilter(subject) }
    this.#stream.purgeUnasked({ throughSeq: seq - 1, ...filter }).then(
      () => this.acks.accept(seq, '', waiting),
      (error: unknown) => this.acks.refuse(error, waiting),
    )
  }

  #answerDuplicate(seq: number, waiting: Waiting): void {
    // The first one may still be on its way to the disk, and may fail to get there.
    this.#parts.root.barrier((error) => {
      if (error === undefined) this.acks.accept(seq, ',"duplicate":true', waiting)
      else this.acks.refuse(error, waiting)
    })
  }

  #fullText(): string {
    const { config, store } = this.#stream
    const isByMessages = config.max_msgs > 0 && store.state.messages >= config.max_msgs
    return isByMessages ? 'maximum messages exceeded' : 'maximum bytes exceeded'
  }
}
