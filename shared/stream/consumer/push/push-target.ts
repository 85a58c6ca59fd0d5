/**
 * The subject that a push consumer delivers to. It delivers while somebody subscribes to exactly that
 * subject (and group), and no faster than its receivers, its flow control and its rate limit allow:
 *
 *   receivers     who is behind holds the consumer up, as any publisher, as long as it keeps taking
 *   flow control  the window bounds what a receiver that takes nothing can make us send
 *   neither       what it does not take is pending in its connection, which ends as a slow consumer
 */
import type { Cancel, Clock } from '../../../runtime/index.ts'
import type { ConsumerConfig } from '../../config/consumer-config.ts'
import { headerValue, NO_BYTES, statusHeaders } from '../../headers.ts'
import {
  FLOW_WINDOW_BYTES_MAX,
  FLOW_WINDOW_BYTES_MIN,
  NS_PER_MS,
  READ_RETRY_MS,
} from '../../limits.ts'
import type { Flow, InterestWatch, PortMessage, StreamPort } from '../../port.ts'
import type { SequencePair } from '../ack-ledger.ts'
import type { DeliveryTarget } from '../delivery-target.ts'
import { FlowWindow } from './flow-window.ts'
import { IdleHeartbeat } from './idle-heartbeat.ts'
import { RateLimit } from './rate-limit.ts'

export interface PushTargetParts {
  readonly clock: Clock
  readonly port: StreamPort
  readonly config: () => ConsumerConfig
  /** `$JS.FC.<stream>.<consumer>.`: what its questions of flow control begin with. */
  readonly flowPrefix: string
  /** Some characters that nobody guesses. */
  readonly newToken: () => string
  /** How much a limited rate may take at once. */
  readonly burstBytes: number
  readonly passed: () => SequencePair
  readonly pendingAcks: () => number
  /** It may be ready now. */
  readonly onReady: () => void
  /** The first subscriber came, or the last one left. */
  readonly onInterest: () => void
  /** `ack_policy: flow_control`: the receiver is done with all up to there. */
  readonly onAcknowledged: (streamSeq: number) => void
}

export class PushTarget implements DeliveryTarget {
  readonly waiting = 0
  readonly flow: Flow = { pause: () => this.#pause(), resume: () => this.#resume() }
  readonly #parts: PushTargetParts
  #subject: string
  #to: Uint8Array
  #watch: InterestWatch
  readonly #window: FlowWindow | undefined
  readonly #stopAnswers: (() => void) | undefined
  readonly #heartbeat: IdleHeartbeat | undefined
  #rate: RateLimit | undefined
  /** Receivers that are behind. */
  #holds = 0
  /** Why it is not ready although somebody subscribes: the rate, or nobody took the last message. */
  #cancelWait: Cancel | undefined
  #isClosed = false

  constructor(parts: PushTargetParts) {
    this.#parts = parts
    const { clock, port, config, flowPrefix } = parts
    const { deliver_subject = '', flow_control, idle_heartbeat = 0 } = config()
    this.#subject = deliver_subject
    this.#to = Buffer.from(deliver_subject)
    this.#watch = this.#watchInterest()
    this.#limitRate()
    if (flow_control) {
      this.#window = new FlowWindow(FLOW_WINDOW_BYTES_MIN, FLOW_WINDOW_BYTES_MAX)
      this.#stopAnswers = port.subscribe(`${flowPrefix}*`, (message) => this.#answered(message))
    }
    if (idle_heartbeat > 0) {
      this.#heartbeat = new IdleHeartbeat(clock, idle_heartbeat / NS_PER_MS, () => this.#beat())
    }
  }

  get isReady(): boolean {
    if (this.#holds > 0 || this.#cancelWait !== undefined || !this.#watch.isInterested) return false
    return this.#window === undefined || this.#window.isOpen
  }

  get isInUse(): boolean {
    return this.#watch.isInterested
  }

  get isBound(): boolean {
    return this.#watch.isInterested
  }

  take(bytes: number, nowMs: number): Uint8Array | undefined {
    const waitMs = this.#rate?.take(bytes, nowMs) ?? 0
    if (waitMs > 0) {
      this.#wait(waitMs)
      return undefined
    }
    return this.#to
  }

  delivered(bytes: number): void {
    this.#heartbeat?.sent()
    if (this.#window === undefined) return
    const isDue = this.#window.add(bytes)
    if (this.#window.question === '' && (isDue || this.#isFull)) this.#ask(this.#window)
  }

  missed(): boolean {
    // Whoever comes ends this before its time.
    this.#wait(READ_RETRY_MS)
    return true
  }

  endOfStream(): void {}

  pull(reply: string): boolean {
    this.#send(reply, statusHeaders('409 Consumer is push based'))
    return false
  }

  update(): void {
    this.#limitRate()
    const { deliver_subject = '' } = this.#parts.config()
    if (deliver_subject === this.#subject) return
    this.#watch.stop()
    this.#subject = deliver_subject
    this.#to = Buffer.from(deliver_subject)
    this.#watch = this.#watchInterest()
  }

  close(): void {
    this.#isClosed = true
    this.#watch.stop()
    this.#stopAnswers?.()
    this.#heartbeat?.stop()
    this.#cancelWait?.()
  }

  /** Nothing more may be sent before the receiver says what it is done with. */
  get #isFull(): boolean {
    const { ack_policy, max_ack_pending = 0 } = this.#parts.config()
    return ack_policy === 'flow_control' && this.#parts.pendingAcks() >= max_ack_pending
  }

  #watchInterest(): InterestWatch {
    const { port, config, onReady, onInterest } = this.#parts
    return port.watchInterest(this.#subject, config().deliver_group ?? '', () => {
      this.#endWait()
      onInterest()
      onReady()
    })
  }

  #limitRate(): void {
    const { clock, config, burstBytes } = this.#parts
    const { rate_limit_bps } = config()
    this.#rate =
      rate_limit_bps === undefined
        ? undefined
        : new RateLimit(rate_limit_bps, burstBytes, clock.monotonicMs())
  }

  #pause(): void {
    this.#holds++
  }

  #resume(): void {
    this.#holds--
    if (this.#holds === 0 && !this.#isClosed) this.#parts.onReady()
  }

  #wait(delayMs: number): void {
    this.#endWait()
    this.#cancelWait = this.#parts.clock.after(delayMs, () => {
      this.#cancelWait = undefined
      this.#parts.onReady()
    })
  }

  #endWait(): void {
    this.#cancelWait?.()
    this.#cancelWait = undefined
  }

  #ask(window: FlowWindow): void {
    window.ask(this.#parts.flowPrefix + this.#parts.newToken())
    const headers = statusHeaders('100 FlowControl Request')
    this.#parts.port.publish(this.#subject, window.question, headers, NO_BYTES)
  }

  #answered({ subject, headers }: PortMessage): void {
    if (!this.#window?.answer(subject)) return
    if (this.#parts.config().ack_policy === 'flow_control' && headers.length > 0) {
      const streamSeq = Number(headerValue(headers, 'Nats-Last-Stream'))
      if (Number.isSafeInteger(streamSeq) && streamSeq > 0) this.#parts.onAcknowledged(streamSeq)
    }
    this.#parts.onReady()
  }

  #beat(): void {
    if (!this.#watch.isInterested) return
    const { passed, config, pendingAcks } = this.#parts
    const { consumerSeq, streamSeq } = passed()
    const question = this.#window?.question ?? ''
    this.#send(
      this.#subject,
      statusHeaders('100 Idle Heartbeat', [
        ['Nats-Last-Consumer', consumerSeq],
        ['Nats-Last-Stream', streamSeq],
        ...(question === '' ? [] : [['Nats-Consumer-Stalled', question] as const]),
      ]),
    )
    // What is delivered and not answered for yet is asked after at the end of the stream as well.
    const isByFlow = config().ack_policy === 'flow_control' && pendingAcks() > 0
    if (isByFlow && question === '' && this.#window !== undefined) this.#ask(this.#window)
  }

  #send(subject: string, headers: Uint8Array): void {
    this.#parts.port.publish(subject, '', headers, NO_BYTES)
  }
}
