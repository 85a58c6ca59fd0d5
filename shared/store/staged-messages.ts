/** Messages of a stream that wait for their commit: they count where a limit refuses new ones. */
import { PetioleError } from '../runtime/index.ts'
import { SUBJECT_BYTES_MAX } from './limits.ts'
import { StagedSubjects } from './staged-subjects.ts'
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
  /** Kept only where the limit per subject is asked for. */
  readonly #subjects: StagedSubjects

  /** @param seed of the process's hashes of subjects */
  constructor(seed: number) {
    this.#subjects = new StagedSubjects(seed)
  }

  get bytes(): number {
    return this.#bytes
  }

  /** `subject` where a limit that refuses new ones goes by subjects. */
  add(bytes: number, subject: Uint8Array | undefined): void {
    this.#messages++
    this.#bytes += bytes
    this.#subjects.push(subject)
  }

  /** The one that was added first of those that are left. */
  committed(bytes: number): void {
    if (this.#messages === 0) return
    this.#messages--
    this.#bytes -= bytes
    this.#subjects.shift()
  }

  /** How many there are of a subject that `add` was given. */
  countOn(subject: Uint8Array): number {
    return this.#messages === 0 ? 0 : this.#subjects.count(subject)
  }

  clear(): void {
    this.#messages = 0
    this.#bytes = 0
    this.#subjects.clear()
  }

  /** Returns what brings it back to how it is now. */
  snapshot(): () => void {
    const messages = this.#messages
    const bytes = this.#bytes
    const { end } = this.#subjects
    return () => {
      this.#messages = messages
      this.#bytes = bytes
      this.#subjects.truncate(end)
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
    const messages = index.messages + this.#messages + 1
    const bytes = index.bytes + this.#bytes + added
    const isOverMessages = limits.messagesMax > 0 && messages > limits.messagesMax
    const isOverBytes = limits.bytesMax > 0 && bytes > limits.bytesMax
    // Most have room, and what their subject has need not be known.
    if (!isOverMessages && !isOverBytes && limits.discardNewPerSubject !== true) return
    const perSubjectMax = limits.messagesPerSubjectMax
    const isReplacing = perSubjectMax > 0 && this.#countSubject(index, subject) >= perSubjectMax
    if (isReplacing && limits.discardNewPerSubject === true && !isRollUp) {
      throw new StreamFullError(name, 'subject', `${perSubjectMax} messages per subject`)
    }
    if (isOverMessages && !isReplacing) {
      throw new StreamFullError(name, 'messages', `${limits.messagesMax} messages`)
    }
    if (isOverBytes && !(isReplacing && oldestBytes(index, subject) >= added)) {
      throw new StreamFullError(name, 'bytes', `${limits.bytesMax} bytes`)
    }
  }

  #countSubject(index: StreamIndex, subject: Uint8Array): number {
    const id = index.subjects.find(subject, 0, subject.length)
    return (id < 0 ? 0 : index.subjects.count(id)) + this.countOn(subject)
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
