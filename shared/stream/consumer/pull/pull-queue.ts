/**
 * The pull requests that wait on one consumer. Served round robin: one message, then the next
 * request's turn. A request leaves when its batch or bytes are used up, when it expires, or when
 * nobody listens on its inbox any more. All statuses a client gets about a request are sent here.
 *
 * With a priority policy some are passed over:
 *
 *   overflow       who asked only for when much is pending or unacknowledged
 *   pinned_client  all but the client that is pinned
 *   prioritized    none, but the queue is sorted by level, and turns go round within a level
 */
import { type Cancel, type Clock, every } from '../../../runtime/index.ts'
import type { ConsumerConfig } from '../../config/consumer-config.ts'
import { NO_BYTES, statusHeaders } from '../../headers.ts'
import type { StreamPort } from '../../port.ts'
import type { SequencePair } from '../ack-ledger.ts'
import type { Pin } from './pin.ts'
import type { PullPriority, PullRequest } from './pull-request.ts'

interface Waiting {
  readonly reply: string
  /** `reply`, as messages are addressed. */
  readonly inbox: Uint8Array
  readonly isNoWait: boolean
  readonly expiresAtMs: number
  readonly heartbeatMs: number
  readonly priority: PullPriority | undefined
  /** Of the client that it is from; it gets one when it is pinned. */
  pinId: string
  batchLeft: number
  /** 0: not bounded by bytes. */
  bytesLeft: number
  delivered: number
  lastSentMs: number
  cancelExpiry: Cancel | undefined
  cancelHeartbeat: Cancel | undefined
}

export interface PullQueueParts {
  readonly clock: Clock
  readonly port: StreamPort
  readonly waitingMax: number
  readonly pin: Pin
  readonly policy: () => ConsumerConfig['priority_policy']
  readonly passed: () => SequencePair
  /** Messages that are there, the one that is about to be taken among them. */
  readonly takeable: () => number
  readonly pendingAcks: () => number
  readonly isDelivering: () => boolean
  /** A request has left other than by being served. */
  readonly onIdle: () => void
}

type Verdict = 'serve' | 'pass' | 'refuse'

/** Behind all levels there are. */
const NO_LEVEL = Number.MAX_SAFE_INTEGER

const TIMEOUT = '408 Request Timeout'

export class PullQueue {
  readonly #parts: PullQueueParts
  readonly #clock: Clock
  readonly #port: StreamPort
  readonly #queue: Waiting[] = []
  #batchTotal = 0
  #taken: Waiting | undefined

  constructor(parts: PullQueueParts) {
    this.#parts = parts
    this.#clock = parts.clock
    this.#port = parts.port
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
    const { waitingMax } = this.#parts
    if (this.#queue.length >= waitingMax) this.dropDeaf()
    if (this.#queue.length >= waitingMax) {
      // A client with a heartbeat would ask again at once and spin: it notices the silence instead.
      if (request.heartbeatMs === 0) this.refuse(reply, '409 Exceeded MaxWaiting')
      return false
    }
    const waiting = this.#waitingOf(reply, request)
    if (request.expiresMs > 0) {
      waiting.cancelExpiry = this.#clock.after(request.expiresMs, () => this.#timedOut(waiting))
    }
    if (request.expiresMs < 0) this.#clock.soon(() => this.#timedOut(waiting))
    if (request.heartbeatMs > 0) {
      waiting.cancelHeartbeat = every(this.#clock, request.heartbeatMs, () => this.#beat(waiting))
    }
    this.#enqueue(waiting)
    this.#batchTotal += request.batch
    return true
  }

  /**
   * The inbox that a message of `bytes` goes to; undefined when none of the requests can take it.
   * The request is charged: the caller must send.
   */
  take(bytes: number, nowMs: number): Uint8Array | undefined {
    const policy = this.#parts.policy()
    const needsPin = policy === 'pinned_client' && this.#parts.pin.id === ''
    let passed = 0
    for (;;) {
      const waiting = this.#queue[0]
      if (waiting === undefined) return undefined
      if (waiting.expiresAtMs <= nowMs) {
        this.#end(waiting, TIMEOUT, true)
        continue
      }
      if (policy !== undefined) {
        const verdict = this.#judge(waiting, policy, needsPin)
        if (verdict === 'pass') {
          this.#queue.shift()
          this.#queue.push(waiting)
          if (++passed >= this.#queue.length) return undefined
          continue
        }
        if (verdict === 'refuse') {
          this.#end(waiting, '423 Nats-Wrong-Pin-Id', true)
          continue
        }
      }
      if (waiting.bytesLeft > 0 && bytes > waiting.bytesLeft) {
        // It was pinned for what it can not have.
        if (needsPin) this.#parts.pin.release()
        this.#end(waiting, '409 Message Size Exceeds MaxBytes', true)
        continue
      }
      this.#charge(waiting, bytes, nowMs)
      this.#taken = waiting
      return waiting.inbox
    }
  }

  /** Nobody listens any more on the inbox that was taken last. */
  missed(): void {
    if (this.#taken === undefined) return
    const { pin } = this.#parts
    // Nobody is there who could come back with the id.
    if (pin.id !== '' && this.#taken.pinId === pin.id) pin.release()
    this.#remove(this.#taken)
    this.#taken = undefined
    this.#parts.onIdle()
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
  endAll(status: string, hasCounts: boolean): void {
    for (const waiting of [...this.#queue]) this.#end(waiting, status, hasCounts)
  }

  /** Those that nobody listens for any more are not waiting. */
  dropDeaf(): void {
    for (const waiting of [...this.#queue]) {
      if (!this.#port.hasInterest(waiting.reply)) this.#remove(waiting)
    }
  }

  #waitingOf(reply: string, request: PullRequest): Waiting {
    const nowMs = this.#clock.monotonicMs()
    return {
      reply,
      inbox: Buffer.from(reply),
      isNoWait: request.isNoWait,
      expiresAtMs: request.expiresMs === 0 ? Number.POSITIVE_INFINITY : nowMs + request.expiresMs,
      heartbeatMs: request.heartbeatMs,
      priority: request.priority,
      pinId: request.priority?.pinId ?? '',
      batchLeft: request.batch,
      bytesLeft: request.bytesMax,
      delivered: 0,
      lastSentMs: nowMs,
      cancelExpiry: undefined,
      cancelHeartbeat: undefined,
    }
  }

  #enqueue(waiting: Waiting): void {
    if (this.#parts.policy() !== 'prioritized') {
      this.#queue.push(waiting)
      return
    }
    const level = waiting.priority?.level ?? NO_LEVEL
    let at = this.#queue.length
    while (at > 0 && (this.#queue[at - 1]?.priority?.level ?? NO_LEVEL) > level) at--
    this.#queue.splice(at, 0, waiting)
  }

  #judge(waiting: Waiting, policy: string, needsPin: boolean): Verdict {
    const { pin, takeable, pendingAcks } = this.#parts
    const { priority } = waiting
    if (policy === 'pinned_client') {
      if (needsPin && waiting.pinId === '') {
        if (priority !== undefined && priority.group !== '') {
          waiting.pinId = pin.assign(priority.group)
        }
        return 'serve'
      }
      if (!needsPin && waiting.pinId === pin.id) return 'serve'
      return waiting.pinId === '' ? 'pass' : 'refuse'
    }
    if (policy !== 'overflow' || priority === undefined) return 'serve'
    const { minPending, minAckPending } = priority
    if (minPending <= 0 && minAckPending <= 0) return 'serve'
    if (minPending > 0 && minPending <= takeable()) return 'serve'
    return minAckPending > 0 && minAckPending <= pendingAcks() ? 'serve' : 'pass'
  }

  #charge(waiting: Waiting, bytes: number, nowMs: number): void {
    this.#queue.shift()
    waiting.lastSentMs = nowMs
    waiting.delivered++
    waiting.batchLeft--
    this.#batchTotal--
    const isBounded = waiting.bytesLeft > 0
    waiting.bytesLeft -= isBounded ? bytes : 0
    if (waiting.batchLeft > 0 && (!isBounded || waiting.bytesLeft > 0)) {
      this.#enqueue(waiting)
      return
    }
    this.#batchTotal -= waiting.batchLeft
    cancelTimers(waiting)
    if (waiting.bytesLeft > 0) {
      // After the message that is about to be sent.
      this.#clock.soon(() => this.#tell(waiting, '409 Batch Completed'))
    }
  }

  /** Those that do not wait are looked at as well: what holds them up may be no message, but what is pending. */
  #timedOut(waiting: Waiting): void {
    if (!this.#queue.includes(waiting)) return
    this.#end(waiting, TIMEOUT, true)
    if (!this.#parts.isDelivering()) this.endOfStream()
  }

  #beat(waiting: Waiting): void {
    const silentMs = this.#clock.monotonicMs() - waiting.lastSentMs
    if (silentMs < waiting.heartbeatMs * 0.9) return
    waiting.lastSentMs = this.#clock.monotonicMs()
    if (waiting.isNoWait && waiting.delivered > 0) {
      // It has something, and the rest waits for acknowledgements.
      this.#end(waiting, '404 No Messages', false)
    } else if (this.#port.hasInterest(waiting.reply)) {
      const { consumerSeq, streamSeq } = this.#parts.passed()
      const headers = statusHeaders('100 Idle Heartbeat', [
        ['Nats-Last-Consumer', consumerSeq],
        ['Nats-Last-Stream', streamSeq],
      ])
      this.#port.publish(waiting.reply, '', headers, NO_BYTES)
    } else {
      this.#remove(waiting)
      this.#parts.onIdle()
    }
  }

  #end(waiting: Waiting, status: string, hasCounts: boolean): void {
    this.#remove(waiting)
    if (hasCounts) this.#tell(waiting, status)
    else this.refuse(waiting.reply, status)
    this.#parts.onIdle()
  }

  #tell(waiting: Waiting, status: string): void {
    const headers = statusHeaders(status, [
      ['Nats-Pending-Messages', waiting.batchLeft],
      ['Nats-Pending-Bytes', waiting.bytesLeft],
    ])
    this.#port.publish(waiting.reply, '', headers, NO_BYTES)
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
