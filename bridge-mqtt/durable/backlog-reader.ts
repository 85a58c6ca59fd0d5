import type { StreamStore } from '../../shared/store/index.ts'
import type { SubjectFilter } from '../../shared/subject/index.ts'
import { READ_BYTES, READ_MESSAGES } from './limits.ts'
import { type LogEntry, type RecentLog, sizeOf } from './recent-log.ts'

/**
 * Reads the log for one session that is behind: a batch at a time, and one read on its way at most.
 * `seek` throws away what was read, and what is being read.
 */
export class BacklogReader {
  readonly #stream: StreamStore
  readonly #came: () => void
  readonly #failed: (error: unknown) => void
  #batch: readonly LogEntry[] = []
  #at = 0
  #nextSeq = 1
  #isReading = false
  #generation = 0

  /** @param came a batch has come, or the end of what is committed was reached */
  constructor(stream: StreamStore, came: () => void, failed: (error: unknown) => void) {
    this.#stream = stream
    this.#came = came
    this.#failed = failed
  }

  /** All below it that matches was handed out or is in the batch. */
  get nextSeq(): number {
    return this.#nextSeq
  }

  get isReading(): boolean {
    return this.#isReading
  }

  seek(seq: number): void {
    this.#generation++
    this.#isReading = false
    this.#batch = []
    this.#at = 0
    this.#nextSeq = seq
  }

  /** The next one of the batch; it stays until `shift`. */
  peek(): LogEntry | undefined {
    return this.#batch[this.#at]
  }

  shift(): void {
    this.#at++
    if (this.#at < this.#batch.length) return
    this.#batch = []
    this.#at = 0
  }

  /** Takes a batch out of memory, when all that comes next is there and committed up to `endSeq`. */
  recall(recent: RecentLog, filter: SubjectFilter, endSeq: number): void {
    if (this.#isReading || this.#nextSeq < recent.oldestSeq) return
    const batch: LogEntry[] = []
    // Behind the newest there is nothing for anybody who is connected, however much was stored for others.
    const lastSeq = Math.min(endSeq - 1, recent.newestSeq)
    let bytes = 0
    while (this.#nextSeq <= lastSeq && batch.length < READ_MESSAGES && bytes < READ_BYTES) {
      const entry = recent.get(this.#nextSeq++)
      if (entry === undefined) continue
      if (filter.matches(entry.subjectBytes)) batch.push(entry)
      // What lies between them is held as well: it shares their slabs.
      if (batch.length > 0) bytes += sizeOf(entry)
    }
    if (this.#nextSeq > lastSeq) this.#nextSeq = Math.max(this.#nextSeq, endSeq)
    this.#batch = batch
    this.#at = 0
  }

  /** @param endSeq what has it or a higher one comes another way */
  read(filter: SubjectFilter, endSeq: number): void {
    if (this.#isReading) return
    this.#isReading = true
    const generation = this.#generation
    const options = {
      fromSeq: this.#nextSeq,
      messagesMax: READ_MESSAGES,
      bytesMax: READ_BYTES,
      filter,
    }
    this.#stream.read(options).then(
      ({ messages, nextSeq }) => {
        if (generation !== this.#generation) return
        this.#isReading = false
        const isPast = (messages[messages.length - 1]?.seq ?? 0) >= endSeq
        this.#batch = isPast ? messages.filter(({ seq }) => seq < endSeq) : messages
        this.#at = 0
        // What was left out may have to be read after all, when the other way turns out to be too narrow.
        this.#nextSeq = Math.max(this.#nextSeq, Math.min(nextSeq, endSeq))
        this.#came()
      },
      (error: unknown) => {
        if (generation !== this.#generation) return
        this.#isReading = false
        this.#failed(error)
      },
    )
  }
}
