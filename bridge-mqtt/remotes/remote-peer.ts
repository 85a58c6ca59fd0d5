import type {
  Message,
  Peer,
  Publication,
  PublishCommitted,
  SubjectSpace,
  Subscription,
} from '../../shared/broker/index.ts'
import type { LogFields } from '../../shared/log/index.ts'
import type { PetioleError } from '../../shared/runtime/index.ts'
import type { PublishReader } from '../codec/index.ts'
import type { Notices } from '../notices.ts'
import { type BridgedTopics, InboundTopics } from './bridged-topics.ts'
import type { InboundEntry, InboundWindow } from './inbound-window.ts'
import { InboundForm, NO_HEADERS } from './message-forms.ts'
import type { RemoteCounters } from './remote-counters.ts'
import type { RemoteQueue } from './remote-queue.ts'
import { hasPassed, viaOfProperties } from './via.ts'

export interface RemotePeerParts {
  readonly id: number
  readonly clientId: string
  readonly space: SubjectSpace
  readonly queue: RemoteQueue
  readonly subscribed: readonly BridgedTopics[]
  /** The remote's own name among those that a message has come through. */
  readonly via: string
  readonly payloadBytesMax: number
  readonly counters: RemoteCounters
  readonly notices: Notices
}

/**
 * A remote in its account's subject space: publishes what the broker sends, and gives what is published here to
 * the queue. It is one peer for both and gets no echo, so what came from a broker never goes back to it by
 * this way; what comes around by others is known by its `Petiole-Via`.
 *
 * To who keeps messages for sessions it is a publisher like a client of this server: its acknowledgement waits
 * for all that store them.
 */
export class RemotePeer implements Peer {
  readonly kind = 'mqtt'
  readonly echo = false
  readonly stores = 'fits'
  readonly id: number
  readonly clientId: string
  readonly hasNoLocal = false
  readonly publishingRetain = false
  publishingQos = 0
  readonly #parts: RemotePeerParts
  readonly #topics: InboundTopics
  readonly #form: InboundForm
  readonly #publication: { -readonly [Key in keyof Publication]: Publication[Key] } = {
    subject: NO_HEADERS,
    reply: NO_HEADERS,
    headers: NO_HEADERS,
    payload: NO_HEADERS,
  }
  #entry: InboundEntry | undefined

  constructor(parts: RemotePeerParts) {
    this.id = parts.id
    this.clientId = parts.clientId
    this.#parts = parts
    this.#topics = new InboundTopics(parts.subscribed)
    this.#form = new InboundForm(parts.via)
  }

  deliver(subscription: Subscription, message: Message): void {
    this.#parts.queue.capture(subscription, message)
  }

  /** The acknowledgement of what is being routed waits for one more; undefined: nobody waits. */
  hold(): PublishCommitted | undefined {
    return this.#entry?.hold()
  }

  /**
   * Publishes a PUBLISH of the broker; at QoS 1 its acknowledgement comes from `window`. What cannot be let in is
   * acknowledged and counted: held back, it would come again for ever.
   */
  publish(bytes: Uint8Array, packet: PublishReader, window: InboundWindow): void {
    const { counters } = this.#parts
    const entry = packet.qos === 0 ? undefined : window.open(packet.packetId)
    const payload = bytes.subarray(packet.payloadStart, packet.payloadEnd)
    counters.receivedMessages++
    counters.receivedBytes += payload.length
    const subject = this.#subjectFor(bytes, packet, payload)
    const headers = subject.length === 0 ? NO_HEADERS : this.#form.headers(bytes, packet)
    if (headers === undefined) {
      const what = 'message of a broker has too many properties, or too long ones: dropped'
      this.#refuse({ subject: Buffer.from(subject).toString() }, what)
    }
    if (subject.length === 0 || headers === undefined) {
      entry?.committed(undefined)
      return
    }
    const publication = this.#publication
    publication.subject = subject
    publication.headers = headers
    publication.payload = payload
    this.publishingQos = packet.qos
    this.#entry = entry
    // Not done, and used for another message, before all who store this one have said so.
    const routed = entry?.hold()
    this.#parts.space.publish(this, publication, entry)
    this.#entry = undefined
    routed?.(undefined)
    publication.payload = NO_HEADERS
  }

  /** One that was too large to be read. */
  tooLarge(size: number, packetId: number, window: InboundWindow): void {
    const entry = packetId === 0 ? undefined : window.open(packetId)
    this.#refuse({ bytes: size }, 'message of a broker is larger than max_payload: dropped')
    entry?.committed(undefined)
  }

  /** One that no stream will ever take. */
  unstorable(error: PetioleError): void {
    this.#refuse({ err: error }, 'message of a broker cannot be stored: dropped')
  }

  /** Empty when it goes nowhere. */
  #subjectFor(bytes: Uint8Array, packet: PublishReader, payload: Uint8Array): Uint8Array {
    const { counters, via, payloadBytesMax, space } = this.#parts
    const { topicStart, topicEnd, propertiesStart, payloadStart } = packet
    const subject = this.#topics.subjectOf(bytes, topicStart, topicEnd)
    if (subject === undefined) {
      const topic = Buffer.from(bytes.subarray(topicStart, topicEnd)).toString()
      this.#refuse({ topic }, 'message of a broker has a topic that is not let in: dropped')
      return NO_HEADERS
    }
    if (hasPassed(viaOfProperties(bytes, propertiesStart, payloadStart), via)) {
      counters.loops++
      return NO_HEADERS
    }
    if (payload.length > payloadBytesMax) {
      const fields = { bytes: payload.length, max: payloadBytesMax }
      this.#refuse(fields, 'message of a broker is larger than max_payload: dropped')
      return NO_HEADERS
    }
    return space.mappedSubject(subject)
  }

  #refuse(fields: LogFields, message: string): void {
    this.#parts.counters.refusedInbound++
    this.#parts.notices.warn(fields, message)
  }
}
