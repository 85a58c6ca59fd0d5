/** What a publisher hears: that its message is on disk, that it was there already, or why it was refused. */
import { codeOf, type PetioleError } from '../../runtime/index.ts'
import { NO_BYTES, statusHeaders } from '../headers.ts'
import { JetStreamError, toJetStreamError } from '../jetstream-error.ts'
import type { StreamPort } from '../port.ts'

export type Told = (error: PetioleError | undefined) => void

/** Who waits for one message. */
export interface Waiting {
  /** '' when nobody asked for an answer. */
  readonly reply: string
  readonly committed: Told | undefined
}

/** Comes with 10167. */
const TOO_MANY = statusHeaders('429 Too Many Requests')

export class PubAcks {
  readonly #port: StreamPort
  readonly #stream: string
  /** The answer up to its sequence. */
  readonly #head: string
  /** Which limit a full stream is at. */
  readonly #fullText: () => string

  constructor(port: StreamPort, stream: string, domain: string, fullText: () => string) {
    this.#port = port
    this.#stream = stream
    this.#fullText = fullText
    const shown = domain === '' ? '' : `"domain":${JSON.stringify(domain)},`
    this.#head = `{"stream":${JSON.stringify(stream)},${shown}"seq":`
  }

  /** @param tail what follows the sequence, from its comma on */
  accept(seq: number, tail: string, { reply, committed }: Waiting): void {
    if (reply !== '') {
      this.#port.publish(reply, '', NO_BYTES, Buffer.from(`${this.#head}${seq}${tail}}`))
    }
    committed?.(undefined)
  }

  refuse(error: unknown, { reply, committed }: Waiting): void {
    const refusal = this.refusalOf(error)
    // The caller may be the router in the middle of a delivery.
    queueMicrotask(() => {
      if (reply !== '') {
        const answer = { error: refusal, stream: this.#stream, seq: 0 }
        const headers = refusal.errCode === 10167 ? TOO_MANY : NO_BYTES
        this.#port.publish(reply, '', headers, Buffer.from(JSON.stringify(answer)))
      }
      committed?.(refusal)
    })
  }

  /** The row of the error table that a publisher hears. */
  refusalOf(error: unknown): JetStreamError {
    switch (codeOf(error)) {
      case 'PETIOLE_STREAM_FULL':
        return new JetStreamError(10077, this.#fullText(), { cause: error })
      case 'PETIOLE_STORE_FULL':
        return new JetStreamError(10023, '', { cause: error })
      default:
        return toJetStreamError(error)
    }
  }
}
