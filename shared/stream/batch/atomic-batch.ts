/** The messages of one atomic batch before its commit: copies, in memory only. */
import { withHeaders, withoutHeaders } from '../headers.ts'
import { JetStreamError } from '../jetstream-error.ts'
import type { Message } from '../publish/admission.ts'
import type { Told } from '../publish/pub-ack.ts'
import { API_LEVEL_HEADER } from './batch-target.ts'
import type { IdleTimer } from './idle-timer.ts'
import { ATOMIC_BYTES_MAX, ATOMIC_STAGED_BYTES_MAX, STAGED_OVERHEAD_BYTES } from './limits.ts'
import type { ServerBatches } from './server-batches.ts'

export class AtomicBatch {
  /** The sequence within the batch that came last. */
  seq = 0
  readonly messages: Message[] = []
  readonly #waiting: Told[] = []
  readonly #server: ServerBatches
  readonly #timer: IdleTimer
  #bytes = 0

  constructor(server: ServerBatches, timer: IdleTimer) {
    this.#server = server
    this.#timer = timer
    server.atomic++
  }

  touch(): void {
    this.#timer.touch()
  }

  /** Throws 10023 when the batch, or all of the server's, hold too much. */
  add(message: Message, told: Told | undefined): void {
    const { headers, payload, subject, subjectBytes } = message
    const bytes = subjectBytes.length + headers.length + payload.length + STAGED_OVERHEAD_BYTES
    const isFull =
      this.#bytes + bytes > ATOMIC_BYTES_MAX ||
      this.#server.stagedBytes + bytes > ATOMIC_STAGED_BYTES_MAX
    if (isFull) throw new JetStreamError(10023)
    this.#bytes += bytes
    this.#server.stagedBytes += bytes
    if (told !== undefined) this.#waiting.push(told)
    this.messages.push({
      subject,
      subjectBytes: new Uint8Array(subjectBytes),
      headers: new Uint8Array(withoutHeaders(headers, (name) => name === API_LEVEL_HEADER)),
      payload: new Uint8Array(payload),
    })
  }

  /** The last message says what the end that was no message said. */
  endWithLast(): void {
    const last = this.messages.at(-1)
    if (last === undefined) return
    const headers = withHeaders(last.headers, [['Nats-Batch-Commit', '1']])
    this.messages[this.messages.length - 1] = { ...last, headers }
  }

  /** Gives back what it took of the server; it is not to be used any more. */
  close(): void {
    this.#timer.stop()
    this.#server.atomic--
    this.#server.stagedBytes -= this.#bytes
  }

  /** Tells who stands behind the messages, but for the one that committed. */
  tell(error: Parameters<Told>[0]): void {
    for (const told of this.#waiting.splice(0)) told(error)
  }
}
