import type { StoredMessage, StreamStore } from '../../shared/store/index.ts'
import type { SubjectFilter } from '../../shared/subject/index.ts'
import { FEW_SUBJECTS_MAX, PAGE_BYTES, READ_TOGETHER } from './limits.ts'
import type { PageLine } from './page-line.ts'
import type { ReplayPosition, RetainedMessage, RetainedReplay } from './retained-store.ts'

export interface ReplayParts {
  readonly stream: StreamStore
  readonly pages: PageLine
  /** Resolves when what was appended until now is on disk, or will not be. */
  onDisk(): Promise<void>
  /** As a client gets it; undefined: not any more. */
  shown(message: StoredMessage): RetainedMessage | undefined
  isNewest(seq: number, subject: Uint8Array): boolean
}

const NO_MESSAGES: readonly RetainedMessage[] = []

/**
 * Goes through the messages of a stream that match, up to where it ended when this began. Few subjects are
 * looked up, and their sequences kept; for many the stream is read page by page, so that a replay of
 * everything takes no more memory than one of a page. Either way they come in the order of their sequences,
 * filter by filter where it is read, so that some numbers say where to go on.
 */
export class JournalReplay implements RetainedReplay {
  readonly #filters: readonly SubjectFilter[]
  readonly #parts: ReplayParts
  readonly #throughSeq: number
  /** Where the subscription began to get by itself what was published. */
  readonly #subscribedSeq: number
  readonly #from: ReplayPosition | undefined
  #isBegun = false
  /** Sequences that are to be read, rising, and which of them is next. */
  #seqs: readonly number[] = []
  #nextSeq = 0
  /** Filters by which the stream is gone through then, and which of them, and from where on, is next. */
  #scans: readonly SubjectFilter[] = []
  #nextScan = 0
  #fromSeq: number
  /** Up to here all that matches was seen before it was gone through. */
  #seenSeq: number

  constructor(filters: readonly SubjectFilter[], parts: ReplayParts, from?: ReplayPosition) {
    this.#filters = filters
    this.#parts = parts
    const { assignedSeq } = parts.stream
    this.#throughSeq = assignedSeq
    this.#subscribedSeq = from?.throughSeq ?? assignedSeq
    // A stream that was removed begins anew, with sequences of its own.
    this.#from = from !== undefined && from.throughSeq <= assignedSeq ? from : undefined
    this.#seenSeq = this.#from?.seenSeq ?? 0
    this.#fromSeq = this.#seenSeq + 1
  }

  get position(): ReplayPosition {
    const isScan = this.#isBegun && this.#nextSeq >= this.#seqs.length && this.#scans.length > 0
    return {
      throughSeq: this.#subscribedSeq,
      scan: isScan ? this.#nextScan : (this.#from?.scan ?? -1),
      scannedSeq: isScan ? this.#fromSeq - 1 : (this.#from?.scannedSeq ?? 0),
      seenSeq: this.#seenSeq,
    }
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

  isNewest(seq: number, subject: Uint8Array): boolean {
    return this.#parts.isNewest(seq, subject)
  }

  get #isAtEnd(): boolean {
    return this.#nextSeq >= this.#seqs.length && this.#nextScan >= this.#scans.length
  }

  async #begin(): Promise<void> {
    const { stream, onDisk } = this.#parts
    // What a client has published and then subscribes to is to be seen, though nothing was told of it yet.
    if (stream.lastSeq < this.#throughSeq) await onDisk()
    const wide = this.#filters.filter(({ isLiteral }) => !isLiteral)
    const { scan = -1, scannedSeq = 0 } = this.#from ?? {}
    if (scan >= 0) {
      this.#scans = wide
      this.#nextScan = scan
      this.#fromSeq = scannedSeq + 1
    } else await this.#lookUp(wide)
    this.#isBegun = true
  }

  async #lookUp(wide: readonly SubjectFilter[]): Promise<void> {
    const { stream } = this.#parts
    const seqs = this.#filters.map((filter) => literalSeq(stream, filter))
    if (wide.length > 0) {
      const options = { throughSeq: stream.lastSeq, max: FEW_SUBJECTS_MAX }
      const few = await stream.lastSeqsInTurns(wide, options)
      if (few === undefined) this.#scans = wide
      else seqs.push(...few)
    }
    this.#seqs = seqs.filter((seq) => seq > this.#seenSeq).sort((a, b) => a - b)
  }

  #page(max: number): Promise<readonly StoredMessage[]> {
    return this.#nextSeq < this.#seqs.length ? this.#readSome(max) : this.#readOn(max)
  }

  async #readSome(max: number): Promise<readonly StoredMessage[]> {
    const seqs = this.#seqs
    const page: StoredMessage[] = []
    let bytes = 0
    while (page.length < max && bytes < PAGE_BYTES && this.#nextSeq < seqs.length) {
      const some = Math.min(READ_TOGETHER, max - page.length)
      const end = Math.min(this.#nextSeq + some, seqs.length)
      for (const message of await this.#parts.stream.readAt(seqs.slice(this.#nextSeq, end))) {
        page.push(message)
        bytes += message.headers.length + message.payload.length
      }
      this.#nextSeq = end
    }
    // Before the stream is gone through only one is looked up, and says nothing of the others.
    if (this.#scans.length === 0) this.#seenSeq = seqs[this.#nextSeq - 1] ?? this.#seenSeq
    return page
  }

  /** Filters of one replay match no subject twice, and are gone through one after the other. */
  async #readOn(max: number): Promise<readonly StoredMessage[]> {
    const filter = this.#scans[this.#nextScan]
    const { messages, nextSeq } = await this.#parts.stream.read({
      fromSeq: this.#fromSeq,
      messagesMax: max,
      bytesMax: PAGE_BYTES,
      ...(filter === undefined || filter.isAll ? {} : { filter }),
    })
    this.#fromSeq = nextSeq
    if (nextSeq > this.#throughSeq) {
      this.#nextScan++
      this.#fromSeq = this.#seenSeq + 1
    }
    return messages
  }
}

/** 0: no message, or no literal filter. */
function literalSeq(stream: StreamStore, { isLiteral, subject }: SubjectFilter): number {
  return isLiteral ? stream.lastSeqOf(subject) : 0
}
