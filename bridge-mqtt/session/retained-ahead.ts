import { RETAINED_AHEAD_BYTES, RETAINED_AHEAD_MESSAGES } from '../limits.ts'
import type { RetainedReplay } from '../retained/index.ts'

/** Retained messages that were stored together for one session: their sequences in its log follow each other. */
export interface KeptPage {
  readonly firstSeq: number
  /** Their sequences among what is retained. */
  readonly retained: readonly number[]
  readonly bytes: number
  readonly source: Pick<RetainedReplay, 'isNewest'>
}

/**
 * The retained messages that lie in a session's log ahead of what its client has been sent. There are some pages
 * of them, whatever its window: a client that takes ten at a time costs a commit for each page, not for each ten.
 * What has been replaced since is left out as it comes to be sent.
 */
export class RetainedAhead {
  /** By rising sequence. Before `#passed` all are passed, before `#sent` those behind them were asked about. */
  #pages: KeptPage[] = []
  #passed = 0
  #sent = 0
  /** Of the pages from `#passed` on. */
  #messages = 0
  #bytes = 0

  /** How many more may be read; none until half of them have gone, so that they come by the page. */
  room(passedSeq: number): number {
    let page = this.#pages[this.#passed]
    while (page !== undefined && lastSeqOf(page) <= passedSeq) {
      this.#count(page, -1)
      page = this.#pages[++this.#passed]
    }
    this.#prune()
    const gone = page === undefined ? 0 : Math.max(0, passedSeq + 1 - page.firstSeq)
    const left = this.#messages - gone
    const isFull = 2 * left > RETAINED_AHEAD_MESSAGES || 2 * this.#bytes > RETAINED_AHEAD_BYTES
    return isFull ? 0 : RETAINED_AHEAD_MESSAGES - left
  }

  add(page: KeptPage): void {
    this.#pages.push(page)
    this.#count(page, 1)
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
   * Whether a message of the log is a retained one that was replaced, removed or has expired since. What
   * replaced it may have been sent already. To be asked in the order of the log.
   */
  isOutdated(seq: number, subject: Uint8Array): boolean {
    let page = this.#pages[this.#sent]
    while (page !== undefined && lastSeqOf(page) < seq) page = this.#pages[++this.#sent]
    const retained = page?.retained[seq - page.firstSeq]
    return retained !== undefined && page?.source.isNewest(retained, subject) === false
  }

  #count({ retained, bytes }: KeptPage, sign: 1 | -1): void {
    this.#messages += sign * retained.length
    this.#bytes += sign * bytes
  }

  #prune(): void {
    const done = Math.min(this.#passed, this.#sent)
    if (done * 2 <= this.#pages.length) return
    this.#pages.splice(0, done)
    this.#passed -= done
    this.#sent -= done
  }
}

function lastSeqOf({ firstSeq, retained }: KeptPage): number {
  return firstSeq + retained.length - 1
}
