/**
 * Moves messages of a stream to whom one consumer delivers: what is due for redelivery
 * first, then new ones while `max_ack_pending` allows. It runs when something could have changed
 * (a pull, a commit, an ack, a deadline) and stops when nothing can be delivered.
 */
import type { Log } from '../../log/index.ts'
import { type Cancel, type Clock, messageOf } from '../../runtime/index.ts'
import type { StoredMessage, StreamStore } from '../../store/index.ts'
import { NO_BYTES, withHeaders } from '../headers.ts'
import { READ_RETRY_MS } from '../limits.ts'
import type { Outlet } from '../port.ts'
import type { AckLedger } from './ack-ledger.ts'
import type { DeliveryTarget } from './delivery-target.ts'
import { DeliveryShare } from './delivery-turns.ts'
import type { MessageReader } from './message-reader.ts'
import type { ReplayPace } from './replay-pace.ts'
import { ReplySubject } from './reply-subject.ts'

export interface DeliveryOptions {
  /** What all reply subjects of the consumer begin with. */
  readonly ackPrefix: string
  isHeadersOnly: boolean
  ackPendingMax: number
  /** undefined: at once, as far as the target takes it. */
  pace: ReplayPace | undefined
  isPaused: boolean
}

/** Why a turn's deliveries end: something is to be read, or due again, others have their turn, or there is no more. */
type Stop = 'unread' | 'due' | 'turn' | 'done'

export class Delivery {
  readonly options: DeliveryOptions
  readonly #clock: Clock
  readonly #outlet: Outlet
  readonly #log: Log
  readonly #store: StreamStore
  readonly #ledger: AckLedger
  readonly #reader: MessageReader
  readonly #target: DeliveryTarget
  readonly #onDelivered: (nowMs: number) => void
  readonly #reply: ReplySubject
  readonly #share: DeliveryShare
  #isRunning = false
  #isWoken = false
  #isStarted = false
  #isWakePromised = false
  #isClosed = false
  /** The last read failed, and that was said. */
  #isUnreadable = false
  #cancelRetry: Cancel | undefined

  constructor(
    parts: {
      readonly clock: Clock
      readonly outlet: Outlet
      readonly log: Log
      readonly store: StreamStore
      readonly ledger: AckLedger
      readonly reader: MessageReader
      readonly target: DeliveryTarget
      /** After deliveries: state changed, and deadlines may be nearer. */
      readonly onDelivered: (nowMs: number) => void
    },
    options: DeliveryOptions,
  ) {
    this.#clock = parts.clock
    this.#outlet = parts.outlet
    this.#log = parts.log
    this.#store = parts.store
    this.#ledger = parts.ledger
    this.#reader = parts.reader
    this.#target = parts.target
    this.#onDelivered = parts.onDelivered
    this.#reply = new ReplySubject(options.ackPrefix)
    this.#share = new DeliveryShare(parts.clock)
    this.options = options
  }

  /** The consumer is on disk: nothing goes out before. */
  start(): void {
    this.#isStarted = true
    this.wake()
  }

  /** What is there is on its way to those who wait, though it may have to be read first. */
  get isRunning(): boolean {
    return this.#isRunning
  }

  /** Something may be deliverable now. Cheap when nobody waits. */
  wake(): void {
    if (!this.#target.isReady || !this.#isStarted || !this.#isFree) return
    if (this.#isRunning) {
      this.#isWoken = true
      return
    }
    this.#isRunning = true
    this.#run().catch((error: unknown) => {
      this.#isRunning = false
      const level = this.#isUnreadable ? 'debug' : 'error'
      this.#isUnreadable = true
      this.#log[level]({ err: messageOf(error) }, 'consumer can not read its stream')
      this.#wakeAfter(READ_RETRY_MS)
    })
  }

  /** The same for what comes in numbers, as acknowledgements do: once behind all of them. */
  wakeSoon(): void {
    if (this.#isWakePromised) return
    this.#isWakePromised = true
    queueMicrotask(() => {
      this.#isWakePromised = false
      this.wake()
    })
  }

  close(): void {
    this.#isClosed = true
    this.#cancelRetry?.()
  }

  /** Nobody else may wake it: who waits has pulled already. */
  #wakeAfter(delayMs: number): void {
    if (this.#isClosed) return
    this.#cancelRetry?.()
    this.#cancelRetry = this.#clock.after(delayMs, () => this.wake())
  }

  async #run(): Promise<void> {
    do {
      this.#isWoken = false
      for (let stop = this.#deliverAtHand(); stop !== 'done'; stop = this.#deliverAtHand()) {
        if (stop === 'unread') await this.#reader.fill()
        else if (stop === 'turn') await this.#share.next()
        else if (!(await this.#deliverAgain())) break
      }
    } while (this.#isWoken && this.#isFree)
    this.#isRunning = false
    this.#isUnreadable = false
  }

  /** Delivers the batch at hand as far as it goes in this turn; returns what there is to wait for. */
  #deliverAtHand(): Stop {
    const before = this.#ledger.consumerSeq
    const nowMs = this.#clock.monotonicMs()
    const stop = this.#deliverBatch(nowMs)
    if (this.#ledger.consumerSeq !== before) this.#onDelivered(nowMs)
    return stop
  }

  #deliverBatch(nowMs: number): Stop {
    const ledger = this.#ledger
    const reader = this.#reader
    while (this.#target.isReady && this.#isFree) {
      if (this.#share.isOver) return 'turn'
      if (ledger.peekDue() !== undefined) return 'due'
      if (ledger.pending.size >= this.options.ackPendingMax) return 'done'
      const message = reader.peek()
      if (message !== undefined) {
        if (!this.#deliverNext(message, nowMs)) return 'done'
      } else if (!reader.isAtEnd) {
        return 'unread'
      } else {
        ledger.skipTo(reader.nextSeq - 1)
        this.#target.endOfStream()
        return 'done'
      }
    }
    return 'done'
  }

  get #isFree(): boolean {
    return !this.#isClosed && !this.options.isPaused
  }

  /** Nobody who waits takes it as things are: not for want of messages, but of conditions. */
  #notTaken(): false {
    this.#target.endOfStream()
    return false
  }

  /** False when nobody takes it now. */
  #deliverNext(message: StoredMessage, nowMs: number): boolean {
    const ledger = this.#ledger
    if (message.seq <= ledger.passedSeq) {
      this.#reader.shift()
      return true
    }
    if (this.options.pace !== undefined && !this.#isDue(message, nowMs)) return false
    // The size that the client counts against max_bytes includes the ack subject.
    const pending = Math.max(0, this.#reader.remaining - 1)
    const consumerSeq = ledger.consumerSeq + 1
    const reply = this.#reply.write(1, message.seq, consumerSeq, message.timeMs, pending)
    const size = this.#sizeOf(message, reply)
    const inbox = this.#target.take(size, nowMs)
    if (inbox === undefined) return this.#notTaken()
    if (!this.#send(inbox, message, reply) && this.#target.missed()) return true
    this.#reader.shift()
    ledger.deliver(message.seq, nowMs)
    this.options.pace?.delivered(message, nowMs)
    this.#target.delivered(size)
    return true
  }

  /** False when nobody takes it now. */
  async #deliverAgain(): Promise<boolean> {
    const streamSeq = this.#ledger.peekDue()
    if (streamSeq === undefined) return true
    const message = await this.#store.get(streamSeq)
    if (!this.#isFree || this.#ledger.peekDue() !== streamSeq) return true
    const nowMs = this.#clock.monotonicMs()
    if (message === undefined) {
      this.#ledger.forget(streamSeq)
      this.#onDelivered(nowMs)
      return true
    }
    const deliveries = (this.#ledger.pending.get(streamSeq)?.deliveries ?? 0) + 1
    const consumerSeq = this.#ledger.consumerSeq + 1
    const { remaining } = this.#reader
    const reply = this.#reply.write(deliveries, streamSeq, consumerSeq, message.timeMs, remaining)
    const size = this.#sizeOf(message, reply)
    const inbox = this.#target.take(size, nowMs)
    if (inbox === undefined) return this.#notTaken()
    if (!this.#send(inbox, message, reply) && this.#target.missed()) return true
    this.#ledger.redeliver(streamSeq, nowMs)
    this.#target.delivered(size)
    this.#onDelivered(nowMs)
    return true
  }

  #isDue(message: StoredMessage, nowMs: number): boolean {
    const delayMs = this.options.pace?.delayMs(message, nowMs)
    if (delayMs === undefined) this.options.pace = undefined
    else if (delayMs >= 1) {
      this.#wakeAfter(delayMs)
      return false
    }
    return true
  }

  #sizeOf(message: StoredMessage, reply: Uint8Array): number {
    const { laidOut, subjectBytes, headers, payload } = message
    if (this.options.isHeadersOnly) {
      return subjectBytes.length + reply.length + withSize(message).length
    }
    if (laidOut !== undefined) return laidOut.end - laidOut.subjectAt + reply.length
    return subjectBytes.length + reply.length + headers.length + payload.length
  }

  /** Whether anybody took it. */
  #send(inbox: Uint8Array, message: StoredMessage, reply: Uint8Array): boolean {
    const { isHeadersOnly } = this.options
    const { pinId } = this.#target
    const { laidOut } = message
    if (laidOut !== undefined && !isHeadersOnly && pinId === undefined) {
      this.#share.spend(laidOut.end - laidOut.headersAt + reply.length)
      return this.#outlet.deliverLaidOut(inbox, laidOut, reply)
    }
    const payload = isHeadersOnly ? NO_BYTES : message.payload
    let headers = isHeadersOnly ? withSize(message) : message.headers
    if (pinId !== undefined) headers = withHeaders(headers, [['Nats-Pin-Id', pinId]])
    this.#share.spend(payload.length + headers.length + reply.length)
    return this.#outlet.deliver(inbox, message.subjectBytes, reply, headers, payload)
  }
}

/** Its headers for who gets no payload: how long that is. */
function withSize({ headers, payload }: StoredMessage): Uint8Array {
  return withHeaders(headers, [['Nats-Msg-Size', String(payload.length)]])
}
