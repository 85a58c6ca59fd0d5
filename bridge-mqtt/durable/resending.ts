import type { StreamStore } from '../../shared/store/index.ts'
import type { InflightMessage } from './inflight.ts'
import { RESENT_AT_ONCE } from './limits.ts'
import type { LogEntry } from './recent-log.ts'

/** What was in flight when a client came back, read again some messages at a time, in the order of sending. */
export class Resending {
  readonly #stream: StreamStore
  readonly #came: () => void
  readonly #failed: (error: unknown) => void
  #entries: InflightMessage[]
  #at = 0
  /** Messages of the entries up to `#readTo`. */
  #messages = new Map<number, LogEntry>()
  #readTo = 0
  #isReading = false

  constructor(
    stream: StreamStore,
    entries: InflightMessage[],
    came: () => void,
    failed: (error: unknown) => void,
  ) {
    this.#stream = stream
    this.#entries = entries
    this.#came = came
    this.#failed = failed
  }

  get isDone(): boolean {
    return this.#at >= this.#entries.length
  }

  /** The next entry that is to be sent still; undefined at the end. */
  next(isThere: (entry: InflightMessage) => boolean): InflightMessage | undefined {
    for (; this.#at < this.#entries.length; this.#at++) {
      const entry = this.#entries[this.#at] as InflightMessage
      if (entry.phase === 'published' && isThere(entry)) return entry
    }
    this.#ended()
    return undefined
  }

  /** The message of the entry that `next` gave, and goes on behind it; undefined when it is gone. */
  take(): LogEntry | undefined | 'reading' {
    if (this.#at >= this.#readTo) {
      this.#read()
      return 'reading'
    }
    const { seq } = this.#entries[this.#at++] as InflightMessage
    const message = this.#messages.get(seq)
    if (this.isDone) this.#ended()
    return message
  }

  /** The client may stay for months, and what was read are pieces of the file. */
  #ended(): void {
    this.#entries = []
    this.#messages.clear()
  }

  #read(): void {
    if (this.#isReading) return
    this.#isReading = true
    const to = Math.min(this.#entries.length, this.#at + RESENT_AT_ONCE)
    const seqs = this.#entries.slice(this.#at, to).map(({ seq }) => seq)
    this.#stream.readAt([...new Set(seqs)].sort((a, b) => a - b)).then(
      (messages) => {
        this.#isReading = false
        // Meanwhile its client may have acknowledged all of them.
        if (!this.isDone)
          this.#messages = new Map(messages.map((message) => [message.seq, message]))
        this.#readTo = to
        this.#came()
      },
      (error: unknown) => {
        this.#isReading = false
        this.#failed(error)
      },
    )
  }
}
