import { RETAINED_AHEAD_BYTES, RETAINED_AHEAD_MESSAGES } from '../limits.ts'
import type { RetainedReplay } from '../retained/index.ts'

/** Retained messages that were stored together for one session: their sequences in its log follow each other. */
export interface KeptPage {
  /** Of the subscription that they are for. */
  readonly filter: string
  readonly firstSeq: number
  readonly bytes: number
  /** Their sequences among what is retained, and where that can be asked about. */
  readonly retained: readonly number[]
  readonly source: Pick<RetainedReplay, 'isNewest'>
}

export interface LyingPage {
  readonly filter: string
  readonly firstSeq: number
  readonly lastSeq: number
  readonly bytes: number
  /** As long as its client is there. */
  origin: Pick<KeptPage, 'retained' | 'source'> | undefined
  /** Nobody waits for it any more. */
  isOver: boolean
}

/** By the session whose log they are in. */
const AHEAD = new WeakMap<object, RetainedAhead>()

/**
 * The retained messages that lie in a session's log ahead of what its client has been sent. There are some pages
 * of them, whatever its window: a client that takes ten at a time costs a commit for each page, not for each ten.
 * What nobody waits for any more, or has been replaced since, is left out as it comes to be sent; but not what was
 * replaced while the client was away, which may not have got the newer one.
 */
export class RetainedAhead {
  readonly #session: object
  /** By rising sequence. Before `#passed` all are passed, before `#sent` those behind them were asked about. */
  #pages: LyingPage[] = []
  #passed = 0
  #sent = 0
  /** Of the pages from `#passed` on. */
  #messages = 0
  #bytes = 0

  constructor(session: object) {
    this.#session = session
  }

  /** Those of a session, also from before its client was away; undefined when there are none. */
  static of(session: object): RetainedAhead | undefined {
    return AHEAD.get(session)
  }

  /** How many more may be read; none until half of them have gone, so that they come by the page. */
  room(passedSeq: number): number {
    const left = this.#settle(passedSeq)
    const isFull = 2 * left > RETAINED_AHEAD_MESSAGES || 2 * this.#bytes > RETAINED_AHEAD_BYTES
    return isFull ? 0 : RETAINED_AHEAD_MESSAGES - left
  }

  add({ filter, firstSeq, bytes, retained, source }: KeptPage): Readonly<LyingPage> {
    const lastSeq = firstSeq + retained.length - 1
    const page: LyingPage = {
      filter,
      firstSeq,
      lastSeq,
      bytes,
      origin: { retained, source },
      isOver: false,
    }
    this.#pages.push(page)
    this.#count(page, 1)
    AHEAD.set(this.#session, this)
    return page
  }

  /** The subscription has ended, or begins anew. */
  cancel(filter: string): void {
    for (const page of this.#pages) if (page.filter === filter) page.isOver = true
  }

  /** The client has gone. */
  left(passedSeq: number): void {
    this.#settle(passedSeq)
    for (const page of this.#pages) page.origin = undefined
    if (this.#passed === this.#pages.length) this.#clear()
  }

  /** The page that begins there is not in the log after all, nor what came behind it. */
  takenBack(firstSeq: number): void {
    for (let last = this.#pages.at(-1); last !== undefined; last = this.#pages.at(-1)) {
      if (last.firstSeq < firstSeq) break
      if (this.#pages.length > this.#passed) this.#count(last, -1)
      this.#pages.pop()
    }
    this.#passed = Math.min(this.#passed, this.#pages.length)
    this.#sent = Math.min(this.#sent, this.#pages.length)
  }

  /**
   * Whether a message of the log is a retained one that is not to be sent any more. What replaced it may have been
   * sent already. To be asked in the order of the log.
   */
  isOutdated(seq: number, subject: Uint8Array): boolean {
    let page = this.#pages[this.#sent]
    while (page !== undefined && page.lastSeq < seq) page = this.#pages[++this.#sent]
    if (page === undefined || seq < page.firstSeq) return false
    const { origin, isOver, lastSeq, firstSeq } = page
    if (seq === lastSeq && this.#sent === this.#pages.length - 1) this.#clear()
    if (isOver || origin === undefined) return isOver
    return !origin.source.isNewest(origin.retained[seq - firstSeq] ?? 0, subject)
  }

  /** How many have not passed. */
  #settle(passedSeq: number): number {
    let page = this.#pages[this.#passed]
    while (page !== undefined && page.lastSeq <= passedSeq) {
      this.#count(page, -1)
      page = this.#pages[++this.#passed]
    }
    const done = Math.min(this.#passed, this.#sent)
    if (done * 2 > this.#pages.length) {
      this.#pages.splice(0, done)
      this.#passed -= done
      this.#sent -= done
    }
    return this.#messages - Math.max(0, passedSeq + 1 - (page?.firstSeq ?? passedSeq + 1))
  }

  #count({ firstSeq, lastSeq, bytes }: LyingPage, sign: 1 | -1): void {
    this.#messages += sign * (lastSeq + 1 - firstSeq)
    this.#bytes += sign * bytes
  }

  #clear(): void {
    this.#pages = []
    this.#passed = 0
    this.#sent = 0
    this.#messages = 0
    this.#bytes = 0
    AHEAD.delete(this.#session)
  }
}
