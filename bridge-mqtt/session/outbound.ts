import type { Cancel, Clock } from '../../shared/runtime/index.ts'
import type { Channel } from '../../shared/transport/index.ts'
import { LEVEL, PACKET, REASON, VIOLATIONS, type Violation } from '../codec/index.ts'
import type { MqttCounters } from '../counters.ts'
import { DELIVERY_PENDING_BYTES_MAX } from '../limits.ts'
import type { SendWindow } from '../send-window.ts'
import type { KeptMessage, KeptMessages } from './outbound-kept.ts'
import { OutboundMessage } from './outbound-message.ts'
import { OutboundQueue } from './outbound-queue.ts'
import { type OutboundLimits, OutboundWriter } from './outbound-writer.ts'
import { InflightCopies, type SharedCopy } from './shared-leftovers.ts'

export interface OutboundOptions extends OutboundLimits {
  readonly queuedMessagesMax: number
  readonly queuedBytesMax: number
  readonly kept: KeptMessages
  /** Is called when there is room again that no answer of the client and no drain of its output has made. */
  readonly host: OutboundHost
  readonly window: SendWindow
  /** The window outlasts the connection: what is in flight here must be told from what the log sent. */
  readonly isWindowShared: boolean
}

const FAILURE = 0x80
const UNLIMITED = Number.POSITIVE_INFINITY
const NOTHING = new Uint8Array(0)

/**
 * What the client has to answer next. QoS 1 in a window of our own is in the window and nowhere else; what is
 * in a shared one and is not ours is the log's, which was asked first and waits for something else.
 */
const AWAITS = { nothing: 0, puback: 1, pubrec: 2, pubcomp: 3, other: 4 } as const

export interface OutboundHost {
  /** Sends what there is room for. */
  flushQueue(): void
  /** Whether the client is still to have what has waited for it. */
  mayReceive(topic: Uint8Array, group: string): boolean
  /** It is not to have them, and would have had them as a member of shared subscriptions. */
  passOn(copies: readonly SharedCopy[]): void
}

/** Filled with what has waited, and sent at once. */
const late = new OutboundMessage()

/**
 * What goes to one subscriber directly. QoS 0 goes straight to the output; QoS 1 and 2 take a packet identifier
 * from the window. What the output or the window has no room for waits in two bounded queues, because QoS 0
 * waits for no acknowledgement, and is dropped, the newest first, beyond them. Who waits for the same message
 * shares it. So a subscriber that reads slowly or never acknowledges costs a publisher a few
 * comparisons for each message, the server little memory, and nobody else anything.
 *
 * Within a connection nothing is sent twice: TCP does not lose it, and a repetition is called for only
 * when a session comes back [MQTT-4.4.0-1].
 */
export class Outbound {
  /** Deliveries since the start, and the bytes of their payloads. */
  sentMessages = 0
  sentBytes = 0
  readonly #channel: Channel
  readonly #kept: KeptMessages
  readonly #host: OutboundHost
  readonly #isWindowShared: boolean
  readonly #isV5: boolean
  readonly #queuedMessagesMax: number
  readonly #queuedBytesMax: number
  readonly #counters: MqttCounters
  readonly #clock: Clock
  readonly #window: SendWindow
  readonly #writer: OutboundWriter
  /** What has QoS 1 or 2 waits in the queue: something else is to leave first. */
  isHeld = false
  /** What waits came before its user's permissions changed. */
  #isJudging = false
  /** These are made when they are needed: to most idle devices nothing is on its way. */
  #awaited: Map<number, number> | undefined
  /** Made with the first message of a shared subscription. */
  #copies: InflightCopies | undefined
  #queue: OutboundQueue | undefined
  #queueOfQos0: OutboundQueue | undefined
  #cancelPatience: Cancel | undefined
  #patienceMs = 0

  constructor(channel: Channel, options: OutboundOptions, counters: MqttCounters, clock: Clock) {
    this.#channel = channel
    this.#kept = options.kept
    this.#host = options.host
    this.#isWindowShared = options.isWindowShared
    this.#isV5 = options.level === LEVEL.v5
    this.#queuedMessagesMax = options.queuedMessagesMax
    this.#queuedBytesMax = options.queuedBytesMax
    this.#window = options.window
    this.#counters = counters
    this.#clock = clock
    this.#writer = new OutboundWriter(channel, options)
  }

  /** Messages of QoS 1 and 2 that wait. */
  get queued(): number {
    return this.#queue?.size ?? 0
  }

  get inflight(): number {
    return this.#window.inflight
  }

  /** One more that has to wait would be dropped. */
  get isFull(): boolean {
    const bytes = this.#queue?.bytes ?? 0
    const isOver = this.queued >= this.#queuedMax() || bytes >= this.#queuedBytesMax
    return isOver || this.#kept.isFull(bytes, 0)
  }

  /** The same at QoS 0, which waits for the output alone. */
  get isFullOfQos0(): boolean {
    const bytes = this.#queueOfQos0?.bytes ?? 0
    return bytes >= this.#queuedBytesMax || this.#kept.isFull(bytes, 0)
  }

  /** The output waits for a slow receiver: `flushQueue` is called when that has read. */
  get isBehind(): boolean {
    return this.#isQos0Waiting() || this.#channel.isBehind(DELIVERY_PENDING_BYTES_MAX)
  }

  /** Messages of QoS 1 and 2 for which the window has room. */
  get windowRoom(): number {
    return this.#window.hasRoom ? this.#window.max - this.#window.inflight : 0
  }

  /** A message of QoS 1 or 2 would leave at once. */
  get hasRoom(): boolean {
    return this.#window.hasRoom && !this.isHeld && !this.isBehind
  }

  /** What is sent later is copied before this returns, but for its topic and properties. */
  send(message: OutboundMessage): void {
    if (message.qos === 0) {
      if (this.isBehind) this.#enqueueQos0(message)
      else this.publish(message, 0, false)
    } else if (this.queued > 0 || !this.hasRoom) {
      this.#enqueue(message)
    } else {
      this.#begin(message)
    }
  }

  /** The same as `publish` for what the log has given an identifier of the window. */
  publishLogged(message: OutboundMessage, packetId: number, isDup: boolean): boolean {
    if (!this.publish(message, packetId, isDup)) return false
    this.#window.sent(packetId, message.topic.length + message.payload.length)
    if (this.#window.isHeavy) this.#bePatient()
    return true
  }

  /**
   * Writes a PUBLISH whose packet identifier is somebody else's business, or 0. False: it is larger than
   * the client takes, and counted.
   */
  publish(message: OutboundMessage, packetId: number, isDup: boolean): boolean {
    if (!this.#writer.publish(message, packetId, isDup)) {
      this.#counters.droppedTooLarge++
      return false
    }
    this.sentMessages++
    this.sentBytes += message.payload.length
    this.#counters.sentMessages++
    this.#counters.sentBytes += message.payload.length
    return true
  }

  pubrel(packetId: number, reason: number = REASON.success): void {
    this.#writer.acknowledge(PACKET.pubrel, packetId, reason)
  }

  /**
   * PUBACK, PUBREC or PUBCOMP of the client. One that no message waits for changes nothing; one of another
   * kind than the message waits for is a violation [MQTT-4.3.2-2, 4.3.3-2].
   */
  acknowledged(type: number, packetId: number, reason: number): Violation | undefined {
    const awaited = this.#awaitedFor(packetId)
    if (awaited === AWAITS.other) return VIOLATIONS.ackKind
    switch (type) {
      case PACKET.puback:
        if (awaited === AWAITS.pubrec || awaited === AWAITS.pubcomp) return VIOLATIONS.ackKind
        if (awaited === AWAITS.puback) this.#finish(packetId)
        return undefined
      case PACKET.pubrec:
        if (awaited === AWAITS.puback) return VIOLATIONS.ackKind
        this.#received(packetId, awaited !== AWAITS.nothing, reason)
        return undefined
      default:
        if (awaited === AWAITS.puback || awaited === AWAITS.pubrec) return VIOLATIONS.ackKind
        if (awaited === AWAITS.pubcomp) this.#finish(packetId)
        return undefined
    }
  }

  /** Its user's permissions have changed: of what waits leaves what he may receive as it leaves. */
  judgeQueued(): void {
    this.#isJudging = this.queued > 0 || this.#isQos0Waiting()
  }

  /** Sends from the queues what the window and the output have room for. */
  flushQueue(): void {
    const first = this.#queueOfQos0
    while (first?.first !== undefined) {
      if (this.#channel.isBehind(DELIVERY_PENDING_BYTES_MAX)) return
      this.#sendFirst(first, first.first)
    }
    const queue = this.#queue
    while (queue?.first !== undefined && this.hasRoom) this.#sendFirst(queue, queue.first)
    if (this.queued === 0) this.#isJudging = false
  }

  /** Of a session that was here before: what its last connection left half done is brought to its end. */
  resume(): void {
    for (const packetId of this.#window.adopt()) {
      this.#await(packetId, AWAITS.pubcomp)
      this.pubrel(packetId)
    }
  }

  /**
   * Gives back what it has of the window. Whether the client has seen a message of QoS 2 is not known: its
   * identifier must not be used again before the client has forgotten it.
   *
   * @returns what another member of its shared subscriptions gets in its place
   */
  close(): readonly SharedCopy[] {
    const left: SharedCopy[] = [...(this.#copies?.all ?? [])]
    for (const { copy } of this.#queue?.waiting ?? []) if (copy !== undefined) left.push(copy)
    this.#copies = undefined
    for (const [packetId, awaited] of this.#awaited ?? []) {
      if (awaited === AWAITS.puback) this.#window.release(packetId)
      else this.#window.orphan(packetId)
    }
    this.#awaited = undefined
    this.#window.disconnected()
    this.#cancelPatience?.()
    this.#queue?.clear()
    this.#queueOfQos0?.clear()
    return left
  }

  #isQos0Waiting(): boolean {
    return this.#queueOfQos0 !== undefined && this.#queueOfQos0.size > 0
  }

  /** What waits for the output only, and has room in the window, is not behind the window. */
  #queuedMax(): number {
    const { max, inflight } = this.#window
    return this.#queuedMessagesMax + Math.max(0, max - inflight)
  }

  #begin(message: OutboundMessage): void {
    const packetId = this.#window.take(message.topic.length + message.payload.length)
    if (this.#window.isHeavy) this.#bePatient()
    if (!this.publish(message, packetId, false)) this.#window.release(packetId)
    else if (message.qos === 2) this.#await(packetId, AWAITS.pubrec)
    else {
      if (this.#isWindowShared) this.#await(packetId, AWAITS.puback)
      if (message.copy !== undefined) {
        this.#copies ??= new InflightCopies()
        this.#copies.set(packetId, message.copy)
      }
    }
  }

  /** A client that never acknowledges is written to again, but ever less often. */
  #bePatient(): void {
    const { patienceMs } = this.#window
    if (this.#cancelPatience !== undefined && this.#patienceMs <= patienceMs) return
    this.#cancelPatience?.()
    this.#patienceMs = patienceMs
    this.#cancelPatience = this.#clock.after(patienceMs, () => {
      this.#cancelPatience = undefined
      if (this.#window.isHeavy && this.#window.widen()) this.#host.flushQueue()
    })
  }

  #await(packetId: number, what: number): void {
    this.#awaited ??= new Map()
    this.#awaited.set(packetId, what)
  }

  #awaitedFor(packetId: number): number {
    const awaited = this.#awaited?.get(packetId)
    if (awaited !== undefined) return awaited
    if (!this.#window.has(packetId)) return AWAITS.nothing
    return this.#isWindowShared ? AWAITS.other : AWAITS.puback
  }

  /** The client has the message, or refuses it for good [MQTT-4.3.3-4]. */
  #received(packetId: number, isKnown: boolean, reason: number): void {
    if (reason >= FAILURE) {
      if (isKnown) this.#finish(packetId)
      return
    }
    if (isKnown) this.#await(packetId, AWAITS.pubcomp)
    // Without an answer the client would send it for ever; before MQTT 5 there is one answer only.
    const isStrange = !isKnown && this.#isV5
    this.pubrel(packetId, isStrange ? REASON.packetIdentifierNotFound : REASON.success)
  }

  #finish(packetId: number): void {
    this.#awaited?.delete(packetId)
    this.#copies?.delete(packetId)
    if (this.#window.release(packetId)) this.flushQueue()
  }

  #enqueue(message: OutboundMessage): void {
    this.#queue ??= new OutboundQueue(this.#kept)
    const [sizeMax, bytesMax] = [this.#queuedMax(), this.#queuedBytesMax]
    if (this.#queue.push(message, sizeMax, bytesMax, this.#nowFor(message))) return
    this.#counters.droppedQos1++
  }

  #enqueueQos0(message: OutboundMessage): void {
    this.#queueOfQos0 ??= new OutboundQueue(this.#kept)
    const bytesMax = this.#queuedBytesMax
    if (this.#queueOfQos0.push(message, UNLIMITED, bytesMax, this.#nowFor(message))) return
    this.#counters.droppedQos0++
  }

  #nowFor(message: OutboundMessage): number {
    return message.messageExpiry < 0 ? 0 : this.#clock.monotonicMs()
  }

  /** Sends a message that has waited, unless its time is over [MQTT-3.3.2-5], or the client is not to have it now. */
  #sendFirst(queue: OutboundQueue, kept: KeptMessage): void {
    queue.shift()
    if (this.#isJudging && !this.#host.mayReceive(kept.topic, kept.group)) {
      if (kept.copy !== undefined) this.#host.passOn([kept.copy])
      return
    }
    late.messageExpiry = kept.messageExpiry
    if (kept.messageExpiry >= 0) {
      const waitedMs = this.#clock.monotonicMs() - kept.queuedMs
      late.messageExpiry = secondsLeft(kept.messageExpiry, waitedMs)
      if (late.messageExpiry < 0) {
        this.#counters.expired++
        return
      }
    }
    late.topic = kept.topic
    late.payload = kept.payload
    late.qos = kept.qos
    late.isRetain = kept.isRetain
    late.shared = kept.shared
    late.subscriptionIds = kept.subscriptionIds
    late.copy = kept.copy
    late.group = kept.group
    if (kept.qos === 0) this.publish(late, 0, false)
    else this.#begin(late)
    late.payload = NOTHING
    late.copy = undefined
  }
}

/** What is left of a message's time [MQTT-3.3.2-6]; -1 when it is over. */
export function secondsLeft(expirySeconds: number, waitedMs: number): number {
  if (waitedMs >= expirySeconds * 1000) return -1
  return expirySeconds - Math.floor(Math.max(0, waitedMs) / 1000)
}
