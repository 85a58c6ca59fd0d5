/** What is stored is published again under another subject, with where it lies (`republish`). */
import type { Random } from '../../runtime/index.ts'
import { isLiteral, type SubjectTransform } from '../../subject/index.ts'
import type { Republish } from '../config/stream-config.ts'
import { NO_BYTES, withHeaders } from '../headers.ts'
import type { StreamPort } from '../port.ts'
import { formatTime } from '../timestamp.ts'
import type { Message } from './admission.ts'
import { transformOf } from './subject-rewrite.ts'

/** A copy of what is going to be republished: the message itself is gone when it is on disk. */
export interface Republished {
  readonly to: string
  readonly subject: string
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  readonly isHeadersOnly: boolean
  /** The sequence before it on its subject, 0 when there is none. */
  readonly before: number
  readonly timeMs: number
}

export class Republishing {
  readonly #port: StreamPort
  readonly #random: Random
  readonly #stream: string
  #transform: SubjectTransform | undefined
  #isHeadersOnly = false

  constructor(port: StreamPort, random: Random, stream: string) {
    this.#port = port
    this.#random = random
    this.#stream = stream
  }

  get isActive(): boolean {
    return this.#transform !== undefined
  }

  configure(config: Republish | undefined): void {
    this.#transform = transformOf(config)
    this.#isHeadersOnly = config?.headers_only === true
  }

  /** undefined when the message's subject is not republished. */
  take(message: Message, before: number, timeMs: number): Republished | undefined {
    const to = this.#transform?.match(message.subject, this.#random)
    if (to === undefined || !isLiteral(to)) return undefined
    return {
      to,
      subject: message.subject,
      headers: new Uint8Array(message.headers),
      payload: new Uint8Array(message.payload),
      isHeadersOnly: this.#isHeadersOnly,
      before,
      timeMs,
    }
  }

  /** Once it is on disk. */
  send(message: Republished, seq: number): void {
    const { to, subject, payload, before, timeMs, isHeadersOnly } = message
    const headers = withHeaders(message.headers, [
      ['Nats-Stream', this.#stream],
      ['Nats-Subject', subject],
      ['Nats-Sequence', String(seq)],
      ['Nats-Time-Stamp', formatTime(timeMs)],
      ['Nats-Last-Sequence', String(before)],
      ...(isHeadersOnly ? [['Nats-Msg-Size', String(payload.length)] as const] : []),
    ])
    this.#port.publish(to, '', headers, isHeadersOnly ? NO_BYTES : payload)
  }
}
