import type { Message, Peer, SubjectSpace, Subscription } from '../../shared/broker/index.ts'
import {
  encodeSuback,
  encodeUnsuback,
  type Frame,
  LEVEL,
  NO_PROPERTIES,
  PACKET,
  PublishProperties,
  REASON,
  SUBACK_FAILURE,
  type SubscribePacket,
  type UnsubscribePacket,
  type Violation,
} from '../codec/index.ts'
import { qosOfHeaders } from '../message-headers.ts'
import type { Topic } from '../translator.ts'
import { ClientFilters } from './client-filters.ts'
import type { MqttContext } from './context.ts'
import { Outbound } from './outbound.ts'
import type { SessionLine, SessionOwner } from './session.ts'

const QOS_GRANTED_MAX = 1

/** What a publisher of this server tells of the message that is being routed. */
export interface MqttOrigin {
  readonly publishing: Topic | undefined
  readonly publishingQos: number
  readonly publishingRetain: boolean
}

/** What a client is subscribed to, and what of it is sent. */
export class Subscriber {
  readonly #context: MqttContext
  readonly #line: SessionLine
  readonly #owner: SessionOwner
  readonly #outbound: Outbound
  readonly #filters: ClientFilters

  /** @param peer whose subscriptions they are */
  constructor(
    context: MqttContext,
    space: SubjectSpace,
    line: SessionLine,
    owner: SessionOwner,
    peer: Peer,
  ) {
    this.#context = context
    this.#line = line
    this.#owner = owner
    const { queuedMessagesMax, queuedBytesMax } = context.limits
    const limits = { ackPendingMax: context.ackPendingMax, queuedMessagesMax, queuedBytesMax }
    const properties = owner.level === LEVEL.v5 ? new PublishProperties() : undefined
    this.#outbound = new Outbound(line.channel, limits, context.counters, properties)
    this.#filters = new ClientFilters(space, peer, owner.guard)
  }

  get subscriptionCount(): number {
    return this.#filters.size
  }

  get sentMessages(): number {
    return this.#outbound.sentMessages
  }

  get sentBytes(): number {
    return this.#outbound.sentBytes
  }

  /** The client has its CONNACK: what its session had before goes on. */
  begin(): void {}

  /**
   * Whether it takes the message; of those that are not shared it takes all.
   *
   * @param origin undefined: it was not published by an MQTT client of this server
   */
  offer(subscription: Subscription, message: Message, origin: MqttOrigin | undefined): boolean {
    this.#deliver(subscription, message, origin)
    return true
  }

  /** PUBACK, PUBREC or PUBCOMP of the client for a delivery. */
  acknowledged(bytes: Uint8Array, frame: Frame): Violation | undefined {
    const { ack } = this.#context.scratch
    const violation = ack.read(bytes, frame, this.#owner.level, 'client')
    if (violation !== undefined) return violation
    if (frame.type === PACKET.puback) this.#outbound.acknowledged(ack.packetId)
    return undefined
  }

  /** Answers with a code for each filter, in their order [MQTT-3.9.3-1]. */
  subscribe(packet: SubscribePacket): void {
    const { counters, notices } = this.#context
    const { clientId, guard } = this.#owner
    const before = this.#filters.size
    const codes = packet.filters.map(({ filter, qos }) => {
      if (this.#filters.size >= guard.filtersMax && !this.#filters.has(filter)) {
        const fields = { client: clientId, max: guard.filtersMax }
        notices.warn(fields, 'client has too many topic filters')
        return SUBACK_FAILURE
      }
      const granted = Math.min(qos, QOS_GRANTED_MAX)
      return this.#filters.set(filter, granted) ? granted : SUBACK_FAILURE
    })
    counters.filters += this.#filters.size - before
    const answer = { packetId: packet.packetId, codes, properties: NO_PROPERTIES }
    this.#line.channel.write(encodeSuback(answer, this.#owner.level))
  }

  unsubscribe(packet: UnsubscribePacket): void {
    const codes = packet.filters.map((filter) => {
      if (!this.#filters.delete(filter)) return REASON.noSubscriptionExisted
      this.#context.counters.filters--
      return REASON.success
    })
    const answer = { packetId: packet.packetId, codes, properties: NO_PROPERTIES }
    this.#line.channel.write(encodeUnsuback(answer, this.#owner.level))
  }

  /**
   * The user may do other things now: filters that are not allowed any more end. False when there are
   * more left than are allowed.
   */
  recheck(): boolean {
    for (const filter of this.#filters.recheck()) {
      this.#context.counters.filters--
      const fields = { client: this.#owner.clientId, filter }
      this.#context.notices.warn(fields, 'topic filter removed: not allowed any more')
    }
    return this.#filters.size <= this.#owner.guard.filtersMax
  }

  /** The output has room again. */
  flushQueue(): void {
    this.#outbound.flushQueue()
  }

  /** Receives nothing from now on. */
  close(): void {
    this.#context.counters.filters -= this.#filters.size
    this.#filters.clear()
  }

  #deliver(subscription: Subscription, message: Message, origin: MqttOrigin | undefined): void {
    const subject = message.subjectBytes
    const granted = this.#filters.grantedQos(subscription, subject)
    if (granted < 0) return
    let topic: Uint8Array | undefined
    let qos = 0
    if (origin !== undefined) {
      const { publishing } = origin
      topic = publishing?.subject === subject ? publishing.bytes : undefined
      qos = origin.publishingQos
    } else if (granted > 0) {
      qos = qosOfHeaders(message.headers)
    }
    topic ??= this.#context.translator.topicOf(subject)
    if (topic === undefined) this.#context.counters.untranslatable++
    else this.#outbound.send(topic, message.payload, Math.min(granted, qos))
  }
}
