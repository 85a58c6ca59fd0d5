/** Messages of a stream that wait for their commit: they count where a limit refuses new ones. */
import { PetioleError } from '../runtime/index.ts'
import { SUBJECT_BYTES_MAX } from './limits.ts'
import type { RecordCursor } from './record.ts'
import type { StreamIndex } from './stream-index.ts'
import type { StreamLimits } from './stream-store.ts'

export class StagedMessages {
  #messages = 0
  #bytes = 0
  /** By subject, kept only where the limit per subject is asked for. */
  readonly #subjects = new Map<string, number>()

  get bytes(): number {
    return this.#bytes
  }

  add(length: number): void {
    this.#messages++
    this.#bytes += length
  }

  committed(length: number, message: Pick<RecordCursor, 'subject'>): void {
    if (this.#messages === 0) return
    this.#messages--
    this.#bytes -= length
    if (this.#subjects.size === 0) return
    const key = Buffer.from(message.subject).toString('latin1')
    const left = (this.#subjects.get(key) ?? 0) - 1
    if (left > 0) this.#subjects.set(key, left)
    else this.#subjects.delete(key)
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
   * another of its subject does not raise the count.
   */
  checkDiscardNew(
    name: string,
    limits: StreamLimits,
    index: StreamIndex,
    subject: Uint8Array,
    length: number,
    isRollUp: boolean,
  ): void {
    const perSubjectMax = limits.messagesPerSubjectMax
    const isReplacing = perSubjectMax > 0 && this.#countSubject(index, subject) >= perSubjectMax
    if (isReplacing && limits.discardNewPerSubject === true && !isRollUp) {
      throw streamFull(name, `${perSubjectMax} messages per subject`)
    }
    const messages = index.messages + this.#messages + 1
    if (limits.messagesMax > 0 && messages > limits.messagesMax && !isReplacing) {
      throw streamFull(name, `${limits.messagesMax} messages`)
    }
    const bytes = index.bytes + this.#bytes + length
    if (limits.bytesMax > 0 && bytes > limits.bytesMax && !isReplacing) {
      throw streamFull(name, `${limits.bytesMax} bytes`)
    }
    if (perSubjectMax > 0) {
      const key = Buffer.from(subject).toString('latin1')
      this.#subjects.set(key, (this.#subjects.get(key) ?? 0) + 1)
    }
  }

  #countSubject(index: StreamIndex, subject: Uint8Array): number {
    const id = index.subjects.find(subject, 0, subject.length)
    const staged = this.#subjects.get(Buffer.from(subject).toString('latin1')) ?? 0
    return (id < 0 ? 0 : index.subjects.count(id)) + staged
  }
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

function streamFull(name: string, limit: string): PetioleError {
  return new PetioleError(
    'PETIOLE_STREAM_FULL',
    `stream ${name} is at its limit of ${limit}: raise it, or purge the stream`,
  )
}
