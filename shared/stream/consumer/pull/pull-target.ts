/** Those who pull: which of their requests a consumer takes, and what it tells the others. */
import type { Clock } from '../../../runtime/index.ts'
import type { ConsumerConfig } from '../../config/consumer-config.ts'
import { JetStreamError } from '../../jetstream-error.ts'
import { NS_PER_MS, PRIORITY_TIMEOUT_NS, WAITING_PULLS } from '../../limits.ts'
import type { StreamPort } from '../../port.ts'
import { durationText } from '../../timestamp.ts'
import type { SequencePair } from '../ack-ledger.ts'
import type { ConsumerEvents } from '../consumer-events.ts'
import type { DeliveryTarget } from '../delivery-target.ts'
import { Pin } from './pin.ts'
import { PullQueue } from './pull-queue.ts'
import { type PullPriority, type PullRequest, parsePullRequest } from './pull-request.ts'

export interface PullTargetParts {
  readonly clock: Clock
  readonly port: StreamPort
  readonly config: () => ConsumerConfig
  readonly events: ConsumerEvents
  /** Some characters that nobody guesses. */
  readonly newToken: () => string
  readonly passed: () => SequencePair
  /** Messages that are there, those that are due again among them. */
  readonly takeable: () => number
  readonly pendingAcks: () => number
  /** Something is on its way that may have to be read first. */
  readonly isDelivering: () => boolean
  /** A request has left other than by being served. */
  readonly onIdle: () => void
  /** Somebody who was passed over may be served now. */
  readonly onReady: () => void
}

/** As long as nats-server's. */
const PIN_ID_CHARACTERS = 22

export class PullTarget implements DeliveryTarget {
  readonly isBound = false
  readonly #config: () => ConsumerConfig
  readonly #queue: PullQueue
  readonly #pin: Pin
  readonly #takeable: () => number
  readonly #events: ConsumerEvents
  readonly #onReady: () => void

  constructor(parts: PullTargetParts) {
    const { clock, port, config, events, newToken, onReady } = parts
    this.#config = config
    this.#takeable = parts.takeable
    this.#events = events
    this.#onReady = onReady
    this.#pin = new Pin({
      clock,
      events,
      timeoutMs: () => (config().priority_timeout ?? PRIORITY_TIMEOUT_NS) / NS_PER_MS,
      newId: () => idOf(newToken),
      onFree: onReady,
    })
    this.#queue = new PullQueue({
      clock,
      port,
      waitingMax: config().max_waiting ?? WAITING_PULLS,
      pin: this.#pin,
      policy: () => config().priority_policy,
      passed: parts.passed,
      takeable: parts.takeable,
      pendingAcks: parts.pendingAcks,
      isDelivering: parts.isDelivering,
      onIdle: parts.onIdle,
    })
  }

  get isReady(): boolean {
    return this.#queue.size > 0
  }

  get isInUse(): boolean {
    return this.#queue.size > 0
  }

  get waiting(): number {
    this.#queue.dropDeaf()
    return this.#queue.size
  }

  get pinId(): string | undefined {
    return this.#config().priority_policy === 'pinned_client' ? this.#pin.id : undefined
  }

  groups(): readonly Readonly<Record<string, unknown>>[] {
    const [group] = this.#config().priority_groups ?? []
    return group === undefined ? [] : [this.#pin.info(group)]
  }

  /** Whoever is pinned is so no more. Returns false when there is no such group. */
  unpin(group: string): boolean {
    if (!this.#config().priority_groups?.includes(group)) return false
    this.#pin.release()
    this.#events.unpinned(group, 'admin')
    this.#onReady()
    return true
  }

  take(bytes: number, nowMs: number): Uint8Array | undefined {
    return this.#queue.take(bytes, nowMs)
  }

  delivered(): void {}

  /** The message is the next request's. */
  missed(): boolean {
    this.#queue.missed()
    return true
  }

  endOfStream(): void {
    this.#queue.endOfStream()
  }

  pull(reply: string, payload: Uint8Array): boolean {
    let request: PullRequest
    try {
      request = parsePullRequest(payload)
    } catch (error) {
      const text = error instanceof JetStreamError ? error.description : 'malformed'
      this.#queue.refuse(reply, `400 Bad Request - ${text.replace(/^invalid JSON: /, '')}`)
      return false
    }
    const refusal =
      this.#overLimit(request) ?? this.#badPriority(request) ?? this.#nothingToTake(request)
    if (refusal === undefined) return this.#queue.add(reply, request)
    this.#queue.refuse(reply, refusal)
    return false
  }

  update(): void {}

  close(status: string): void {
    this.#pin.release()
    this.#queue.endAll(status, status === SHUTDOWN)
  }

  #overLimit(request: PullRequest): string | undefined {
    const { max_batch, max_expires, max_bytes } = this.#config()
    if (max_batch !== undefined && request.batch > max_batch) {
      return `409 Exceeded MaxRequestBatch of ${max_batch}`
    }
    if (max_expires !== undefined && request.expiresMs > max_expires / NS_PER_MS) {
      return `409 Exceeded MaxRequestExpires of ${durationText(max_expires)}`
    }
    if (max_bytes !== undefined && request.bytesMax > max_bytes) {
      return `409 Exceeded MaxRequestMaxBytes of ${max_bytes}`
    }
    return undefined
  }

  #badPriority({ priority }: PullRequest): string | undefined {
    if (priority === undefined) return undefined
    const { priority_policy: policy, priority_groups = [] } = this.#config()
    const problem = priorityProblem(priority, policy)
    if (problem !== undefined) return `400 Bad Request - ${problem}`
    if (policy === undefined) return undefined
    if (priority.group === '') return '400 Bad Request - Priority Group missing'
    if (!priority_groups.includes(priority.group)) {
      return '400 Bad Request - Invalid Priority Group'
    }
    if (this.#pin.id === '') return undefined
    if (priority.pinId === this.#pin.id) this.#pin.renew(priority.group)
    else if (priority.pinId !== '') return '423 Nats-Pin-Id mismatch'
    return undefined
  }

  #nothingToTake(request: PullRequest): string | undefined {
    if (!request.isNoWait) return undefined
    const there = this.#takeable()
    if (there === 0) return request.expiresMs === 0 ? '404 No Messages' : undefined
    return there < this.#queue.batchTotal ? '408 Requests Pending' : undefined
  }
}

/** The one end that says how much of a request is left. */
const SHUTDOWN = '409 Server Shutdown'

function priorityProblem(
  { minPending, minAckPending, pinId, level }: PullPriority,
  policy: ConsumerConfig['priority_policy'],
): string | undefined {
  if ((minPending !== 0 || minAckPending !== 0) && policy !== 'overflow') {
    return 'Not a Overflow Priority consumer'
  }
  if (pinId !== '' && policy !== 'pinned_client') return 'Not a Pinned Client Priority consumer'
  return level < 0 || level > 9 ? 'Priority must be between 0 and 9' : undefined
}

function idOf(newToken: () => string): string {
  let id = ''
  while (id.length < PIN_ID_CHARACTERS) id += newToken()
  return id.slice(0, PIN_ID_CHARACTERS)
}
