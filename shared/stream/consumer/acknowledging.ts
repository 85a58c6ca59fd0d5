/** What clients say to the messages of one consumer, and whether they are told that it was heard. */
import type { ConsumerConfig } from '../config/consumer-config.ts'
import type { AckLedger } from './ack-ledger.ts'
import type { AckAddress, AckRequest } from './ack-subject.ts'
import type { ConsumerEvents } from './consumer-events.ts'

export class Acknowledging {
  readonly #ledger: AckLedger
  readonly #events: ConsumerEvents
  readonly #config: () => ConsumerConfig
  /** Monotonic; undefined: nothing yet. */
  lastAckedMs: number | undefined

  constructor(ledger: AckLedger, events: ConsumerEvents, config: () => ConsumerConfig) {
    this.#ledger = ledger
    this.#events = events
    this.#config = config
  }

  /** Returns whether who asked for it is to be told once this is on disk. */
  take(address: AckAddress, request: AckRequest, nowMs: number): boolean {
    const isHeard = this.#take(address, request, nowMs)
    return isHeard && (address.streamSeq > 0 || this.#isNoneTold(request))
  }

  /** No message has the sequence 0: nats-server tells of few requests that name it. */
  #isNoneTold({ type }: AckRequest): boolean {
    return (type === 'ack' || type === 'term') && this.#config().ack_policy === 'explicit'
  }

  #take(address: AckAddress, request: AckRequest, nowMs: number): boolean {
    switch (request.type) {
      case 'ack':
        return this.#ack(address, nowMs)
      case 'next':
        this.#ack(address, nowMs)
        return false
      case 'term': {
        const isTold = this.#term(address, nowMs)
        this.#events.terminated(address, request.reason)
        return isTold
      }
      case 'progress':
        this.#ledger.progress(address.streamSeq, nowMs)
        return true
      case 'nak':
        this.#nak(address, request.delayMs, nowMs)
        return true
      case 'other':
        return true
    }
  }

  /** The receiver of a consumer with flow control is done with all up to there. */
  ackThrough(streamSeq: number, nowMs: number): void {
    if (this.#ledger.ack(streamSeq)) this.lastAckedMs = nowMs
  }

  #ack(address: AckAddress, nowMs: number): boolean {
    const { streamSeq } = address
    if (!this.#isHeard(streamSeq)) return false
    const { sample_freq, ack_policy } = this.#config()
    if (sample_freq !== undefined && ack_policy === 'explicit') this.#sample(address, nowMs)
    this.#ledger.ack(streamSeq)
    this.lastAckedMs = nowMs
    return true
  }

  #term({ streamSeq }: AckAddress, nowMs: number): boolean {
    if (!this.#isHeard(streamSeq)) return false
    // With `ack_policy: all` it ends what was delivered before it too, as in nats-server.
    this.#ledger.ack(streamSeq)
    this.lastAckedMs = nowMs
    return true
  }

  #nak(address: AckAddress, delayMs: number, nowMs: number): void {
    const { streamSeq } = address
    if (!this.#ledger.pending.has(streamSeq)) return
    this.#events.naked(address)
    const exhausted = this.#ledger.nak(streamSeq, delayMs, nowMs)
    if (exhausted !== undefined) this.#events.exhausted(exhausted)
  }

  /** What was never delivered can not be acknowledged. */
  #isHeard(streamSeq: number): boolean {
    return streamSeq <= this.#ledger.passedSeq || this.#config().flow_control === true
  }

  #sample(address: AckAddress, nowMs: number): void {
    const { streamSeq } = address
    if (!this.#ledger.pending.has(streamSeq)) return
    const heldMs = this.#ledger.heldMs(streamSeq, nowMs)
    this.#events.acknowledged(this.#config().sample_freq ?? '', address, heldMs)
  }
}
