/**
 * Takes one backup in, as it comes: each piece is answered when all that it brought is on disk, so that who
 * sends no faster than he is answered is never ahead of the disk. An empty piece is the end.
 */
import { type Cancel, type Clock, messageOf } from '../../runtime/index.ts'
import { NO_BYTES } from '../headers.ts'
import type { JetStreamError } from '../jetstream-error.ts'
import { RESTORE_ENTRY_BYTES_MAX, RESTORE_STALL_MS, RESTORE_WAITING_BYTES } from '../limits.ts'
import type { PortMessage, StreamPort } from '../port.ts'
import type { Stream } from '../stream.ts'
import { BackupReader } from './backup-reader.ts'
import { invalid } from './consumer-backup.ts'
import { type RestoreSink, restoreError } from './restore-sink.ts'

export interface RestoreEnd {
  /** undefined when nobody waits for an answer. */
  readonly reply: string | undefined
  readonly bytes: number
  readonly outcome: { readonly stream: Stream } | { readonly error: JetStreamError }
}

export interface RestoreParts {
  readonly port: StreamPort
  readonly clock: Clock
  /** `<account> > <stream>`, for texts. */
  readonly title: string
  readonly subject: string
  readonly sink: RestoreSink
  readonly onEnd: (end: RestoreEnd) => void
}

export class RestoreSession {
  readonly #parts: RestoreParts
  readonly #reader = new BackupReader(RESTORE_ENTRY_BYTES_MAX)
  readonly #unsubscribe: () => void
  #waiting: PortMessage[] = []
  #waitingBytes = 0
  #bytes = 0
  #isBusy = false
  /** The end has come: what comes behind it is no part of the backup. */
  #isWhole = false
  #isOver = false
  #cancelStall: Cancel | undefined

  constructor(parts: RestoreParts) {
    this.#parts = parts
    this.#unsubscribe = parts.port.subscribe(parts.subject, (piece) => this.#receive(piece))
    this.#watch()
  }

  /** Ends it, whatever has come by now. */
  abort(reason: string): void {
    this.#fail(new Error(reason), undefined)
  }

  #receive(piece: PortMessage): void {
    if (this.#isOver || this.#isWhole) return
    if (piece.reply === '') {
      const { title } = this.#parts
      const problem = `restore for stream '${title}' requires reply subject for each chunk`
      this.#fail(new Error(problem), undefined)
      return
    }
    this.#waiting.push(piece)
    this.#waitingBytes += piece.payload.length
    if (this.#waitingBytes > RESTORE_WAITING_BYTES) {
      this.#fail(new Error('too much was sent without waiting for answers'), piece.reply)
      return
    }
    if (!this.#isBusy) {
      this.#isBusy = true
      this.#takeWaiting().catch((error: unknown) => this.#fail(error, undefined))
    }
  }

  async #takeWaiting(): Promise<void> {
    this.#cancelStall?.()
    while (!this.#isOver) {
      const piece = this.#waiting.shift()
      if (piece === undefined) break
      this.#waitingBytes -= piece.payload.length
      try {
        if (piece.payload.length === 0) await this.#finish(piece.reply)
        else await this.#take(piece)
      } catch (error) {
        this.#fail(error, piece.reply)
      }
    }
    this.#isBusy = false
    if (!this.#isOver) this.#watch()
  }

  async #take({ payload, reply }: PortMessage): Promise<void> {
    const { sink, port } = this.#parts
    this.#bytes += payload.length
    for (const entry of this.#reader.push(payload)) {
      await sink.take(entry)
      if (this.#isOver) return
    }
    await sink.settled()
    if (!this.#isOver) port.publish(reply, '', NO_BYTES, NO_BYTES)
  }

  async #finish(reply: string): Promise<void> {
    if (!this.#reader.isAtEnd) invalid('unexpected EOF')
    this.#isWhole = true
    const stream = await this.#parts.sink.finish()
    if (this.#isOver) return
    this.#end({ reply, bytes: this.#bytes, outcome: { stream } })
  }

  #fail(error: unknown, reply: string | undefined): void {
    if (this.#isOver) return
    const outcome = { error: restoreError(error, messageOf(error)) }
    this.#end({ reply, bytes: this.#bytes, outcome })
  }

  #end(end: RestoreEnd): void {
    this.#isOver = true
    this.#waiting = []
    this.#cancelStall?.()
    this.#unsubscribe()
    this.#parts.onEnd(end)
  }

  #watch(): void {
    const { clock, title } = this.#parts
    this.#cancelStall = clock.after(RESTORE_STALL_MS, () => {
      this.#fail(new Error(`restore for stream '${title}' is stalled`), undefined)
    })
  }
}
