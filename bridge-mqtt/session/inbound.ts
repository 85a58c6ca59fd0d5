import type {
  Peer,
  PublishCommitted,
  PublishOptions,
  SubjectSpace,
} from '../../shared/broker/index.ts'
import type { PetioleError } from '../../shared/runtime/index.ts'
import { isSame } from '../../shared/subject/index.ts'
import { arenaBytes } from '../../shared/transport/index.ts'
import {
  ACK_SIZE,
  type Frame,
  PACKET,
  REASON,
  VIOLATIONS,
  type Violation,
  type WillMessage,
  writeAck,
} from '../codec/index.ts'
import { NO_HEADERS, QOS1_HEADERS } from '../publish-qos.ts'
import type { Topic } from '../translator.ts'
import type { MqttContext } from './context.ts'
import { type AckOwner, InboundAcks } from './inbound-acks.ts'
import type { SessionLine, SessionOwner } from './session.ts'

const WILL_QOS_MAX = 1

/** What a client publishes: routed at once, acknowledged when it is committed. */
export class Inbound implements AckOwner {
  /** The topic and QoS of the message that is being routed now: other sessions ask for them. */
  publishing: Topic | undefined
  publishingQos = 0
  receivedMessages = 0
  receivedBytes = 0
  readonly #context: MqttContext
  readonly #space: SubjectSpace
  readonly #line: SessionLine
  readonly #owner: SessionOwner
  readonly #peer: Peer
  readonly #acks: InboundAcks
  #lastTopic: Topic | undefined
  #isClosed = false
  #idle: (() => void) | undefined

  /** @param peer in whose name it is published */
  constructor(
    context: MqttContext,
    space: SubjectSpace,
    line: SessionLine,
    owner: SessionOwner,
    peer: Peer,
  ) {
    this.#context = context
    this.#space = space
    this.#line = line
    this.#owner = owner
    this.#peer = peer
    this.#acks = new InboundAcks(this)
  }

  /** QoS 1 publishes that wait for their commit. */
  get unacknowledged(): number {
    return this.#acks.pending
  }

  /** Routes one PUBLISH. Its PUBACK leaves when the message is committed. */
  publish(bytes: Uint8Array, frame: Frame): Violation | undefined {
    const packet = this.#context.scratch.publish
    const violation = packet.read(bytes, frame, this.#owner.level, 'client')
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
    if (payload.length > this.#owner.guard.payloadBytesMax) return VIOLATIONS.payloadTooLarge
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
    this.#route(topic, subject, Math.min(will.qos, WILL_QOS_MAX), will.payload, options)
  }

  /** Calls `idle` once, when no publish waits for its commit any more or none will be committed. */
  whenIdle(idle: () => void): void {
    if (this.#acks.pending === 0 || this.#isClosed) idle()
    else this.#idle = idle
  }

  /** Acknowledges nothing from now on. */
  close(): void {
    this.#isClosed = true
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
    const { guard } = this.#owner
    return topic.isReserved || (subject.length > 0 && !guard.mayPublish(topic, subject))
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
    this.#space.publish(this.#peer, publication, options)
    this.publishing = undefined
    publication.payload = NO_HEADERS
  }

  /**
   * 3.1.1 cannot refuse a publish: the server acknowledges it or closes the connection [MQTT-3.3.5-2].
   * Closing would make the device send it again for ever, so it is acknowledged and goes nowhere.
   */
  #deny(topic: Topic, options: PublishOptions | undefined): void {
    this.#context.counters.deniedPublishes++
    const fields = {
      client: this.#owner.clientId,
      topic: Buffer.from(topic.bytes).toString(),
    }
    const { notices } = this.#context
    if (topic.isReserved) notices.warn(fields, 'publish to a topic of the server is dropped')
    else notices.warn(fields, 'publish without permission is dropped')
    options?.committed?.(undefined)
  }

  #noticeRetain(): void {
    this.#context.notices.once(
      { client: this.#owner.clientId },
      'retained publishes are delivered to present subscribers and not kept',
    )
  }
}
