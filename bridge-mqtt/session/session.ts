import { type Identity, publishRulesOf } from '../../shared/account/index.ts'
import type {
  Message,
  Peer,
  PublishCommitted,
  PublishOptions,
  SubjectSpace,
  Subscription,
} from '../../shared/broker/index.ts'
import type { SubjectPermissionConfig } from '../../shared/config/index.ts'
import type { PeerTraffic } from '../../shared/monitor/index.ts'
import type { PetioleError } from '../../shared/runtime/index.ts'
import { isSame } from '../../shared/subject/index.ts'
import { arenaBytes, type Channel } from '../../shared/transport/index.ts'
import {
  ACK_SIZE,
  type Frame,
  type Level,
  NO_PROPERTIES,
  PACKET,
  REASON,
  SUBACK_FAILURE,
  type SubackPacket,
  type SubscribePacket,
  type UnsubscribePacket,
  VIOLATIONS,
  type Violation,
  type WillMessage,
  writeAck,
} from '../codec/index.ts'
import { NO_HEADERS, QOS1_HEADERS, qosOfHeaders } from '../publish-qos.ts'
import type { Topic } from '../translator.ts'
import { ClientFilters } from './client-filters.ts'
import type { MqttContext } from './context.ts'
import { type AckOwner, InboundAcks } from './inbound-acks.ts'
import { Outbound } from './outbound.ts'
import type { SessionGuard } from './session-guard.ts'

/** What a session asks of the connection it is attached to. */
export interface SessionLine {
  readonly channel: Channel
  /** A commit made room: input that was paused may flow again. */
  acknowledged(): void
  /** A publish could not be stored; it must not be acknowledged, and the client must send it again. */
  uncommitted(error: PetioleError): void
}

/** Whose session it is. */
export interface SessionOwner {
  readonly clientId: string
  /** What the client speaks. */
  readonly level: Level
  readonly guard: SessionGuard
}

const QOS_GRANTED_MAX = 1

/**
 * A client's session, a peer of its account's subject space: what it publishes, what it is subscribed
 * to, what is in flight either way. It lives as long as its connection; it reads no packets and owns
 * no timer, so that a session that outlives connections can stand in its place.
 */
export class Session implements Peer, AckOwner {
  readonly kind = 'mqtt'
  readonly echo = true
  readonly id: number
  readonly clientId: string
  readonly level: Level
  /** The topic and QoS of the message that is being routed now: other sessions ask for them. */
  publishing: Topic | undefined
  publishingQos = 0
  receivedMessages = 0
  receivedBytes = 0
  readonly #context: MqttContext
  readonly #space: SubjectSpace
  readonly #line: SessionLine
  readonly #acks: InboundAcks
  readonly #outbound: Outbound
  readonly #filters: ClientFilters
  readonly #guard: SessionGuard
  #lastTopic: Topic | undefined
  #isClosed = false
  #idle: (() => void) | undefined

  constructor(
    context: MqttContext,
    space: SubjectSpace,
    line: SessionLine,
    { clientId, level, guard }: SessionOwner,
  ) {
    this.#context = context
    this.#space = space
    this.#line = line
    this.id = context.nextPeerId()
    this.clientId = clientId
    this.level = level
    this.#acks = new InboundAcks(this)
    const { queuedMessagesMax, queuedBytesMax } = context.limits
    const limits = { ackPendingMax: context.ackPendingMax, queuedMessagesMax, queuedBytesMax }
    this.#outbound = new Outbound(line.channel, limits, context.counters)
    this.#guard = guard
    this.#filters = new ClientFilters(space, this, guard)
  }

  get identity(): Identity {
    return this.#guard.identity
  }

  get publishRules(): SubjectPermissionConfig | undefined {
    return publishRulesOf(this.identity.permissions)
  }

  get expiresMs(): number {
    return this.#guard.expiresMs
  }

  get account(): string {
    return this.#space.account
  }

  get traffic(): PeerTraffic {
    const { sentMessages: outMessages, sentBytes: outBytes } = this.#outbound
    const { receivedMessages: inMessages, receivedBytes: inBytes } = this
    return { inMessages, inBytes, outMessages, outBytes }
  }

  get subscriptionCount(): number {
    return this.#filters.size
  }

  /** QoS 1 publishes that wait for their commit. */
  get unacknowledged(): number {
    return this.#acks.pending
  }

  /** Routes one PUBLISH. Its PUBACK leaves when the message is committed. */
  publish(bytes: Uint8Array, frame: Frame): Violation | undefined {
    const packet = this.#context.scratch.publish
    const violation = packet.read(bytes, frame, this.level, 'client')
    if (violation !== undefined) return violation
    if (packet.qos === 2) return VIOLATIONS.publishQos2
    let topic = this.#lastTopic
    if (topic === undefined || !isSame(topic.bytes, bytes, packet.topicStart, packet.topicEnd)) {
      const found = this.#context.translator.topic(bytes, packet.topicStart, packet.topicEnd)
      if ('rule' in found) return found
      topic = found
      this.#lastTopic = topic
    }
    if (packet.qos === 1 && this.#acks.isFull) return VIOLATIONS.tooManyUnacked
    const payload = bytes.subarray(packet.payloadStart, packet.payloadEnd)
    // The header that QoS 1 adds is ours: buffers and links have room for it beside a full payload.
    if (payload.length > this.#guard.payloadBytesMax) return VIOLATIONS.payloadTooLarge
    if (packet.isRetain) this.#noticeRetain()
    const { counters } = this.#context
    this.receivedMessages++
    this.receivedBytes += payload.length
    counters.receivedMessages++
    counters.receivedBytes += payload.length
    const options = packet.qos === 0 ? undefined : this.#acks.open(packet.packetId)
    const subject = this.#space.mappedSubject(topic.subject)
    if (this.#isDenied(topic, subject)) this.#deny(topic, options)
    else this.#route(topic, subject, packet.qos, payload, options)
    return undefined
  }

  deliver(subscription: Subscription, message: Message): void {
    const subject = message.subjectBytes
    const granted = this.#filters.grantedQos(subscription, subject)
    if (granted < 0) return
    const { origin } = message
    let topic: Uint8Array | undefined
    let qos = 0
    if (origin instanceof Session) {
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

  /** PUBACK of the client for a delivery. */
  acknowledgedByClient(bytes: Uint8Array, frame: Frame): Violation | undefined {
    const { ack } = this.#context.scratch
    const violation = ack.read(bytes, frame, this.level, 'client')
    if (violation === undefined) this.#outbound.acknowledged(ack.packetId)
    return violation
  }

  /** Return codes in the order of the filters [MQTT-3.9.3-1]. */
  subscribe(packet: SubscribePacket): SubackPacket {
    const { counters, notices } = this.#context
    const before = this.#filters.size
    const codes = packet.filters.map(({ filter, qos }) => {
      if (this.#filters.size >= this.#guard.filtersMax && !this.#filters.has(filter)) {
        notices.warn(
          { client: this.clientId, max: this.#guard.filtersMax },
          'client has too many topic filters',
        )
        return SUBACK_FAILURE
      }
      const granted = Math.min(qos, QOS_GRANTED_MAX)
      return this.#filters.set(filter, granted) ? granted : SUBACK_FAILURE
    })
    counters.filters += this.#filters.size - before
    return { packetId: packet.packetId, codes, properties: NO_PROPERTIES }
  }

  unsubscribe(packet: UnsubscribePacket): SubackPacket {
    for (const filter of packet.filters) {
      if (this.#filters.delete(filter)) this.#context.counters.filters--
    }
    return { packetId: packet.packetId, codes: [], properties: NO_PROPERTIES }
  }

  /** Whether its user belongs to the account, or to any. */
  isOf(account: string | undefined): boolean {
    return account === undefined || this.identity.account === account
  }

  /**
   * The user may do other things now: filters that are not allowed any more end. False when there are
   * more left than are allowed.
   */
  renew(identity: Identity): boolean {
    this.#guard.renew(identity)
    for (const filter of this.#filters.recheck()) {
      this.#context.counters.filters--
      const fields = { client: this.clientId, filter }
      this.#context.notices.warn(fields, 'topic filter removed: not allowed any more')
    }
    return this.#filters.size <= this.#guard.filtersMax
  }

  /** The output has room again. */
  flushQueue(): void {
    this.#outbound.flushQueue()
  }

  publishWill(will: WillMessage, committed?: PublishCommitted): void {
    const topic = this.#context.translator.topic(will.topic, 0, will.topic.length)
    if ('rule' in topic) {
      committed?.(undefined)
      return
    }
    const options = committed === undefined ? undefined : { committed }
    const subject = this.#space.mappedSubject(topic.subject)
    if (this.#isDenied(topic, subject)) {
      this.#deny(topic, options)
      return
    }
    if (will.isRetain) this.#noticeRetain()
    this.#context.counters.wills++
    this.#route(topic, subject, Math.min(will.qos, QOS_GRANTED_MAX), will.payload, options)
  }

  /** Calls `idle` once, when no publish waits for its commit any more or none will be committed. */
  whenIdle(idle: () => void): void {
    if (this.#acks.pending === 0 || this.#isClosed) idle()
    else this.#idle = idle
  }

  /** Receives and acknowledges nothing from now on. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#context.counters.filters -= this.#filters.size
    this.#filters.clear()
    this.#becameIdle()
  }

  acknowledge(packetId: number): void {
    this.#context.counters.acknowledged++
    if (this.#isClosed) return
    const { channel } = this.#line
    const at = channel.reserve(ACK_SIZE)
    if (at >= 0) {
      channel.commit(writeAck(arenaBytes, at, PACKET.puback, packetId, REASON.success))
    } else {
      const puback = new Uint8Array(ACK_SIZE)
      writeAck(puback, 0, PACKET.puback, packetId, REASON.success)
      channel.write(puback)
    }
    this.#line.acknowledged()
    if (this.#acks.pending === 0) this.#becameIdle()
  }

  uncommitted(error: PetioleError): void {
    this.#context.counters.uncommitted++
    if (!this.#isClosed) this.#line.uncommitted(error)
    this.#becameIdle()
  }

  #becameIdle(): void {
    const idle = this.#idle
    this.#idle = undefined
    idle?.()
  }

  #isDenied(topic: Topic, subject: Uint8Array): boolean {
    return topic.isReserved || (subject.length > 0 && !this.#guard.mayPublish(topic, subject))
  }

  /** @param subject empty: the account's mappings drop the message */
  #route(
    topic: Topic,
    subject: Uint8Array,
    qos: number,
    payload: Uint8Array,
    options: PublishOptions | undefined,
  ): void {
    if (subject.length === 0) {
      options?.committed?.(undefined)
      return
    }
    const { publication } = this.#context.scratch
    publication.subject = subject
    publication.headers = qos === 0 ? NO_HEADERS : QOS1_HEADERS
    publication.payload = payload
    this.publishing = topic
    this.publishingQos = qos
    this.#space.publish(this, publication, options)
    this.publishing = undefined
    publication.payload = NO_HEADERS
  }

  /**
   * 3.1.1 cannot refuse a publish: the server acknowledges it or closes the connection [MQTT-3.3.5-2].
   * Closing would make the device send it again for ever, so it is acknowledged and goes nowhere.
   */
  #deny(topic: Topic, options: PublishOptions | undefined): void {
    this.#context.counters.deniedPublishes++
    const fields = { client: this.clientId, topic: Buffer.from(topic.bytes).toString() }
    const { notices } = this.#context
    if (topic.isReserved) notices.warn(fields, 'publish to a topic of the server is dropped')
    else notices.warn(fields, 'publish without permission is dropped')
    options?.committed?.(undefined)
  }

  #noticeRetain(): void {
    this.#context.notices.once(
      { client: this.clientId },
      'retained publishes are delivered to present subscribers and not kept',
    )
  }
}
