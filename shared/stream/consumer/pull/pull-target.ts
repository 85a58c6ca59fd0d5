/** Those who pull: which of their requests a consumer takes, and what it tells the others. */
import type { Clock } from '../../../runtime/index.ts'
import type { ConsumerConfig } from '../../config/consumer-config.ts'
import { JetStreamError } from '../../jetstream-error.ts'
import { NS_PER_MS, WAITING_PULLS } from '../../limits.ts'
import type { StreamPort } from '../../port.ts'
import type { DeliveryTarget } from '../delivery-target.ts'
import { PullQueue } from './pull-queue.ts'
import { type PullRequest, parsePullRequest } from './pull-request.ts'

export class PullTarget implements DeliveryTarget {
  readonly isBound = false
  readonly #config: () => ConsumerConfig
  readonly #queue: PullQueue

  /** @param onIdle called when a request has left other than by being served */
  constructor(clock: Clock, port: StreamPort, config: () => ConsumerConfig, onIdle: () => void) {
    this.#config = config
    this.#queue = new PullQueue(clock, port, config().max_waiting ?? WAITING_PULLS, onIdle)
  }

  get isReady(): boolean {
    return this.#queue.size > 0
  }

  get isInUse(): boolean {
    return this.#queue.size > 0
  }

  get waiting(): number {
    return this.#queue.size
  }

  take(bytes: number): Uint8Array | undefined {
    return this.#queue.take(bytes)
  }

  delivered(): void {}

  /** It is pending, and asked for again when its time is over. */
  missed(): boolean {
    return false
  }

  endOfStream(): void {
    this.#queue.endOfStream()
  }

  pull(reply: string, payload: Uint8Array, takeable: () => number): boolean {
    let request: PullRequest
    try {
      request = parsePullRequest(payload)
    } catch (error) {
      const problem = error instanceof JetStreamError ? error.description : 'malformed'
      this.#queue.refuse(reply, `400 Bad Request - ${problem}`)
      return false
    }
    const refusal = this.#overLimit(request) ?? this.#nothingToTake(request, takeable)
    if (refusal === undefined) return this.#queue.add(reply, request)
    this.#queue.refuse(reply, refusal)
    return false
  }

  update(): void {}

  close(status: string): void {
    this.#queue.endAll(status)
  }

  #overLimit(request: PullRequest): string | undefined {
    const { max_batch, max_expires, max_bytes } = this.#config()
    if (max_batch !== undefined && request.batch > max_batch) {
      return `409 Exceeded MaxRequestBatch of ${max_batch}`
    }
    if (max_expires !== undefined && request.expiresMs > max_expires / NS_PER_MS) {
      return `409 Exceeded MaxRequestExpires of ${max_expires / NS_PER_MS}ms`
    }
    if (max_bytes !== undefined && request.bytesMax > max_bytes) {
      return `409 Exceeded MaxRequestMaxBytes of ${max_bytes}`
    }
    return undefined
  }

  #nothingToTake(request: PullRequest, takeable: () => number): string | undefined {
    if (!request.isNoWait) return undefined
    const there = takeable()
    if (there === 0) return request.expiresMs === 0 ? '404 No Messages' : undefined
    return there < this.#queue.batchTotal ? '408 Requests Pending' : undefined
  }
}
