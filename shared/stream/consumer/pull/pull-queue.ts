/**
 * The pull requests that wait on one consumer. Served round robin: one message, then the next
 * request's turn. A request leaves when its batch or bytes are used up, when it expires, or when
 * nobody listens on its inbox any more. All statuses a client gets about a request are sent here.
 */
import { type Cancel, type Clock, every } from '../../../runtime/index.ts'
import { NO_BYTES, statusHeaders } from '../../headers.ts'
import type { StreamPort } from '../../port.ts'
import type { PullRequest } from './pull-request.ts'

interface Waiting {
  readonly reply: string
  /** `reply`, as messages are addressed. */
  readonly inbox: Uint8Array
  readonly isNoWait: boolean
  readonly expiresAtMs: number
  readonly heartbeatMs: number
  batchLeft: number
  /** 0: not bounded by bytes. */
  bytesLeft: number
  delivered: number
  lastSentMs: number
  cancelExpiry: Cancel | undefined
  cancelHeartbeat: Cancel | undefined
}

export class PullQueue {
  readonly #clock: Clock
  readonly #port: StreamPort
  readonly #waitingMax: number
  readonly #onIdle: () => void
  readonly #queue: Waiting[] = []
  #batchTotal = 0

  /** @param onIdle called when a request has left other than by being served */
  constructor(clock: Clock, port: StreamPort, waitingMax: number, onIdle: () => void) {
    this.#clock = clock
    this.#port = port
    this.#waitingMax = waitingMax
    this.#onIdle = onIdle
  }

  get size(): number {
    return this.#queue.length
  }

  /** Messages that all waiting requests together still want. */
  get batchTotal(): number {
    return this.#batchTotal
  }

  /** Returns false, and tells the client, when too many wait already. */
  add(reply: string, request: PullRequest): boolean {
    if (this.#queue.length >= this.#waitingMax) this.#dropDeaf()
    if (this.#queue.length >= this.#waitingMax) {
      // A client with a heartbeat would ask again at once and spin: it notices the silence instead.
      if (request.heartbeatMs === 0) this.refuse(reply, '409 Exceeded MaxWaiting')
      return false
    }
    const nowMs = this.#clock.monotonicMs()
    const waiting: Waiting = {
      reply,
      inbox: Buffer.from(reply),
      isNoWait: request.isNoWait,
      expiresAtMs: request.expiresMs > 0 ? nowMs + request.expiresMs : Number.POSITIVE_INFINITY,
      heartbeatMs: request.heartbeatMs,
      batchLeft: request.batch,
      bytesLeft: request.bytesMax,
      delivered: 0,
      lastSentMs: nowMs,
      cancelExpiry: undefined,
      cancelHeartbeat: undefined,
    }
    if (request.expiresMs > 0) {
      waiting.cancelExpiry = this.#clock.after(request.expiresMs, () => this.#expire(waiting))
    }
    if (request.heartbeatMs > 0) {
      waiting.cancelHeartbeat = every(this.#clock, request.heartbeatMs, () => this.#beat(waiting))
    }
    this.#queue.push(waiting)
    this.#batchTotal += request.batch
    return true
  }

  /**
   * The inbox that a message of `bytes` goes to; undefined when none of the requests can take it.
   * The request is charged: the caller must send.
   */
  take(bytes: number): Uint8Array | undefined {
    for (;;) {
      const waiting = this.#queue[0]
      if (waiting === undefined) return undefined
      if (waiting.expiresAtMs <= this.#clock.monotonicMs()) {
        this.#expire(waiting)
        continue
      }
      if (waiting.bytesLeft > 0 && bytes > waiting.bytesLeft) {
        this.#end(waiting, '409 Message Size Exceeds MaxBytes', true)
        continue
      }
      if (!this.#port.hasInterest(waiting.reply)) {
        this.#remove(waiting)
        this.#onIdle()
        continue
      }
      this.#charge(waiting, bytes)
      return waiting.inbox
    }
  }

  /** Everything that is there has been delivered: requests that do not wait for more are done. */
  endOfStream(): void {
    for (const waiting of [...this.#queue]) {
      const isDone = waiting.expiresAtMs === Number.POSITIVE_INFINITY || waiting.delivered > 0
      if (waiting.isNoWait && isDone) this.#end(waiting, '404 No Messages', false)
    }
  }

  /** Sends a status for a request that is not, or no longer, in the queue. */
  refuse(reply: string, status: string): void {
    this.#port.publish(reply, '', statusHeaders(status), NO_BYTES)
  }

  /** Ends all requests with one status. */
  endAll(status: string): void {
    for (const waiting of [...this.#queue]) this.#end(waiting, status, true)
  }

  #charge(waiting: Waiting, bytes: number): void {
    this.#queue.shift()
    waiting.lastSentMs = this.#clock.monotonicMs()
    waiting.delivered++
    waiting.batchLeft--
    this.#batchTotal--
    const isBounded = waiting.bytesLeft > 0
    waiting.bytesLeft -= isBounded ? bytes : 0
    if (waiting.batchLeft > 0 && (!isBounded || waiting.bytesLeft > 0)) {
      this.#queue.push(waiting)
      return
    }
    this.#batchTotal -= waiting.batchLeft
    cancelTimers(waiting)
    if (waiting.bytesLeft > 0) {
      // After the message that is about to be sent.
      this.#clock.soon(() => this.#tell(waiting, '409 Batch Completed'))
    }
  }

  #expire(waiting: Waiting): void {
    this.#end(waiting, '408 Request Timeout', true)
  }

  #beat(waiting: Waiting): void {
    const silentMs = this.#clock.monotonicMs() - waiting.lastSentMs
    if (silentMs < waiting.heartbeatMs * 0.9) return
    waiting.lastSentMs = this.#clock.monotonicMs()
    if (this.#port.hasInterest(waiting.reply)) {
      this.refuse(waiting.reply, '100 Idle Heartbeat')
    } else {
      this.#remove(waiting)
      this.#onIdle()
    }
  }

  #end(waiting: Waiting, status: string, hasCounts: boolean): void {
    this.#remove(waiting)
    if (hasCounts) this.#tell(waiting, status)
    else this.refuse(waiting.reply, status)
    this.#onIdle()
  }

  #tell(waiting: Waiting, status: string): void {
    const headers = statusHeaders(status, [
      ['Nats-Pending-Messages', waiting.batchLeft],
      ['Nats-Pending-Bytes', waiting.bytesLeft],
    ])
    this.#port.publish(waiting.reply, '', headers, NO_BYTES)
  }

  #dropDeaf(): void {
    for (const waiting of [...this.#queue]) {
      if (!this.#port.hasInterest(waiting.reply)) this.#remove(waiting)
    }
  }

  #remove(waiting: Waiting): void {
    const at = this.#queue.indexOf(waiting)
    if (at < 0) return
    this.#queue.splice(at, 1)
    this.#batchTotal -= waiting.batchLeft
    cancelTimers(waiting)
  }
}

function cancelTimers(waiting: Waiting): void {
  waiting.cancelExpiry?.()
  waiting.cancelHeartbeat?.()
}
