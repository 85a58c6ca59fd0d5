/** Messages of a stream that wait for their commit: they count where a limit refuses new ones. */
import { PetioleError } from '../runtime/index.ts'
import { SUBJECT_BYTES_MAX } from './limits.ts'
import type { RecordCursor } from './record.ts'
import type { StreamIndex } from './stream-index.ts'
import type { StreamLimits } from './stream-store.ts'

/** A stream whose limits refuse new messages has no room for one; which limit it was decides what its publisher is told. */
export class StreamFullError extends PetioleError {
  readonly limit: 'messages' | 'bytes' | 'subject'

  constructor(name: string, limit: StreamFullError['limit'], bound: string) {
    super(
      'PETIOLE_STREAM_FULL',
      `stream ${name} is at its limit of ${bound}: raise it, or purge the stream`,
    )
    this.limit = limit
  }
}

export class StagedMessages {
  #messages = 0
  #bytes = 0
  /** By subject, kept only where the limit per subject is asked for. */
  readonly #subjects = new Map<string, number>()

  get bytes(): number {
    return this.#bytes
  }

  /** `subject` where a limit that refuses new ones goes by subjects. */
  add(bytes: number, subject: Uint8Array | undefined): void {
    this.#messages++
    this.#bytes += bytes
    if (subject === undefined) return
    const key = Buffer.from(subject).toString('latin1')
    this.#subjects.set(key, (this.#subjects.get(key) ?? 0) + 1)
  }

  committed(bytes: number, message: Pick<RecordCursor, 'subject'>): void {
    if (this.#messages === 0) return
    this.#messages--
    this.#bytes -= bytes
    if (this.#subjects.size === 0) return
    const key = Buffer.from(message.subject).toString('latin1')
    const left = (this.#subjects.get(key) ?? 0) - 1
    if (left > 0) this.#subjects.set(key, left)
    else this.#subjects.delete(key)
  }

  clear(): void {
    this.#messages = 0
    this.#bytes = 0
    // Of each stream after each commit, and to clear an empty one makes a new one.
    if (this.#subjects.size > 0) this.#subjects.clear()
  }

  /** Returns what brings it back to how it is now. */
  snapshot(): () => void {
    const messages = this.#messages
    const bytes = this.#bytes
    const subjects = new Map(this.#subjects)
    return () => {
      this.#messages = messages
      this.#bytes = bytes
      this.#subjects.clear()
      for (const [subject, count] of subjects) this.#subjects.set(subject, count)
    }
  }

  /**
   * Throws PETIOLE_STREAM_FULL for a message that limits with discard `new` refuse. One that replaces
   * another of its subject does not raise the count, nor the bytes when it is no larger.
   */
  checkDiscardNew(
    name: string,
    limits: StreamLimits,
    index: StreamIndex,
    subject: Uint8Array,
    added: number,
    isRollUp: boolean,
  ): void {
    const perSubjectMax = limits.messagesPerSubjectMax
    const isReplacing = perSubjectMax > 0 && this.#countSubject(index, subject) >= perSubjectMax
    if (isReplacing && limits.discardNewPerSubject === true && !isRollUp) {
      throw new StreamFullError(name, 'subject', `${perSubjectMax} messages per subject`)
    }
    const messages = index.messages + this.#messages + 1
    if (limits.messagesMax > 0 && messages > limits.messagesMax && !isReplacing) {
      throw new StreamFullError(name, 'messages', `${limits.messagesMax} messages`)
    }
    const bytes = index.bytes + this.#bytes + added
    const isOver = limits.bytesMax > 0 && bytes > limits.bytesMax
    if (isOver && !(isReplacing && oldestBytes(index, subject) >= added)) {
      throw new StreamFullError(name, 'bytes', `${limits.bytesMax} bytes`)
    }
  }

  #countSubject(index: StreamIndex, subject: Uint8Array): number {
    const id = index.subjects.find(subject, 0, subject.length)
    const staged = this.#subjects.get(Buffer.from(subject).toString('latin1')) ?? 0
    return (id < 0 ? 0 : index.subjects.count(id)) + staged
  }
}

/** What the oldest of a subject counts; none of it may be committed yet. */
function oldestBytes(index: StreamIndex, subject: Uint8Array): number {
  const id = index.subjects.find(subject, 0, subject.length)
  return id < 0 || index.subjects.count(id) === 0 ? Infinity : index.bytesAt(index.firstOf(id))
}

/** Throws PETIOLE_MESSAGE_TOO_LARGE. */
export function checkMessageSize(
  name: string,
  { messageBytesMax }: StreamLimits,
  subjectBytes: number,
  messageBytes: number,
): void {
  if (messageBytesMax > 0 && messageBytes > messageBytesMax) {
    throw new PetioleError(
      'PETIOLE_MESSAGE_TOO_LARGE',
      `message of ${messageBytes} bytes is larger than the ${messageBytesMax} that stream ${name} takes`,
    )
  }
  if (subjectBytes > SUBJECT_BYTES_MAX) {
    throw new PetioleError(
      'PETIOLE_MESSAGE_TOO_LARGE',
      `subject of ${subjectBytes} bytes is longer than ${SUBJECT_BYTES_MAX}`,
    )
  }
}
