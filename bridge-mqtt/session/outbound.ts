import { arenaBytes, type Channel } from '../../shared/transport/index.ts'
import { type PublishProperties, publishHeadSize, writePublishHead } from '../codec/index.ts'
import type { MqttCounters } from '../counters.ts'
import { DELIVERY_PENDING_BYTES_MAX } from '../limits.ts'

export interface OutboundLimits {
  readonly ackPendingMax: number
  readonly queuedMessagesMax: number
  readonly queuedBytesMax: number
}

interface Queued {
  readonly topic: Uint8Array
  readonly payload: Uint8Array
}

const PACKET_ID_MAX = 65_535
/** What one queued message costs beside its payload. */
const QUEUED_OVERHEAD_BYTES = 128

/**
 * What goes to one subscriber. QoS 0 goes straight to the output, or is dropped while the output
 * waits for a slow receiver. QoS 1 takes a packet identifier from a window of unacknowledged ones;
 * beyond the window it is copied to a bounded queue, and dropped, the newest first, beyond that. So
 * a subscriber that reads slowly or never acknowledges costs a fixed amount of memory and holds up
 * nobody else.
 *
 * Within a connection nothing is sent twice: TCP does not lose it, and a repetition is called for only
 * when a session comes back [MQTT-4.4.0-1].
 */
export class Outbound {
  /** Deliveries since the start, and the bytes of their payloads. */
  sentMessages = 0
  sentBytes = 0
  readonly #channel: Channel
  readonly #limits: OutboundLimits
  readonly #counters: MqttCounters
  readonly #properties: PublishProperties | undefined
  readonly #unacked = new Set<number>()
  #lastPacketId = 0
  #queue: Queued[] = []
  #queueHead = 0
  #queuedBytes = 0

  /** @param properties of each PUBLISH, in MQTT 5 */
  constructor(
    channel: Channel,
    limits: OutboundLimits,
    counters: MqttCounters,
    properties?: PublishProperties,
  ) {
    this.#properties = properties
    this.#channel = channel
    this.#limits = limits
    this.#counters = counters
  }

  get queued(): number {
    return this.#queue.length - this.#queueHead
  }

  get unacked(): number {
    return this.#unacked.size
  }

  /** `topic` is kept as it is, `payload` is copied before this returns. */
  send(topic: Uint8Array, payload: Uint8Array, qos: number): void {
    if (qos === 0) {
      if (this.#isBehind) this.#counters.droppedQos0++
      else this.#write(topic, payload, 0)
    } else if (this.queued > 0 || !this.#hasRoom) {
      this.#enqueue(topic, payload)
    } else {
      this.#write(topic, payload, this.#takePacketId())
    }
  }

  /** PUBACK came. One for a packet that is not in flight changes nothing. */
  acknowledged(packetId: number): void {
    if (this.#unacked.delete(packetId)) this.flushQueue()
  }

  /** Sends from the queue what the window and the output have room for. */
  flushQueue(): void {
    while (this.#hasRoom) {
      const next = this.#queue[this.#queueHead]
      if (next === undefined) break
      this.#queueHead++
      this.#queuedBytes -= costOf(next.payload)
      this.#write(next.topic, next.payload, this.#takePacketId())
    }
    if (this.#queueHead * 2 < this.#queue.length) return
    this.#queue.splice(0, this.#queueHead)
    this.#queueHead = 0
  }

  get #isBehind(): boolean {
    return this.#channel.pendingBytes >= DELIVERY_PENDING_BYTES_MAX
  }

  get #hasRoom(): boolean {
    return this.#unacked.size < this.#limits.ackPendingMax && !this.#isBehind
  }

  #enqueue(topic: Uint8Array, payload: Uint8Array): void {
    const cost = costOf(payload)
    if (
      this.queued >= this.#limits.queuedMessagesMax ||
      this.#queuedBytes + cost > this.#limits.queuedBytesMax
    ) {
      this.#counters.droppedQos1++
      return
    }
    this.#queuedBytes += cost
    this.#queue.push({ topic, payload: new Uint8Array(payload) })
  }

  #write(topic: Uint8Array, payload: Uint8Array, packetId: number): void {
    const qos = packetId === 0 ? 0 : 1
    const flags = qos << 1
    const properties = this.#properties
    const headSize = publishHeadSize(topic.length, payload.length, qos, properties)
    const at = this.#channel.reserve(headSize + payload.length)
    if (at >= 0) {
      const body = writePublishHead(
        arenaBytes,
        at,
        topic,
        payload.length,
        packetId,
        flags,
        properties,
      )
      arenaBytes.set(payload, body)
      this.#channel.commit(body + payload.length)
    } else {
      const head = Buffer.allocUnsafe(headSize)
      writePublishHead(head, 0, topic, payload.length, packetId, flags, properties)
      this.#channel.write(head)
      this.#channel.write(payload)
    }
    this.sentMessages++
    this.sentBytes += payload.length
    this.#counters.sentMessages++
    this.#counters.sentBytes += payload.length
  }

  #takePacketId(): number {
    do {
      this.#lastPacketId = this.#lastPacketId === PACKET_ID_MAX ? 1 : this.#lastPacketId + 1
    } while (this.#unacked.has(this.#lastPacketId))
    this.#unacked.add(this.#lastPacketId)
    return this.#lastPacketId
  }
}

function costOf(payload: Uint8Array): number {
  return payload.length + QUEUED_OVERHEAD_BYTES
}
