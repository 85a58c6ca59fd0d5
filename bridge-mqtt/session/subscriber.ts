import type { Message, Peer, SubjectSpace, Subscription } from '../../shared/broker/index.ts'
import {
  type Frame,
  LEVEL,
  PACKET,
  type SubscribePacket,
  type UnsubscribePacket,
  type Violation,
} from '../codec/index.ts'
import { qosOfHeaders } from '../headers/index.ts'
import { SHARED_PACKET_BYTES_MAX } from '../limits.ts'
import { SendWindow } from '../send-window.ts'
import { topicToSubject } from '../topic-map.ts'
import type { Topic } from '../translator.ts'
import { ClientFilters, type GroupSubject } from './client-filters.ts'
import type { MqttContext } from './context.ts'
import { ClientLine } from './delivery-line.ts'
import { Outbound, type OutboundHost } from './outbound.ts'
import { factsOf, isPlain, OutboundMessage } from './outbound-message.ts'
import { RetainedReplays } from './retained-replay.ts'
import { handOver, type SharedCopy, sharedCopy } from './shared-leftovers.ts'
import { SharedMembers, type SharedReceiver } from './shared-members.ts'
import type { SubscriberLine, SubscriberLog, SubscriberOwner } from './subscriber-ports.ts'
import { SubscriberRequests } from './subscriber-requests.ts'

const QOS_OF_STORED = 2

/** What a publisher of this server tells of the message that is being routed. */
export interface MqttOrigin {
  readonly publishing: Topic | undefined
  readonly publishingQos: number
  readonly publishingRetain: boolean
}

const NOTHING = new Uint8Array(0)

/**
 * The message that is being delivered, found out about for its first receiver and filled in for each; sent, or
 * copied, before the next. Its topic is empty when there is none.
 */
const outgoing = new OutboundMessage()
const published = { qos: 0, isRetain: false }

/** A long payload must not outlive its delivery. */
function forget(): void {
  outgoing.serial = 0
  outgoing.payload = NOTHING
}

/**
 * What a client is subscribed to, and what of it is sent. A clean session gets all from the router, and what
 * waits for it is lost with it. A durable one gets from the router what has QoS 0; all else comes from
 * the log of its account (`ClientLine`).
 */
export class Subscriber implements SharedReceiver, OutboundHost {
  readonly #space: SubjectSpace
  readonly #context: MqttContext
  readonly #owner: SubscriberOwner
  readonly #peer: Peer
  readonly #outbound: Outbound
  readonly #filters: ClientFilters
  readonly #replays: RetainedReplays
  readonly #requests: SubscriberRequests
  readonly #durable: SubscriberLog | undefined
  #line: ClientLine | undefined
  readonly #isV5: boolean

  /** @param peer whose subscriptions they are */
  constructor(
    context: MqttContext,
    space: SubjectSpace,
    line: SubscriberLine,
    owner: SubscriberOwner,
    peer: Peer,
  ) {
    this.#space = space
    this.#context = context
    this.#owner = owner
    this.#peer = peer
    this.#durable = owner.durable
    this.#isV5 = owner.terms.level === LEVEL.v5
    this.#outbound = outboundOf(context, line, owner, this)
    const { clientId, guard, durable, retained } = owner
    const filters = new ClientFilters(space, peer, guard, durable !== undefined, this)
    const outbound = this.#outbound
    const replays = new RetainedReplays({
      ...{ context, clientId, guard, outbound },
      source: retained,
      log: durable,
    })
    this.#filters = filters
    this.#replays = replays
    this.#requests = new SubscriberRequests({ context, line, owner, filters, replays })
  }

  get subscriptionCount(): number {
    return this.#filters.size
  }

  get sharedCount(): number {
    return this.#filters.sharedCount
  }

  get subscriptionsOfLog(): readonly GroupSubject[] {
    return this.#filters.ofLog
  }

  /** One of its filters leaves out what its own client publishes. */
  get hasNoLocal(): boolean {
    return this.#filters.hasNoLocal
  }

  /** Messages of QoS 1 and 2 that the client has not seen to their end. */
  get inflight(): number {
    return this.#outbound.inflight
  }

  get sentMessages(): number {
    return this.#outbound.sentMessages
  }

  get sentBytes(): number {
    return this.#outbound.sentBytes
  }

  /** The client has its CONNACK: what its session had before goes on. */
  begin(): void {
    const durable = this.#durable
    if (durable === undefined) return
    this.#requests.restore(durable)
    this.#outbound.resume()
    const { clientId, guard } = this.#owner
    const nowMs = (): number => durable.nowMs()
    const context = this.#context
    const outbound = this.#outbound
    const replays = this.#replays
    const requests = this.#requests
    const isUnjudged = (): boolean => requests.isUnjudged
    const parts = { context, clientId, guard, outbound, replays, requests, nowMs, isUnjudged }
    this.#line = new ClientLine(parts)
    durable.attach(this.#line)
  }

  /**
   * Whether it takes a message of the router. A plain subscription does, also when the client is not to
   * have it after all: somebody is subscribed. A shared one gives it to the member whose turn it is and
   * who has room.
   *
   * @param origin undefined: it was not published by an MQTT client of this server
   */
  offer(subscription: Subscription, message: Message, origin: MqttOrigin | undefined): boolean {
    if (subscription.queue === '') return this.take(subscription, message, origin, true)
    return SharedMembers.of(this.#space, subscription).offer(message, origin)
  }

  /** @param mayWait a member of a shared subscription takes it also when it cannot leave at once */
  take(
    subscription: Subscription,
    message: Message,
    origin: MqttOrigin | undefined,
    mayWait: boolean,
  ): boolean {
    const isPlainOne = subscription.queue === ''
    const isOwn = message.origin === this.#peer
    const grant = this.#filters.grantOf(subscription, message.subjectBytes, isOwn)
    if (grant === undefined) return isPlainOne
    if (message.serial !== outgoing.serial) this.#begin(message, origin)
    const qos = Math.min(grant.qos, published.qos)
    if (qos > 0 && this.#durable !== undefined) return true
    if (!isPlainOne && !this.#hasRoomFor(qos, mayWait)) return false
    if (outgoing.topic.length === 0) {
      this.#context.counters.untranslatable++
      return isPlainOne
    }
    outgoing.qos = qos
    outgoing.isRetain = grant.isRetainAsPublished && published.isRetain
    outgoing.subscriptionIds = grant.subscriptionIds
    outgoing.group = subscription.queue
    this.#addFacts(message)
    if (!isPlainOne && qos > 0) {
      const facts = { qos: published.qos, messageExpiry: outgoing.messageExpiry }
      outgoing.copy = sharedCopy(subscription.queue, message, facts, this.#context.clock)
    }
    this.#outbound.send(outgoing)
    outgoing.copy = undefined
    if (outgoing.payload.length > SHARED_PACKET_BYTES_MAX) forget()
    return true
  }

  /** PUBACK, PUBREC or PUBCOMP of the client for a delivery. */
  acknowledged(bytes: Uint8Array, frame: Frame): Violation | undefined {
    const { ack } = this.#context.scratch
    const violation = ack.read(bytes, frame, this.#owner.terms.level, 'client')
    if (violation !== undefined) return violation
    const { packetId, reason } = ack
    if (!this.#isOfLog(frame.type, packetId, reason)) {
      const wrong = this.#outbound.acknowledged(frame.type, packetId, reason)
      if (wrong !== undefined) return wrong
    }
    // One window is for the log and for what does not come from it.
    this.flushQueue()
    return undefined
  }

  subscribe(packet: SubscribePacket): Violation | undefined {
    return this.#requests.subscribe(packet)
  }

  unsubscribe(packet: UnsubscribePacket): Violation | undefined {
    return this.#requests.unsubscribe(packet)
  }

  /**
   * The user may do other things now: filters that are not allowed any more end, and the connection when there are
   * more left than are allowed.
   *
   * @param isPermitted it is not his permissions that have changed
   */
  recheck(isPermitted: boolean): void {
    if (!isPermitted) this.#outbound.judgeQueued()
    this.#requests.recheck(isPermitted)
  }

  mayReceive(topic: Uint8Array, group: string): boolean {
    const subject = topicToSubject(topic)
    return subject !== undefined && this.#owner.guard.mayReceive(subject, group)
  }

  passOn(copies: readonly SharedCopy[]): void {
    const { clock } = this.#context
    if (copies.length > 0) handOver(copies, { space: this.#space, peerId: this.#peer.id, clock })
  }

  /** Deliveries wait while its own client's publish is routed: what acknowledges that leaves before them. */
  hold(isHeld: boolean): void {
    this.#outbound.isHeld = isHeld
    if (!isHeld) this.#outbound.flushQueue()
  }

  /** The output has room again. */
  flushQueue(): void {
    this.#outbound.flushQueue()
    this.#madeRoom()
  }

  /** Receives nothing from now on. */
  close(): void {
    this.#requests.close()
    this.passOn(this.#outbound.close())
    if (this.#line !== undefined) this.#durable?.detach(this.#line)
  }

  /** There may be room for what the log has, and for what is retained. */
  #madeRoom(): void {
    this.#durable?.wake()
    this.#replays.goOn()
  }

  #isOfLog(type: number, packetId: number, reason: number): boolean {
    if (this.#durable === undefined) return false
    if (type === PACKET.puback) return this.#durable.puback(packetId, reason)
    if (type === PACKET.pubrec) return this.#durable.pubrec(packetId, reason)
    return this.#durable.pubcomp(packetId)
  }

  /** What is the same for all receivers. */
  #begin(message: Message, origin: MqttOrigin | undefined): void {
    const subject = message.subjectBytes
    const publishing = origin?.publishing
    outgoing.serial = message.serial
    outgoing.topic =
      publishing?.subject === subject
        ? publishing.bytes
        : (this.#context.translator.topicOf(subject) ?? NOTHING)
    outgoing.payload = message.payload
    published.qos = origin?.publishingQos ?? this.#qosOf(message)
    published.isRetain = origin?.publishingRetain === true
  }

  /** What NATS clients publish where it is stored is as good as QoS 2. */
  #qosOf(message: Message): number {
    const { headers } = message
    const qos = headers.length === 0 ? 0 : qosOfHeaders(headers)
    if (qos > 0) return qos
    return this.#owner.isStored?.(message.subjectBytes) === true ? QOS_OF_STORED : 0
  }

  #hasRoomFor(qos: number, mayWait: boolean): boolean {
    if (qos === 0) return mayWait ? !this.#outbound.isFullOfQos0 : !this.#outbound.isBehind
    if (mayWait) return !this.#outbound.isFull
    return this.#outbound.hasRoom && this.#outbound.queued === 0
  }

  /** Properties are of MQTT 5; that a message expires while it waits, of all. */
  #addFacts(message: Message): void {
    outgoing.messageExpiry = -1
    outgoing.shared = NOTHING
    const { headers } = message
    if (!this.#isV5) {
      if (isPlain(headers)) return
      outgoing.messageExpiry = factsOf(message, this.#context.translator).messageExpiry
      return
    }
    if (isPlain(headers) && message.replyBytes.length === 0) return
    const facts = factsOf(message, this.#context.translator)
    outgoing.messageExpiry = facts.messageExpiry
    outgoing.shared = facts.shared
    this.#owner.guard.delivered(facts)
  }
}

function outboundOf(
  context: MqttContext,
  line: SubscriberLine,
  owner: SubscriberOwner,
  host: Subscriber,
): Outbound {
  const { durable, terms } = owner
  const { level, packetBytesMax: packetSizeMax, topicAliasMaximum: topicAliasMax } = terms
  const { queuedMessagesMax, queuedBytesMax } = context.limits
  const windowMax = Math.min(terms.receiveMaximum, context.ackPendingMax)
  const window = durable?.window ?? new SendWindow(windowMax)
  window.max = windowMax
  const isWindowShared = durable !== undefined
  const limits = { queuedMessagesMax, queuedBytesMax, packetSizeMax, topicAliasMax }
  const options = { ...limits, level, window, isWindowShared, kept: context.kept, host }
  return new Outbound(line.channel, options, context.counters, context.clock)
}
