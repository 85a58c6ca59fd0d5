import type { Peer, SubjectSpace } from '../../shared/broker/index.ts'
import { PetioleError } from '../../shared/runtime/index.ts'
import { isSame } from '../../shared/subject/index.ts'
import {
  type Frame,
  InboundAliases,
  LEVEL,
  PACKET,
  type PublishReader,
  REASON,
  VIOLATIONS,
  type Violation,
} from '../codec/index.ts'
import type { DurableSession } from '../durable/index.ts'
import { headersOfPublish, NO_HEADERS } from '../headers/index.ts'
import type { Topic } from '../translator.ts'
import type { MqttContext } from './context.ts'
import { type AckEntry, type AckOwner, InboundAcks } from './inbound-acks.ts'
import { isToldByAck, messageViolation } from './inbound-check.ts'
import { Publisher, type PublishFacts } from './inbound-publisher.ts'
import { OpenReceipts } from './inbound-received.ts'
import { reasonOf } from './inbound-refusal.ts'
import { RepeatedReleases } from './inbound-released.ts'
import type { SessionLine, SessionOwner } from './session.ts'

/** A peer that may be subscribed to what it publishes. */
interface PublishingPeer extends Peer {
  holdDeliveries(isHeld: boolean): void
}

/** What a client publishes: routed at once, acknowledged when it is committed. */
export class Inbound implements AckOwner {
  receivedMessages = 0
  receivedBytes = 0
  readonly publisher: Publisher
  readonly #context: MqttContext
  readonly #space: SubjectSpace
  readonly #line: SessionLine
  readonly #owner: SessionOwner
  readonly #peer: PublishingPeer
  readonly #acks: InboundAcks
  readonly #received = new OpenReceipts()
  /** Made with the first. */
  #repeatedReleases: RepeatedReleases | undefined
  /** Made with the first alias that comes. */
  #aliases: InboundAliases<Topic> | undefined
  /** What the client's send quota counts: PUBLISH packets of QoS 1 and 2 not seen to their end. */
  #underWay = 0
  #lastTopic: Topic | undefined
  #isClosed = false
  #idle: (() => void)[] = []

  /** @param peer in whose name it is published */
  constructor(
    context: MqttContext,
    space: SubjectSpace,
    line: SessionLine,
    owner: SessionOwner,
    peer: PublishingPeer,
  ) {
    this.#peer = peer
    this.#context = context
    this.#space = space
    this.#line = line
    this.#owner = owner
    this.publisher = new Publisher(context, space, peer, owner.terms.level === LEVEL.v5)
    this.#acks = new InboundAcks(this)
  }

  /** Publishes at QoS 1 and 2 that wait for their commit. */
  get unacknowledged(): number {
    return this.#acks.pending
  }

  /** Publishes at QoS 1 and 2 that are not seen to their end. */
  get underWay(): number {
    return this.#underWay
  }

  /** Routes one PUBLISH. Its PUBACK or PUBREC leaves when the message is committed. */
  publish(bytes: Uint8Array, frame: Frame): Violation | undefined {
    const packet = this.#context.scratch.publish
    const violation = packet.read(bytes, frame, this.#owner.terms.level, 'client')
    if (violation !== undefined) return violation
    const topic = this.#topicOf(bytes, packet)
    if ('rule' in topic) return topic
    if (packet.qos > 0) {
      if (packet.qos === 2 && this.#isKnown(packet.packetId)) return this.#repeated(packet)
      const excess = this.#quotaViolation(packet)
      if (excess !== undefined) return excess
    }
    const payload = packet.payloadOf(bytes)
    const headers = headersOfPublish(packet.qos, bytes, packet.propertiesStart, packet.payloadStart)
    const { payloadBytesMax } = this.#owner.guard
    const isRetainRefused = this.#isOf5() && this.#context.limits.retainedMax === 0
    const fault = messageViolation(packet, payload, headers, payloadBytesMax, isRetainRefused)
    if (fault !== undefined && !isToldByAck(fault, packet.qos)) return fault
    this.#count(payload.length)
    const entry = packet.qos === 0 ? undefined : this.#open(packet)
    const subject = this.#space.mappedSubject(topic.subject)
    if (fault !== undefined) this.#refuse(entry, fault.reason)
    else if (this.#isDenied(topic, subject)) this.#deny(topic, entry)
    else if ('length' in headers) {
      const { facts } = this.#context.scratch
      facts.qos = packet.qos
      facts.isRetain = packet.isRetain
      facts.headers = headers
      facts.reply = packet.responseEnd === 0 ? NO_HEADERS : this.#replyOf(bytes, packet)
      this.#route(topic, subject, facts, payload, entry)
    }
    return undefined
  }

  /** The client lets go of a QoS 2 publish: from now on its identifier means another message. */
  pubrel(bytes: Uint8Array, frame: Frame): Violation | undefined {
    const { ack } = this.#context.scratch
    const violation = ack.read(bytes, frame, this.#owner.terms.level, 'client')
    if (violation !== undefined) return violation
    const { packetId } = ack
    const isKnown = this.#received.delete(packetId)
    if (isKnown) this.#underWay--
    const { durable } = this.#owner
    if (durable === undefined) {
      const reason = isKnown ? REASON.success : REASON.packetIdentifierNotFound
      this.#line.answers.ack(PACKET.pubcomp, packetId, reason)
    } else this.#releaseOf(durable, packetId)
    return undefined
  }

  /** Calls `idle` once, when no publish waits for its commit any more or none will be committed. */
  whenIdle(idle: () => void): void {
    if (this.#acks.pending === 0 || this.#isClosed) idle()
    else this.#idle.push(idle)
  }

  /** Acknowledges nothing from now on. */
  close(): void {
    this.#isClosed = true
    this.#becameIdle()
  }

  acknowledge(entry: AckEntry): void {
    const { packetId, qos, error } = entry
    let { reason } = entry
    if (reason < REASON.unspecified) this.#context.counters.acknowledged++
    if (this.#isClosed) return
    if (qos === 1) {
      this.#underWay--
    } else if (reason >= REASON.unspecified) {
      // Its identifier is free at once [MQTT-4.3.3-9].
      if (this.#received.delete(packetId)) this.#underWay--
    } else if (!this.#isKnown(packetId)) {
      // A repetition that came before its first was refused.
      reason = REASON.unspecified
    }
    const type = qos === 1 ? PACKET.puback : PACKET.pubrec
    this.#line.answers.ack(type, packetId, reason, error?.code)
    this.#line.acknowledged()
    if (this.#acks.pending === 0) this.#becameIdle()
  }

  /**
   * Its identifier is free, on disk too: whoever refused it may have said so when the transaction that holds
   * it was over, and what comes next with that identifier is another message.
   */
  refused({ packetId, qos }: AckEntry): void {
    if (qos !== 2) return
    if (this.#received.delete(packetId)) this.#underWay--
    const { durable } = this.#owner
    if (durable?.hasReceived(packetId) === true) durable.released(packetId, () => {})
  }

  transact(write: () => void): void {
    const { store } = this.#context
    if (store === undefined) write()
    else store.transaction(write)
  }

  reasonOf(error: PetioleError): number {
    if (!this.#isOf5()) return REASON.success
    this.#context.counters.uncommitted++
    const fields = { client: this.#owner.clientId, err: error }
    this.#context.notices.warn(fields, 'publish not stored: its publisher is told')
    return reasonOf(error)
  }

  uncommitted(error: PetioleError): void {
    this.#context.counters.uncommitted++
    if (!this.#isClosed) this.#line.uncommitted(error)
    this.#becameIdle()
  }

  #isOf5(): boolean {
    return this.#owner.terms.level === LEVEL.v5
  }

  /**
   * To a session that comes back it may be the second PUBREL, and no fault. What the first has taken away may
   * not be gone on disk yet: told too early, the client would use the identifier again, and after a crash its
   * next message would be taken for a repetition.
   */
  #releaseOf(durable: DurableSession, packetId: number): void {
    const { store } = this.#context
    if (store === undefined || durable.hasReceived(packetId)) {
      durable.released(packetId, (error) => this.#released(packetId, error))
      return
    }
    this.#repeatedReleases ??= new RepeatedReleases(store, (id, error) => this.#released(id, error))
    this.#repeatedReleases.add(packetId)
  }

  #released(packetId: number, error: PetioleError | undefined): void {
    if (this.#isClosed) return
    if (error === undefined) this.#line.answers.ack(PACKET.pubcomp, packetId)
    else this.uncommitted(error)
  }

  #isKnown(packetId: number): boolean {
    return this.#received.has(packetId) || this.#owner.durable?.hasReceived(packetId) === true
  }

  #becameIdle(): void {
    if (this.#idle.length === 0) return
    for (const idle of this.#idle.splice(0)) idle()
  }

  #count(payloadBytes: number): void {
    const { counters } = this.#context
    this.receivedMessages++
    this.receivedBytes += payloadBytes
    counters.receivedMessages++
    counters.receivedBytes += payloadBytes
  }

  #topicOf(bytes: Uint8Array, packet: PublishReader): Topic | Violation {
    const { topicStart, topicEnd, topicAlias } = packet
    if (topicStart === topicEnd) {
      return this.#aliases?.get(topicAlias) ?? this.#unknownAlias(topicAlias)
    }
    let topic = this.#lastTopic
    if (topic === undefined || !isSame(topic.bytes, bytes, topicStart, topicEnd)) {
      const found = this.#context.translator.topic(bytes, topicStart, topicEnd)
      if ('rule' in found) return found
      topic = found
      this.#lastTopic = topic
    }
    if (topicAlias === 0) return topic
    this.#aliases ??= new InboundAliases(this.#owner.terms.inboundAliasMax)
    return this.#aliases.set(topicAlias, topic) ?? topic
  }

  #unknownAlias(alias: number): Violation {
    return alias > this.#owner.terms.inboundAliasMax
      ? VIOLATIONS.topicAliasTooHigh
      : VIOLATIONS.topicAliasUnknown
  }

  /**
   * Before MQTT 5 nobody has told the client how much it may send: it is not read on instead. What waits for
   * its PUBREL would wait for ever then, so that is bounded for all, earlier connections included.
   */
  #quotaViolation({ qos }: PublishReader): Violation | undefined {
    const { level, inboundQosMax, inboundUnackedMax } = this.#owner.terms
    if (qos > inboundQosMax) return VIOLATIONS.publishQos2
    if (this.#acks.isFull) return VIOLATIONS.tooManyUnacked
    const isV5 = level === LEVEL.v5
    const unreleasedMax = isV5 ? inboundUnackedMax : this.#context.limits.unreleasedMax
    const isOver =
      (isV5 && this.#underWay >= inboundUnackedMax) ||
      (qos === 2 && this.#unreleased() >= unreleasedMax)
    return isOver ? VIOLATIONS.tooManyUnacked : undefined
  }

  /** Identifiers of QoS 2 that are in use: the session's own hold those of earlier connections too. */
  #unreleased(): number {
    return Math.max(this.#received.size, this.#owner.durable?.receivedCount ?? 0)
  }

  #open({ packetId, qos }: PublishReader): AckEntry {
    this.#underWay++
    if (qos === 2) this.#received.add(packetId)
    return this.#acks.open(packetId, qos)
  }

  /** Its PUBREC leaves behind that of the first, whose commit may be on its way. */
  #repeated({ packetId }: PublishReader): Violation | undefined {
    if (this.#acks.isFull) return VIOLATIONS.tooManyUnacked
    const entry = this.#acks.open(packetId, 2)
    const { store } = this.#context
    // The first may have come by another connection, whose acknowledgements went with it.
    if (this.#owner.durable === undefined || store === undefined) entry.committed(undefined)
    else store.barrier(entry.committed)
    return undefined
  }

  #isDenied(topic: Topic, subject: Uint8Array): boolean {
    const { guard } = this.#owner
    if (topic.isReserved || subject.length === 0) return topic.isReserved
    return !guard.mayPublish(topic, subject) && !guard.mayAnswer(topic, subject)
  }

  /** @param subject empty: the account's mappings drop the message */
  #route(
    topic: Topic,
    subject: Uint8Array,
    facts: Readonly<PublishFacts>,
    payload: Uint8Array,
    entry: AckEntry | undefined,
  ): void {
    if (subject.length === 0) {
      entry?.committed(undefined)
      return
    }
    if (entry === undefined) {
      this.publisher.route(topic, subject, facts, payload, undefined)
      return
    }
    // Nothing is acknowledged before it is known whether anybody took it.
    entry.hold()
    const { store } = this.#context
    const durable = entry.qos === 2 ? this.#owner.durable : undefined
    const isKept = facts.isRetain && this.publisher.retained !== undefined
    if (store !== undefined && (durable !== undefined || isKept)) {
      const write = (): void => {
        // Also when nobody stores the message, its identifier is on disk before PUBREC.
        durable?.received(entry.packetId, entry.hold())
        const isTaken = this.publisher.route(topic, subject, facts, payload, entry)
        this.#tellTaken(entry, isTaken)
        if (entry.error !== undefined) throw entry.error
      }
      this.#routeWhole(entry, write)
      return
    }
    // Who gets his own message back gets its PUBREC first, as from mosquitto, if it has not to wait.
    if (entry.qos === 2) this.#peer.holdDeliveries(true)
    try {
      this.#tellTaken(entry, this.publisher.route(topic, subject, facts, payload, entry))
      this.#routed(entry)
    } finally {
      if (entry.qos === 2) this.#peer.holdDeliveries(false)
    }
  }

  /** PUBREC may say it too; mosquitto's does not, whose suite compares bytes. */
  #tellTaken(entry: AckEntry, isTaken: boolean): void {
    if (!isTaken && entry.qos === 1) entry.reason = REASON.noMatchingSubscribers
  }

  /** Message, identifier and what is retained are stored together or not at all: exactly once begins here. */
  #routeWhole(entry: AckEntry, write: () => void): void {
    try {
      this.transact(write)
    } catch (error) {
      if (!(error instanceof PetioleError)) throw error
      entry.takenBack(error)
    }
    this.#routed(entry)
  }

  /** Everybody has been asked. */
  #routed(entry: AckEntry): void {
    const { error } = entry
    if (entry.isTakenBack && error !== undefined) this.#acks.abandon(entry, error)
    else entry.committed(undefined)
  }

  /**
   * MQTT 5 is told. 3.1.1 cannot refuse a publish: the server acknowledges it or closes the connection
   * [MQTT-3.3.5-2]. Closing would make the device send it again for ever, so it is acknowledged and
   * goes nowhere.
   */
  #deny(topic: Topic, entry: AckEntry | undefined): void {
    this.#context.counters.deniedPublishes++
    const fields = {
      client: this.#owner.clientId,
      topic: Buffer.from(topic.bytes).toString(),
    }
    const { notices } = this.#context
    if (topic.isReserved) notices.warn(fields, 'publish to a topic of the server is dropped')
    else notices.warn(fields, 'publish without permission is dropped')
    this.#refuse(entry, REASON.notAuthorized)
  }

  #refuse(entry: AckEntry | undefined, reason: number): void {
    if (entry === undefined) return
    entry.reason = reason
    entry.committed(undefined)
  }

  /**
   * Where the answer to a request goes, as NATS clients and ours understand it. Empty for a topic of the
   * server: whoever answers may be allowed more than who asks.
   */
  #replyOf(bytes: Uint8Array, { responseStart, responseEnd }: PublishReader): Uint8Array {
    const topic = this.#context.translator.topic(bytes, responseStart, responseEnd)
    return 'rule' in topic || topic.isReserved ? NO_HEADERS : topic.subject
  }
}
