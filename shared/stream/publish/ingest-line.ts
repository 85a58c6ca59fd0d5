/**
 * Messages that can not be judged yet, because a counter has to be read first, and all that came
 * behind them: they are taken in their order.
 */
import { JetStreamError } from '../jetstream-error.ts'
import { INGEST_WAITING_BYTES, INGEST_WAITING_MESSAGES } from '../limits.ts'
import type { Message } from './admission.ts'
import type { Waiting } from './pub-ack.ts'

export interface InLine {
  readonly message: Message
  readonly waiting: Waiting
}

export class IngestLine {
  #line: InLine[] = []
  /** How many of them are served. */
  #served = 0
  #bytes = 0
  #isServed = false
  readonly #ready: (message: Message) => Promise<void> | undefined
  readonly #serve: (next: InLine) => void

  /**
   * @param ready resolves when a message may be served; undefined: at once
   * @param serve must not throw
   */
  constructor(
    ready: (message: Message) => Promise<void> | undefined,
    serve: (next: InLine) => void,
  ) {
    this.#ready = ready
    this.#serve = serve
  }

  get isEmpty(): boolean {
    return !this.#isServed
  }

  /** Copies the message. Throws 10167 when too many wait. */
  add({ subject, subjectBytes, headers, payload }: Message, waiting: Waiting): void {
    const bytes = subjectBytes.length + headers.length + payload.length
    const isFull = this.#line.length - this.#served >= INGEST_WAITING_MESSAGES
    if (isFull || this.#bytes + bytes > INGEST_WAITING_BYTES) throw new JetStreamError(10167)
    this.#bytes += bytes
    const message = {
      subject,
      subjectBytes: new Uint8Array(subjectBytes),
      headers: new Uint8Array(headers),
      payload: new Uint8Array(payload),
    }
    this.#line.push({ message, waiting })
    if (this.#isServed) return
    this.#isServed = true
    this.#work().catch(() => {})
  }

  async #work(): Promise<void> {
    for (let next = this.#line[0]; next !== undefined; next = this.#line[this.#served]) {
      try {
        await this.#ready(next.message)
      } catch {
        // Whoever serves it sees that it is still not ready, and says so.
      }
      const { subjectBytes, headers, payload } = next.message
      this.#bytes -= subjectBytes.length + headers.length + payload.length
      this.#served++
      if (this.#served >= INGEST_WAITING_MESSAGES) {
        this.#line = this.#line.slice(this.#served)
        this.#served = 0
      }
      this.#serve(next)
    }
    this.#line = []
    this.#served = 0
    this.#isServed = false
  }
}
