import type { StoredMessage, StreamStore } from '../../shared/store/index.ts'
import type { SubjectFilter } from '../../shared/subject/index.ts'
import { FEW_SUBJECTS_MAX, PAGE_BYTES, READ_TOGETHER } from './limits.ts'
import type { PageLine } from './page-line.ts'
import type { RetainedMessage, RetainedReplay } from './retained-store.ts'

export interface ReplayParts {
  readonly stream: StreamStore
  readonly pages: PageLine
  /** Resolves when what was appended until now is on disk, or will not be. */
  onDisk(): Promise<void>
  /** As a client gets it; undefined: not any more. */
  shown(message: StoredMessage): RetainedMessage | undefined
}

const NO_MESSAGES: readonly RetainedMessage[] = []

/**
 * Goes through the messages of a stream that match, from the oldest on, up to where it ended when this
 * began. Few subjects are looked up, and their sequences kept; for many the stream is read page by page, so
 * that a replay of everything takes no more memory than one of a page.
 */
export class JournalReplay implements RetainedReplay {
  readonly #filters: readonly SubjectFilter[]
  readonly #parts: ReplayParts
  readonly #throughSeq: number
  #isBegun = false
  /** Sequences that are to be read, when they are few. */
  #seqs: readonly number[] | undefined
  /** Where in `#seqs`, or which filter, is next. */
  #next = 0
  #fromSeq = 1

  constructor(filters: readonly SubjectFilter[], parts: ReplayParts) {
    this.#filters = filters
    this.#parts = parts
    this.#throughSeq = parts.stream.assignedSeq
  }

  async next(max: number): Promise<readonly RetainedMessage[]> {
    if (!this.#isBegun) await this.#begin()
    const { pages, shown } = this.#parts
    while (!this.#isAtEnd) {
      const page = await pages.read(() => this.#page(max))
      const messages: RetainedMessage[] = []
      for (const stored of page) {
        const message = stored.seq > this.#throughSeq ? undefined : shown(stored)
        if (message !== undefined) messages.push(message)
      }
      if (messages.length > 0) return messages
    }
    return NO_MESSAGES
  }

  get #isAtEnd(): boolean {
    return this.#next >= (this.#seqs ?? this.#filters).length
  }

  async #begin(): Promise<void> {
    const { stream, onDisk } = this.#parts
    // What a client has published and then subscribes to is to be seen, though nothing was told of it yet.
    if (stream.lastSeq < this.#throughSeq) await onDisk()
    const options = { throughSeq: stream.lastSeq, max: FEW_SUBJECTS_MAX }
    this.#seqs = await stream.lastSeqsInTurns(this.#filters, options)
    this.#isBegun = true
  }

  #page(max: number): Promise<readonly StoredMessage[]> {
    return this.#seqs === undefined ? this.#readOn(max) : this.#readSome(this.#seqs, max)
  }

  async #readSome(seqs: readonly number[], max: number): Promise<readonly StoredMessage[]> {
    const page: StoredMessage[] = []
    let bytes = 0
    while (page.length < max && bytes < PAGE_BYTES && this.#next < seqs.length) {
      const end = this.#next + Math.min(READ_TOGETHER, max - page.length)
      for (const message of await this.#parts.stream.readAt(seqs.slice(this.#next, end))) {
        page.push(message)
        bytes += message.headers.length + message.payload.length
      }
      this.#next = end
    }
    return page
  }

  /** Filters of one replay match no subject twice, and are gone through one after the other. */
  async #readOn(max: number): Promise<readonly StoredMessage[]> {
    const filter = this.#filters[this.#next]
    const { messages, nextSeq } = await this.#parts.stream.read({
      fromSeq: this.#fromSeq,
      messagesMax: max,
      bytesMax: PAGE_BYTES,
      ...(filter === undefined || filter.isAll ? {} : { filter }),
    })
    this.#fromSeq = nextSeq
    if (nextSeq > this.#throughSeq) {
      this.#next++
      this.#fromSeq = 1
    }
    return messages
  }
}
