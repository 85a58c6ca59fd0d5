import type { Clock } from '../../shared/runtime/index.ts'
import type { Channel } from '../../shared/transport/index.ts'
import { LEVEL, PACKET, REASON, VIOLATIONS, type Violation } from '../codec/index.ts'
import type { MqttCounters } from '../counters.ts'
import { DELIVERY_PENDING_BYTES_MAX } from '../limits.ts'
import type { SendWindow } from '../send-window.ts'
import type { OutboundMessage } from './outbound-message.ts'
import { type OutboundLimits, OutboundWriter } from './outbound-writer.ts'

export interface OutboundOptions extends OutboundLimits {
  readonly queuedMessagesMax: number
  readonly queuedBytesMax: number
  readonly window: SendWindow
  /** The window outlasts the connection: what is in flight here must be told from what the log sent. */
  readonly isWindowShared: boolean
}

/** What one queued message costs beside its payload. */
const QUEUED_OVERHEAD_BYTES = 128
const FAILURE = 0x80

/**
 * What the client has to answer next. QoS 1 in a window of our own is in the window and nowhere else; what is
 * in a shared one and is not ours is the log's, which was asked first and waits for something else.
 */
const AWAITS = { nothing: 0, puback: 1, pubrec: 2, pubcomp: 3, other: 4 } as const

/**
 * What goes to one subscriber directly. QoS 0 goes straight to the output, or is dropped while the output
 * waits for a slow receiver. QoS 1 and 2 take a packet identifier from the window; beyond the window they
 * are copied to a bounded queue, and dropped, the newest first, beyond that. So a subscriber that reads
 * slowly or never acknowledges costs a fixed amount of memory and holds up nobody else.
 *
 * Within a connection nothing is sent twice: TCP does not lose it, and a repetition is called for only
 * when a session comes back [MQTT-4.4.0-1].
 */
export class Outbound {
  /** Deliveries since the start, and the bytes of their payloads. */
  sentMessages = 0
  sentBytes = 0
  readonly #channel: Channel
  readonly #options: OutboundOptions
  readonly #counters: MqttCounters
  readonly #clock: Clock
  readonly #window: SendWindow
  readonly #writer: OutboundWriter
  /** What has QoS 1 or 2 waits in the queue: something else is to leave first. */
  isHeld = false
  readonly #awaited = new Map<number, number>()
  #queue: OutboundMessage[] = []
  #queueHead = 0
  #queuedBytes = 0

  constructor(channel: Channel, options: OutboundOptions, counters: MqttCounters, clock: Clock) {
    this.#channel = channel
    this.#options = options
    this.#window = options.window
    this.#counters = counters
    this.#clock = clock
    this.#writer = new OutboundWriter(channel, options)
  }

  get queued(): number {
    return this.#queue.length - this.#queueHead
  }

  get inflight(): number {
    return this.#window.inflight
  }

  /** One more that has to wait would be dropped. */
  get isFull(): boolean {
    return this.queued >= this.#options.queuedMessagesMax
  }

  /** The output waits for a slow receiver. */
  get isBehind(): boolean {
    return this.#channel.pendingBytes >= DELIVERY_PENDING_BYTES_MAX
  }

  /** Messages that the client has to answer; where the window is our own, only those of QoS 2 are counted. */
  get unanswered(): number {
    return this.#awaited.size
  }

  /** Messages of QoS 1 and 2 for which the window has room. */
  get windowRoom(): number {
    return Math.max(0, this.#window.max - this.#window.inflight)
  }

  /** A message of QoS 1 or 2 would leave at once. */
  get hasRoom(): boolean {
    return this.#window.hasRoom && !this.isHeld && !this.isBehind
  }

  /** What is sent later is copied before this returns, but for its topic and properties. */
  send(message: OutboundMessage): void {
    if (message.qos === 0) {
      if (this.isBehind) this.#counters.droppedQos0++
      else this.publish(message, 0, false)
    } else if (this.queued > 0 || !this.hasRoom) {
      this.#enqueue(message)
    } else {
      this.#begin(message)
    }
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

  /** Sends from the queue what the window and the output have room for. */
  flushQueue(): void {
    if (this.#queue.length === 0) return
    while (this.hasRoom) {
      const next = this.#queue[this.#queueHead]
      if (next === undefined) break
      this.#queueHead++
      this.#queuedBytes -= costOf(next)
      if (this.#isAlive(next)) this.#begin(next)
    }
    if (this.#queueHead * 2 < this.#queue.length) return
    this.#queue.splice(0, this.#queueHead)
    this.#queueHead = 0
  }

  /** Of a session that was here before: what its last connection left half done is brought to its end. */
  resume(): void {
    for (const packetId of this.#window.orphans) {
      this.#awaited.set(packetId, AWAITS.pubcomp)
      this.pubrel(packetId)
    }
    this.#window.orphans.clear()
  }

  /**
   * Gives back what it has of the window. Whether the client has seen a message of QoS 2 is not known: its
   * identifier must not be used again before the client has forgotten it.
   */
  close(): void {
    for (const [packetId, awaited] of this.#awaited) {
      if (awaited === AWAITS.puback) this.#window.release(packetId)
      else this.#window.orphans.add(packetId)
    }
    this.#awaited.clear()
    this.#queue = []
    this.#queueHead = 0
    this.#queuedBytes = 0
  }

  #begin(message: OutboundMessage): void {
    const packetId = this.#window.take()
    if (!this.publish(message, packetId, false)) this.#window.release(packetId)
    else if (message.qos === 2) this.#awaited.set(packetId, AWAITS.pubrec)
    else if (this.#options.isWindowShared) this.#awaited.set(packetId, AWAITS.puback)
  }

  #awaitedFor(packetId: number): number {
    const awaited = this.#awaited.get(packetId)
    if (awaited !== undefined) return awaited
    if (!this.#window.has(packetId)) return AWAITS.nothing
    return this.#options.isWindowShared ? AWAITS.other : AWAITS.puback
  }

  /** The client has the message, or refuses it for good [MQTT-4.3.3-4]. */
  #received(packetId: number, isKnown: boolean, reason: number): void {
    if (reason >= FAILURE) {
      if (isKnown) this.#finish(packetId)
      return
    }
    if (isKnown) this.#awaited.set(packetId, AWAITS.pubcomp)
    // Without an answer the client would send it for ever; before MQTT 5 there is one answer only.
    const isStrange = !isKnown && this.#options.level === LEVEL.v5
    this.pubrel(packetId, isStrange ? REASON.packetIdentifierNotFound : REASON.success)
  }

  #finish(packetId: number): void {
    this.#awaited.delete(packetId)
    if (this.#window.release(packetId)) this.flushQueue()
  }

  #enqueue(message: OutboundMessage): void {
    const cost = costOf(message)
    const { queuedMessagesMax, queuedBytesMax } = this.#options
    if (this.queued >= queuedMessagesMax || this.#queuedBytes + cost > queuedBytesMax) {
      this.#counters.droppedQos1++
      return
    }
    this.#queuedBytes += cost
    this.#queue.push(message.kept(message.messageExpiry < 0 ? 0 : this.#clock.monotonicMs()))
  }

  /** Counts down the time of one that has waited; false when nothing is left of it [MQTT-3.3.2-5]. */
  #isAlive(message: OutboundMessage): boolean {
    if (message.messageExpiry < 0) return true
    const waitedMs = this.#clock.monotonicMs() - message.queuedMs
    const left = secondsLeft(message.messageExpiry, waitedMs)
    if (left < 0) this.#counters.expired++
    message.messageExpiry = left
    return left >= 0
  }
}

/** What is left of a message's time [MQTT-3.3.2-6]; -1 when it is over. */
export function secondsLeft(expirySeconds: number, waitedMs: number): number {
  if (waitedMs >= expirySeconds * 1000) return -1
  return expirySeconds - Math.floor(Math.max(0, waitedMs) / 1000)
}

function costOf({ payload, shared }: OutboundMessage): number {
  return payload.length + shared.length + QUEUED_OVERHEAD_BYTES
}
