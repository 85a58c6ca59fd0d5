/** What is told about one consumer on `$JS.EVENT.>`, each when somebody listens. */
import type { Random } from '../../runtime/index.ts'
import type { Advisories } from '../advisories.ts'
import { NS_PER_MS } from '../limits.ts'
import { formatTime } from '../timestamp.ts'
import type { Exhausted } from './ack-ledger.ts'
import type { AckAddress } from './ack-subject.ts'

type Facts = Readonly<Record<string, unknown>>
type Delivery = Pick<AckAddress, 'consumerSeq' | 'streamSeq' | 'deliveries'>

export class ConsumerEvents {
  readonly #advisories: Advisories
  readonly #random: Random
  readonly #stream: string
  readonly #consumer: string

  constructor(advisories: Advisories, random: Random, stream: string, consumer: string) {
    this.#advisories = advisories
    this.#random = random
    this.#stream = stream
    this.#consumer = consumer
  }

  created(): void {
    this.#advise('CREATED', 'consumer_action', { action: 'create' })
  }

  deleted(): void {
    this.#advise('DELETED', 'consumer_action', { action: 'delete' })
  }

  /** It was delivered as often as it may be. */
  exhausted({ streamSeq, deliveries }: Exhausted): void {
    this.#advise('MAX_DELIVERIES', 'max_deliver', { stream_seq: streamSeq, deliveries })
  }

  naked(address: AckAddress): void {
    this.#advise('MSG_NAKED', 'nak', deliveryOf(address))
  }

  terminated(address: Delivery, reason: string): void {
    const facts = deliveryOf(address)
    this.#advise('MSG_TERMINATED', 'terminated', reason === '' ? facts : { ...facts, reason })
  }

  /** It waited for its acknowledgement, and was removed or had to go for a limit; a purge is not told. */
  readonly gone = (
    streamSeq: number,
    { consumerSeq, deliveries }: Omit<Delivery, 'streamSeq'>,
  ): void => {
    this.terminated({ consumerSeq, streamSeq, deliveries }, 'Unacknowledged message was deleted')
  }

  /**
   * A sample of the acknowledgements.
   * @param sampleFreq percent, as configured
   * @param heldMs how long the message was with its receiver
   */
  acknowledged(sampleFreq: string, address: AckAddress, heldMs: number): void {
    const percent = Number.parseInt(sampleFreq, 10)
    if (!(percent > 0)) return
    if (percent < 100 && this.#random.below(100) > percent) return
    const { stream_seq, consumer_seq, deliveries } = deliveryOf(address)
    this.#advisories.metric(`CONSUMER.ACK.${this.#stream}.${this.#consumer}`, 'consumer_ack', {
      ...this.#names,
      consumer_seq,
      stream_seq,
      ack_time: Math.round(heldMs * NS_PER_MS),
      deliveries,
    })
  }

  /** @param pauseUntilMs 0 for none */
  paused(isPaused: boolean, pauseUntilMs: number): void {
    const until = formatTime(pauseUntilMs)
    this.#advise('PAUSE', 'consumer_pause', { paused: isPaused, pause_until: until })
  }

  pinned(group: string, pinId: string): void {
    const { account } = this.#advisories
    this.#advise('PINNED', 'consumer_group_pinned', { account, group, pinned_id: pinId })
  }

  unpinned(group: string, reason: 'admin' | 'timeout'): void {
    const { account } = this.#advisories
    this.#advise('UNPINNED', 'consumer_group_unpinned', { account, group, reason })
  }

  get #names(): Facts {
    return { stream: this.#stream, consumer: this.#consumer }
  }

  #advise(event: string, type: string, facts: Facts): void {
    const subject = `CONSUMER.${event}.${this.#stream}.${this.#consumer}`
    this.#advisories.publish(subject, type, { ...this.#names, ...facts })
  }
}

function deliveryOf({ consumerSeq, streamSeq, deliveries }: Delivery) {
  return { consumer_seq: consumerSeq, stream_seq: streamSeq, deliveries }
}
