/**
 * Direct gets of one account: so many at a time, for each may read a good part of its stream, and the
 * others in their order. What can not wait any more is refused at once.
 */
import { DIRECT_ACTIVE_MAX, DIRECT_WAITING_BYTES_MAX, DIRECT_WAITING_MAX } from '../limits.ts'
import type { ApiRequest } from './api-context.ts'

export interface DirectDeskParts {
  /** Must not reject. */
  readonly serve: (request: ApiRequest) => Promise<void>
  readonly refuse: (request: ApiRequest) => void
}

export class DirectDesk {
  readonly #parts: DirectDeskParts
  #active = 0
  #waiting: ApiRequest[] = []
  /** How many of those that wait are served by now. */
  #served = 0
  #bytes = 0

  constructor(parts: DirectDeskParts) {
    this.#parts = parts
  }

  /** Whether nobody waits whose turn it would be before. */
  get isIdle(): boolean {
    return this.#waiting.length === this.#served
  }

  ask(request: ApiRequest): void {
    if (this.#active < DIRECT_ACTIVE_MAX) {
      this.#serve(request)
      return
    }
    const bytes = request.message.payload.length
    const isFull = this.#waiting.length - this.#served >= DIRECT_WAITING_MAX
    if (isFull || this.#bytes + bytes > DIRECT_WAITING_BYTES_MAX) this.#parts.refuse(request)
    else {
      this.#bytes += bytes
      this.#waiting.push(request)
    }
  }

  #serve(request: ApiRequest): void {
    this.#active++
    const next = (): void => {
      this.#active--
      const waiting = this.#waiting[this.#served]
      if (waiting === undefined) return
      this.#bytes -= waiting.message.payload.length
      this.#served++
      // Half of what it holds is done with: each is moved once or twice at most.
      if (this.#served * 2 >= this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#served)
        this.#served = 0
      }
      this.#serve(waiting)
    }
    this.#parts.serve(request).then(next, next)
  }
}
