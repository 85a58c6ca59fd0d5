/**
 * How many requests of one account are under way, and how much they hold: those that wait for the disk
 * keep what they were asked with. Numbers as in nats-server, which drops what comes beyond without a word;
 * here whoever asked is told.
 */
import type { ServerLimits } from '../account-limits.ts'
import { API_REQUEST_BYTES_MAX, API_REQUESTS_MAX } from '../limits.ts'

export interface Load {
  readonly isAsking: boolean
  readonly bytes: number
}

export class RequestLoad {
  readonly #limits: ServerLimits
  #asking = 0
  #others = 0
  #bytes = 0

  constructor(limits: ServerLimits) {
    this.#limits = limits
  }

  /** Counts one more; false when there is no room for it. */
  begin({ isAsking, bytes }: Load): boolean {
    const { apiInfosMax, apiRequestsMax } = this.#limits
    const isFull = isAsking
      ? this.#asking >= (apiInfosMax || API_REQUESTS_MAX)
      : this.#others >= (apiRequestsMax || API_REQUESTS_MAX)
    // One request fits always, however large.
    if (isFull || (this.#bytes > 0 && this.#bytes + bytes > API_REQUEST_BYTES_MAX)) return false
    if (isAsking) this.#asking++
    else this.#others++
    this.#bytes += bytes
    return true
  }

  end({ isAsking, bytes }: Load): void {
    if (isAsking) this.#asking--
    else this.#others--
    this.#bytes -= bytes
  }
}
