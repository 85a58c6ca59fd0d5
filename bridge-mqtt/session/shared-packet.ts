import { allocate, arenaBytes } from '../../shared/transport/index.ts'
import { type PublishProperties, publishHeadSize, writePublishHead } from '../codec/index.ts'
import { SHARED_PACKET_BYTES_MAX } from '../limits.ts'
import type { OutboundMessage } from './outbound-message.ts'

/**
 * The PUBLISH of a message that goes to many, laid out once: for each receiver it is one copy, with a packet
 * identifier of its own put in. Whoever comes second lays it out, so that the one who is alone does not
 * pay for it. It stays right for as long as that message is delivered, which `serial` says.
 */
export class SharedPacket {
  readonly #start = allocate(SHARED_PACKET_BYTES_MAX)
  #serial = 0
  #isLaidOut = false
  #isV5 = false
  #flags = 0
  #topic: Uint8Array | undefined
  #subscriptionIds: readonly number[] | undefined
  #idAt = 0
  /** Bytes of the packet that is laid out. */
  size = 0

  /** Whether the message has been laid out for a receiver like this one; `copyTo` may be called then. */
  isOf(
    message: OutboundMessage,
    flags: number,
    properties: PublishProperties | undefined,
  ): boolean {
    const { serial } = message
    if (serial === 0) return false
    if (
      serial !== this.#serial ||
      flags !== this.#flags ||
      (properties !== undefined) !== this.#isV5 ||
      message.topic !== this.#topic ||
      message.subscriptionIds !== this.#subscriptionIds
    ) {
      this.#begin(message, flags, properties !== undefined)
      return false
    }
    if (!this.#isLaidOut) this.#layOut(message, flags, properties)
    return this.size > 0
  }

  /** Writes it at an arena offset with room for `size`; returns the offset behind it. */
  copyTo(at: number, packetId: number): number {
    arenaBytes.copyWithin(at, this.#start, this.#start + this.size)
    if (packetId !== 0) {
      arenaBytes[at + this.#idAt] = packetId >> 8
      arenaBytes[at + this.#idAt + 1] = packetId & 0xff
    }
    return at + this.size
  }

  #begin(message: OutboundMessage, flags: number, isV5: boolean): void {
    this.#serial = message.serial
    this.#flags = flags
    this.#isV5 = isV5
    this.#topic = message.topic
    this.#subscriptionIds = message.subscriptionIds
    this.#isLaidOut = false
  }

  #layOut(
    { topic, payload, qos }: OutboundMessage,
    flags: number,
    properties: PublishProperties | undefined,
  ): void {
    this.#isLaidOut = true
    const headSize = publishHeadSize(topic.length, payload.length, qos, properties)
    this.size = 0
    if (headSize + payload.length > SHARED_PACKET_BYTES_MAX) return
    const start = this.#start
    // The identifier is any: each receiver has its own.
    const body = writePublishHead(
      arenaBytes,
      start,
      topic,
      payload.length,
      qos === 0 ? 0 : 1,
      flags,
      properties,
    )
    arenaBytes.set(payload, body)
    this.size = headSize + payload.length
    this.#idAt = body - start - (properties?.sectionSize ?? 0) - ID_SIZE
  }
}

const ID_SIZE = 2
