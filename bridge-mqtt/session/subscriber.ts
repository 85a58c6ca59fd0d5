import type { Message, Peer, SubjectSpace, Subscription } from '../../shared/broker/index.ts'
import {
  encodeSuback,
  encodeUnsuback,
  encodeWithin,
  type Frame,
  LEVEL,
  NO_PROPERTIES,
  type Properties,
  REASON,
  type RequestedFilter,
  SUBACK_FAILURE,
  type SubackPacket,
  type SubscribePacket,
  type UnsubscribePacket,
  type Violation,
} from '../codec/index.ts'
import { SHARED_BEHIND_QUEUED_MAX } from '../limits.ts'
import { NO_HEADERS, qosOfHeaders } from '../message-headers.ts'
import { SendWindow } from '../send-window.ts'
import type { Topic } from '../translator.ts'
import { ClientFilters, filterViolation, type Refusal } from './client-filters.ts'
import type { MqttContext } from './context.ts'

import { Outbound } from './outbound.ts'
import { factsOf, isPlain, OutboundMessage } from './outbound-message.ts'
import type { SessionLine, SessionOwner } from './session.ts'

const PACKET_SIZE_MAX = Number.POSITIVE_INFINITY
const RECEIVE_MAXIMUM = 65_535
const QOS_OF_STORED = 2

/** What a publisher of this server tells of the message that is being routed. */
export interface MqttOrigin {
  readonly publishing: Topic | undefined
  readonly publishingQos: number
  readonly publishingRetain: boolean
}

/** Filled for each delivery and sent, or copied, before the next. */
const outgoing = new OutboundMessage()

/** What a client is subscribed to, and what of it is sent. */
export class Subscriber {
  readonly #context: MqttContext
  readonly #line: SessionLine
  readonly #owner: SessionOwner
  readonly #peer: Peer
  readonly #outbound: Outbound
  readonly #filters: ClientFilters
  readonly #isV5: boolean

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
    this.#peer = peer
    this.#isV5 = owner.level === LEVEL.v5
    const { receiveMaximum = RECEIVE_MAXIMUM, packetSizeMax = PACKET_SIZE_MAX } = owner
    const { queuedMessagesMax, queuedBytesMax } = context.limits
    const options = {
      level: owner.level,
      packetSizeMax,
      topicAliasMax: owner.topicAliasMax ?? 0,
      window: new SendWindow(Math.min(receiveMaximum, context.ackPendingMax)),
      isWindowShared: false,
      queuedMessagesMax,
      queuedBytesMax,
    }
    this.#outbound = new Outbound(line.channel, options, context.counters, context.clock)
    this.#filters = new ClientFilters(space, peer, owner.guard, false)
  }

  get subscriptionCount(): number {
    return this.#filters.size
  }

  /** One of its filters leaves out what its own client publishes. */
  get hasNoLocal(): boolean {
    return this.#filters.hasNoLocal
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
   * Whether it takes a message of the router. A shared subscription passes one over while its client is
   * behind, so that another member gets it.
   *
   * @param origin undefined: it was not published by an MQTT client of this server
   */
  offer(subscription: Subscription, message: Message, origin: MqttOrigin | undefined): boolean {
    const subject = message.subjectBytes
    const grant = this.#filters.grantOf(subscription, subject, message.origin === this.#peer)
    if (grant === undefined) return false
    const qos = grant.qos === 0 ? 0 : Math.min(grant.qos, this.#qosOf(message, origin))
    if (subscription.queue !== '' && !this.#hasRoomFor(qos)) return false
    const publishing = origin?.publishing
    const topic =
      publishing?.subject === subject ? publishing.bytes : this.#context.translator.topicOf(subject)
    if (topic === undefined) {
      this.#context.counters.untranslatable++
      return false
    }
    outgoing.serial = message.serial
    outgoing.topic = topic
    outgoing.payload = message.payload
    outgoing.qos = qos
    outgoing.isRetain = grant.isRetainAsPublished && origin?.publishingRetain === true
    outgoing.subscriptionIds = grant.subscriptionIds
    this.#addFacts(message, qos)
    this.#outbound.send(outgoing)
    return true
  }

  /** PUBACK, PUBREC or PUBCOMP of the client for a delivery. */
  acknowledged(bytes: Uint8Array, frame: Frame): Violation | undefined {
    const { ack } = this.#context.scratch
    const violation = ack.read(bytes, frame, this.#owner.level, 'client')
    if (violation !== undefined) return violation
    return this.#outbound.acknowledged(frame.type, ack.packetId, ack.reason)
  }

  /** Answers with a code for each filter, in their order [MQTT-3.8.4-6]. */
  subscribe(packet: SubscribePacket): Violation | undefined {
    const violation = violationOf(packet.filters.map(({ filter }) => filter))
    if (violation !== undefined) return violation
    const before = this.#filters.size
    const subscriptionId = packet.properties.subscriptionIds?.[0] ?? 0
    const codes = packet.filters.map((request) => this.#grant(request, subscriptionId))
    this.#context.counters.filters += this.#filters.size - before
    this.#answer(encodeSuback, packet.packetId, codes)
    return undefined
  }

  unsubscribe(packet: UnsubscribePacket): Violation | undefined {
    const violation = violationOf(packet.filters)
    if (violation !== undefined) return violation
    const codes = packet.filters.map((filter) => {
      if (!this.#filters.delete(filter)) return REASON.noSubscriptionExisted
      this.#context.counters.filters--
      return REASON.success
    })
    this.#answer(encodeUnsuback, packet.packetId, codes)
    return undefined
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
    this.#outbound.close()
  }

  /** What NATS clients publish where it is stored is as good as QoS 2. */
  #qosOf(message: Message, origin: MqttOrigin | undefined): number {
    if (origin !== undefined) return origin.publishingQos
    const { headers } = message
    const qos = headers.length === 0 ? 0 : qosOfHeaders(headers)
    if (qos > 0) return qos
    return this.#owner.isStored?.(message.subjectBytes) === true ? QOS_OF_STORED : 0
  }

  #hasRoomFor(qos: number): boolean {
    if (!this.#outbound.isBehind) return !this.#outbound.isFull
    return qos > 0 && this.#outbound.queued < SHARED_BEHIND_QUEUED_MAX
  }

  /** Properties are of MQTT 5; that a message expires while it waits, of all. */
  #addFacts(message: Message, qos: number): void {
    outgoing.messageExpiry = -1
    outgoing.shared = NO_HEADERS
    const { headers } = message
    if (!this.#isV5) {
      if (qos === 0 || isPlain(headers)) return
      outgoing.messageExpiry = factsOf(message, this.#context.translator).messageExpiry
      return
    }
    if (isPlain(headers) && message.replyBytes.length === 0) return
    const facts = factsOf(message, this.#context.translator)
    outgoing.messageExpiry = facts.messageExpiry
    outgoing.shared = facts.shared
  }

  /** The code for one filter of a SUBSCRIBE: the QoS, or why it is not granted. */
  #grant(request: RequestedFilter, subscriptionId: number): number {
    const { guard, clientId } = this.#owner
    const { filter } = request
    if (this.#filters.size >= guard.filtersMax && !this.#filters.has(filter)) {
      const fields = { client: clientId, max: guard.filtersMax }
      this.#context.notices.warn(fields, 'client has too many topic filters')
      return this.#failure(REASON.quotaExceeded)
    }
    const { isBridge = false } = this.#owner
    const granted = this.#filters.set({
      ...request,
      isNoLocal: request.isNoLocal || isBridge,
      isRetainAsPublished: request.isRetainAsPublished || isBridge,
      subscriptionId,
    })
    return typeof granted === 'string' ? this.#failure(REFUSALS[granted]) : granted.qos
  }

  /** MQTT 3.1.1 has one code for all failures; in 5 it says that the server does not tell which. */
  #failure(reason: number): number {
    return this.#isV5 && this.#owner.hidesReasons !== true ? reason : SUBACK_FAILURE
  }

  #answer(
    encode: (packet: SubackPacket, level: SessionOwner['level']) => Uint8Array,
    packetId: number,
    codes: readonly number[],
  ): void {
    const { level, packetSizeMax = PACKET_SIZE_MAX } = this.#owner
    const packet = { packetId, codes, properties: this.#explain(codes) }
    const bytes = encodeWithin(packetSizeMax, packet, (it) => encode(it, level))
    if (bytes !== undefined) this.#line.channel.write(bytes)
  }

  /** In words why the first filter that was refused was. */
  #explain(codes: readonly number[]): Properties {
    if (!this.#isV5 || this.#owner.wantsProblemInfo === false) return NO_PROPERTIES
    const code = codes.find((it) => it >= SUBACK_FAILURE)
    const reasonString = code === undefined ? undefined : REASONS.get(code)
    return reasonString === undefined ? NO_PROPERTIES : { reasonString }
  }
}

function violationOf(filters: readonly string[]): Violation | undefined {
  for (const filter of filters) {
    const violation = filterViolation(filter)
    if (violation !== undefined) return violation
  }
  return undefined
}

const REFUSALS: Readonly<Record<Refusal, number>> = {
  invalid: REASON.topicFilterInvalid,
  denied: REASON.notAuthorized,
}

const REASONS = new Map<number, string>([
  [REASON.quotaExceeded, 'too many topic filters'],
  [REASON.topicFilterInvalid, 'topic filter is malformed, or too long'],
  [REASON.notAuthorized, 'no permission to subscribe'],
])
