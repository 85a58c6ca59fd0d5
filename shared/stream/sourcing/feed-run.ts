/**
 * How far a feed has got with one consumer of its origin: which message is the next, which came already,
 * and that one is missing. Source: nats-server (processInboundMirrorMsg, processInboundSourceMsg).
 */
import { headerValue } from '../headers.ts'
import type { PortMessage } from '../port.ts'
import { type Delivered, parseDelivered } from './delivered.ts'
import type { FeedKind } from './feed-request.ts'
import type { FedMessage } from './intake.ts'

export type Found =
  | { readonly type: 'next'; readonly message: FedMessage }
  /** Flow control: whether all before it was dealt with. */
  | { readonly type: 'question'; readonly question: string }
  | { readonly type: 'gap' }
  | { readonly type: 'nothing' }

const GAP: Found = { type: 'gap' }
const NOTHING: Found = { type: 'nothing' }
/** A heartbeat or a question of flow control. */
const CONTROL = Buffer.from('NATS/1.0 100 ')
/** An origin names no other subject, and must not have us publish on one. */
const FLOW_PREFIX = '$JS.FC.'

export class FeedRun {
  readonly #kind: FeedKind
  readonly #consumer: string
  /** The last that came, in the origin's numbers and in the consumer's. */
  streamSeq: number
  consumerSeq = 0
  /** What was still to come behind it. */
  lag = 0
  #isHeard = false
  /** A question that is answered when the disk has everything before it. */
  question = ''
  /** Of messages that are here and not on disk. */
  bytes = 0

  constructor(kind: FeedKind, consumer: string, streamSeq: number) {
    this.#kind = kind
    this.#consumer = consumer
    this.streamSeq = streamSeq
  }

  /** Whether fewer messages than that are still to come, as far as the origin has said anything. */
  isBelow(lag: number): boolean {
    return this.#isHeard && this.lag < lag
  }

  look(message: PortMessage): Found {
    if (isControl(message)) return this.#control(message)
    const delivered = parseDelivered(message.reply)
    if (delivered === undefined || delivered.consumer !== this.#consumer) return NOTHING
    if (delivered.deliveries > 1) return NOTHING
    const { streamSeq, consumerSeq, timeMs, pending } = delivered
    if (streamSeq <= this.streamSeq) {
      if (consumerSeq === this.consumerSeq + 1) this.consumerSeq = consumerSeq
      return NOTHING
    }
    if (!this.#isInOrder(delivered)) {
      return this.#kind === 'mirror' || consumerSeq > this.consumerSeq ? GAP : NOTHING
    }
    this.consumerSeq = consumerSeq
    this.streamSeq = streamSeq
    this.lag = Math.max(0, pending - 1)
    this.#isHeard = true
    const { subject, headers, payload } = message
    const { lag } = this
    return { type: 'next', message: { subject, headers, payload, streamSeq, timeMs, lag } }
  }

  /** Of these messages only those up to `storedSeq` are stored. */
  refused(messages: readonly FedMessage[], storedSeq: number): void {
    const first = messages.find(({ streamSeq }) => streamSeq > storedSeq)
    if (first !== undefined) this.lag = first.lag + 1
  }

  /** A mirror knows from the sequence itself that nothing is missing. */
  #isInOrder({ streamSeq, consumerSeq }: Delivered): boolean {
    if (consumerSeq === this.consumerSeq + 1) return true
    return this.#kind === 'mirror' && streamSeq === this.streamSeq + 1
  }

  #control({ reply, headers }: PortMessage): Found {
    if (reply !== '') return this.#asked(reply)
    const last = Number(headerValue(headers, 'Nats-Last-Consumer') ?? 0)
    if (last > 0 && last !== this.consumerSeq) return GAP
    this.#isHeard = true
    // What was asked got lost, or the disk is not done with it.
    const question = headerValue(headers, 'Nats-Consumer-Stalled') ?? ''
    return question === this.question ? NOTHING : this.#asked(question)
  }

  #asked(question: string): Found {
    return question.startsWith(FLOW_PREFIX) ? { type: 'question', question } : NOTHING
  }
}

export function sizeOf({ subject, reply, headers, payload }: PortMessage): number {
  return subject.length + reply.length + headers.length + payload.length
}

function isControl({ headers, payload }: PortMessage): boolean {
  if (payload.length > 0 || headers.length < CONTROL.length) return false
  return CONTROL.equals(headers.subarray(0, CONTROL.length))
}
