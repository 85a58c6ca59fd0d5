/**
 * Moves messages of a stream to whom one consumer delivers: what is due for redelivery
 * first, then new ones while `max_ack_pending` allows. It runs when something could have changed
 * (a pull, a commit, an ack, a deadline) and stops when nothing can be delivered.
 */
import type { Log } from '../../log/index.ts'
import { type Cancel, type Clock, messageOf } from '../../runtime/index.ts'
import type { StoredMessage, StreamStore } from '../../store/index.ts'
import { NO_BYTES, withHeaders } from '../headers.ts'
import { DELIVERY_TURN_BYTES, READ_RETRY_MS } from '../limits.ts'
import type { StreamPort } from '../port.ts'
import type { AckLedger } from './ack-ledger.ts'
import { ackSubject } from './ack-subject.ts'
import type { DeliveryTarget } from './delivery-target.ts'
import type { MessageReader } from './message-reader.ts'

export interface DeliveryOptions {
  /** What all reply subjects of the consumer begin with. */
  readonly ackPrefix: string
  isHeadersOnly: boolean
  ackPendingMax: number
}

export class Delivery {
  readonly options: DeliveryOptions
  readonly #clock: Clock
  readonly #port: StreamPort
  readonly #log: Log
  readonly #store: StreamStore
  readonly #ledger: AckLedger
  readonly #reader: MessageReader
  readonly #target: DeliveryTarget
  readonly #onDelivered: () => void
  #isRunning = false
  #isWoken = false
  #isClosed = false
  #turnBytes = 0
  #cancelRetry: Cancel | undefined

  constructor(
    parts: {
      readonly clock: Clock
      readonly port: StreamPort
      readonly log: Log
      readonly store: StreamStore
      readonly ledger: AckLedger
      readonly reader: MessageReader
      readonly target: DeliveryTarget
      /** After each delivery: state changed, and deadlines may be nearer. */
      readonly onDelivered: () => void
    },
    options: DeliveryOptions,
  ) {
    this.#clock = parts.clock
    this.#port = parts.port
    this.#log = parts.log
    this.#store = parts.store
    this.#ledger = parts.ledger
    this.#reader = parts.reader
    this.#target = parts.target
    this.#onDelivered = parts.onDelivered
    this.options = options
  }

  /** Something may be deliverable now. Cheap when nobody waits. */
  wake(): void {
    if (!this.#target.isReady || this.#isClosed) return
    if (this.#isRunning) {
      this.#isWoken = true
      return
    }
    this.#isRunning = true
    this.#run().catch((error: unknown) => {
      this.#isRunning = false
      this.#log.error({ err: messageOf(error) }, 'consumer can not read its stream')
      this.#retryLater()
    })
  }

  close(): void {
    this.#isClosed = true
    this.#cancelRetry?.()
  }

  /** Nobody else may wake it: who waits has pulled already. */
  #retryLater(): void {
    if (this.#isClosed) return
    this.#cancelRetry?.()
    this.#cancelRetry = this.#clock.after(READ_RETRY_MS, () => this.wake())
  }

  async #run(): Promise<void> {
    do {
      this.#isWoken = false
      while (this.#target.isReady && !this.#isClosed) {
        const due = this.#ledger.peekDue()
        if (due !== undefined) {
          await this.#deliverAgain(due)
        } else if (this.#ledger.pending.size >= this.options.ackPendingMax) {
          break
        } else if (!(await this.#deliverNext())) {
          break
        }
        if (this.#turnBytes >= DELIVERY_TURN_BYTES) await this.#nextTurn()
      }
    } while (this.#isWoken && !this.#isClosed)
    this.#isRunning = false
  }

  /** Delivers from the batch at hand without leaving the turn; false at the end of the stream. */
  async #deliverNext(): Promise<boolean> {
    const message = this.#reader.peek()
    if (message === undefined) {
      if (this.#reader.isAtEnd) {
        this.#ledger.skipTo(this.#reader.nextSeq - 1)
        this.#target.endOfStream()
        return false
      }
      await this.#reader.fill()
      return true
    }
    const delivered = this.#ledger.delivered
    if (message.seq <= delivered.streamSeq) {
      this.#reader.shift()
      return true
    }
    const consumerSeq = delivered.consumerSeq + 1
    // The size that the client counts against max_bytes includes the ack subject.
    const pending = Math.max(0, this.#reader.remaining - 1)
    const reply = this.#ackSubject(1, message, consumerSeq, pending)
    const inbox = this.#target.take(this.#sizeOf(message, reply))
    if (inbox === undefined) return true
    this.#reader.shift()
    this.#ledger.deliver(message.seq, this.#clock.monotonicMs())
    this.#send(inbox, message, reply)
    return true
  }

  async #deliverAgain(streamSeq: number): Promise<void> {
    const message = await this.#store.get(streamSeq)
    if (this.#isClosed || this.#ledger.peekDue() !== streamSeq) return
    if (message === undefined) {
      this.#ledger.forget(streamSeq)
      this.#onDelivered()
      return
    }
    const deliveries = (this.#ledger.pending.get(streamSeq)?.deliveries ?? 0) + 1
    const consumerSeq = this.#ledger.delivered.consumerSeq + 1
    const reply = this.#ackSubject(deliveries, message, consumerSeq, this.#reader.remaining)
    const inbox = this.#target.take(this.#sizeOf(message, reply))
    if (inbox === undefined) return
    this.#ledger.redeliver(streamSeq, this.#clock.monotonicMs())
    this.#send(inbox, message, reply)
  }

  #ackSubject(
    deliveries: number,
    message: StoredMessage,
    consumerSeq: number,
    pending: number,
  ): string {
    const { ackPrefix } = this.options
    return ackSubject(ackPrefix, deliveries, message.seq, consumerSeq, message.timeMs, pending)
  }

  #sizeOf(message: StoredMessage, reply: string): number {
    const payload = this.options.isHeadersOnly ? 0 : message.payload.length
    return message.subjectBytes.length + reply.length + message.headers.length + payload
  }

  #send(inbox: string, message: StoredMessage, reply: string): void {
    const { isHeadersOnly } = this.options
    const payload = isHeadersOnly ? NO_BYTES : message.payload
    const headers = isHeadersOnly
      ? withHeaders(message.headers, [['Nats-Msg-Size', String(message.payload.length)]])
      : message.headers
    this.#turnBytes += payload.length + headers.length + reply.length
    this.#port.deliver(inbox, message.subjectBytes, reply, headers, payload)
    this.#onDelivered()
  }

  /** Lets sockets and other consumers have the loop. */
  #nextTurn(): Promise<void> {
    this.#turnBytes = 0
    return new Promise((resolve) => this.#clock.soon(resolve))
  }
}
