import type { SubjectSpace } from '../../shared/broker/index.ts'
import { PLACE, type WillMessage } from '../codec/index.ts'
import type { MqttPublisher } from '../durable/index.ts'
import { headersOfPublish, NO_HEADERS } from '../headers/index.ts'
import type { Topic } from '../translator.ts'
import type { MqttContext } from './context.ts'
import { Publisher } from './inbound-publisher.ts'
import { PublishWaits } from './inbound-waits.ts'
import type { SessionGuard } from './session-guard.ts'
import type { MqttOrigin } from './subscriber.ts'

/** In whose name a will is published. */
export interface WillOwner {
  readonly clientId: string
  /** undefined: whether he may was found out when he left his will. */
  readonly guard: SessionGuard | undefined
}

/**
 * The last word of a client that is gone, and may be gone for long: a peer of its own, for the one
 * publish.
 */
export class Will extends PublishWaits implements MqttPublisher, MqttOrigin {
  readonly kind = 'mqtt'
  readonly echo = true
  readonly id: number
  readonly clientId: string
  readonly #context: MqttContext
  readonly #space: SubjectSpace
  readonly #owner: WillOwner
  readonly #publisher: Publisher
  #done: (() => void) | undefined

  constructor(context: MqttContext, space: SubjectSpace, owner: WillOwner) {
    super()
    this.id = context.nextPeerId()
    this.clientId = owner.clientId
    this.#context = context
    this.#space = space
    this.#owner = owner
    this.#publisher = new Publisher(context, space, this, true)
  }

  get publishing(): Topic | undefined {
    return this.#publisher.topic
  }

  get publishingQos(): number {
    return this.#publisher.qos
  }

  get publishingRetain(): boolean {
    return this.#publisher.isRetain
  }

  /** Not to the client whose it is, should that come back: nobody knows its filters any more. */
  get hasNoLocal(): boolean {
    return true
  }

  /** Nothing is ever delivered to it. */
  deliver(): void {}

  /** @param done called when the message is committed, or will never be; perhaps before this returns */
  publish(message: WillMessage, done?: () => void): void {
    this.#done = done
    this.begin()
    this.#route(message)
    this.committed(undefined)
  }

  protected override settled(): void {
    const { error } = this
    if (error !== undefined) {
      this.#context.notices.warn({ client: this.clientId, err: error }, 'will not stored')
    }
    this.#done?.()
  }

  /** Whether its client may publish it now: asked when it is to be kept by who knows no permissions. */
  isPermitted(message: WillMessage): boolean {
    const { guard } = this.#owner
    const topic = this.#context.translator.topic(message.topic, 0, message.topic.length)
    if ('rule' in topic || guard === undefined) return false
    return this.#isPermitted(message, topic, this.#space.mappedSubject(topic.subject), guard)
  }

  #isPermitted(
    message: WillMessage,
    topic: Topic,
    subject: Uint8Array,
    guard: SessionGuard,
  ): boolean {
    const { counters, notices } = this.#context
    if (topic.isReserved || (subject.length > 0 && !guard.mayPublish(topic, subject))) {
      counters.deniedPublishes++
      const fields = { client: this.clientId, topic: Buffer.from(topic.bytes).toString() }
      notices.warn(fields, 'will without permission is dropped')
      return false
    }
    if (message.payload.length <= guard.payloadBytesMax) return true
    notices.warn({ client: this.clientId }, 'will above max_payload is dropped')
    return false
  }

  #route(message: WillMessage): void {
    const topic = this.#context.translator.topic(message.topic, 0, message.topic.length)
    if ('rule' in topic) return
    const subject = this.#space.mappedSubject(topic.subject)
    const { guard } = this.#owner
    if (guard !== undefined && !this.#isPermitted(message, topic, subject, guard)) return
    this.#context.counters.wills++
    const qos = Math.min(message.qos, this.#context.limits.publishQosMax)
    const { section } = message
    const headers = headersOfPublish(qos, section, 0, section.length, PLACE.will)
    // What a will may carry was found out at its CONNECT.
    if (subject.length === 0 || 'rule' in headers) return
    const { facts } = this.#context.scratch
    facts.qos = qos
    facts.isRetain = message.isRetain
    facts.headers = headers
    facts.reply = this.#replyOf(message)
    // One call for the router; `publish` itself owes the other.
    this.hold()
    this.#publisher.route(topic, subject, facts, message.payload, this)
  }

  #replyOf({ properties }: WillMessage): Uint8Array {
    if (properties.responseTopic === undefined) return NO_HEADERS
    const bytes = Buffer.from(properties.responseTopic)
    const topic = this.#context.translator.topic(bytes, 0, bytes.length)
    return 'rule' in topic || topic.isReserved ? NO_HEADERS : topic.subject
  }
}
