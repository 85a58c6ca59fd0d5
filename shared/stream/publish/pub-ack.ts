/** What a publisher hears: that its message is on disk, that it was there already, or why it was refused. */
import { codeOf, type PetioleError } from '../../runtime/index.ts'
import { StreamFullError } from '../../store/index.ts'
import { writeDigits } from '../digits.ts'
import { NO_BYTES, statusHeaders } from '../headers.ts'
import { JetStreamError, toJetStreamError } from '../jetstream-error.ts'
import type { Outlet, StreamPort } from '../port.ts'

export type Told = (error: PetioleError | undefined) => void

/** Who waits for one message. */
export interface Waiting {
  /** '' when nobody asked for an answer. */
  readonly reply: string
  readonly committed: Told | undefined
  /** The reply subject by which a publisher of a fast batch speaks: an import may answer for him. */
  readonly said?: string
}

/** Comes with 10167. */
const TOO_MANY = statusHeaders('429 Too Many Requests')

const CLOSING_BRACE = 125
const SEQ_DIGITS_MAX = 17

export class PubAcks {
  readonly #port: StreamPort
  readonly #outlet: Outlet
  readonly #stream: string
  /** The answer up to its sequence. */
  readonly #head: string
  /** The same as bytes, with room for the rest: written over and over. */
  readonly #bytes: Uint8Array
  readonly #headEnd: number
  /** A view of each length that was needed so far: few. */
  readonly #views: Uint8Array[] = []
  /** Who was told last: most who publish have one inbox for all that they are told. */
  #reply = ''
  #to: Uint8Array = NO_BYTES
  /** Which limit a full stream is at. */

  constructor(port: StreamPort, stream: string, domain: string) {
    this.#port = port
    this.#outlet = port.outlet({ isCaptured: true })
    this.#stream = stream
    const shown = domain === '' ? '' : `"domain":${JSON.stringify(domain)},`
    this.#head = `{"stream":${JSON.stringify(stream)},${shown}"seq":`
    const head = Buffer.from(this.#head)
    this.#headEnd = head.length
    this.#bytes = new Uint8Array(head.length + SEQ_DIGITS_MAX)
    this.#bytes.set(head)
  }

  /** @param tail what follows the sequence, from its comma on */
  accept(seq: number, tail: string, { reply, committed }: Waiting): void {
    if (reply !== '') {
      if (reply !== this.#reply) {
        this.#reply = reply
        this.#to = Buffer.from(reply)
      }
      const answer = tail === '' ? this.#answer(seq) : Buffer.from(`${this.#head}${seq}${tail}}`)
      this.#outlet.deliver(this.#to, this.#to, NO_BYTES, NO_BYTES, answer)
    }
    committed?.(undefined)
  }

  /** `committed` is called at once: a publisher that means all who store the message has it go to nobody then. */
  refuse(error: unknown, { reply, committed }: Waiting): void {
    const refusal = this.refusalOf(error)
    committed?.(refusal)
    if (reply === '') return
    // The caller may be the router in the middle of a delivery.
    queueMicrotask(() => {
      const answer = { error: refusal, stream: this.#stream, seq: 0 }
      const headers = refusal.errCode === 10167 ? TOO_MANY : NO_BYTES
      this.#port.publish(reply, '', headers, Buffer.from(JSON.stringify(answer)))
    })
  }

  /** Valid until the next one. */
  #answer(seq: number): Uint8Array {
    const end = writeDigits(this.#bytes, this.#headEnd, seq)
    this.#bytes[end] = CLOSING_BRACE
    let view = this.#views[end]
    if (view === undefined) {
      view = this.#bytes.subarray(0, end + 1)
      this.#views[end] = view
    }
    return view
  }

  /** The row of the error table that a publisher hears. */
  refusalOf(error: unknown): JetStreamError {
    switch (codeOf(error)) {
      case 'PETIOLE_STREAM_FULL':
        return new JetStreamError(10077, fullText(error), { cause: error })
      case 'PETIOLE_STORE_FULL':
        return new JetStreamError(10023, '', { cause: error })
      default:
        return toJetStreamError(error)
    }
  }
}

/** As nats-server says it. */
function fullText(error: unknown): string {
  const limit = error instanceof StreamFullError ? error.limit : 'messages'
  return FULL_TEXTS[limit]
}

const FULL_TEXTS: Readonly<Record<StreamFullError['limit'], string>> = {
  messages: 'maximum messages exceeded',
  bytes: 'maximum bytes exceeded',
  subject: 'maximum messages per subject exceeded',
}
