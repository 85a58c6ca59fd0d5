import { type Frame, fixedHeaderSize, PACKET, writeFixedHeader } from './frame.ts'
import { VIOLATIONS, type Violation } from './violation.ts'

/**
 * PUBLISH and PUBACK without objects or strings: a reader that says where the parts of a packet
 * lie, and writers that fill reserved output. The topic's characters are checked by whoever looks
 * it up, once per topic and not once per message.
 */
export class PublishReader {
  qos = 0
  isDup = false
  isRetain = false
  /** 0 at QoS 0. */
  packetId = 0
  topicStart = 0
  topicEnd = 0
  payloadStart = 0
  payloadEnd = 0

  /** Reads the body of a whole frame of type PUBLISH. */
  read(bytes: Uint8Array, frame: Frame): Violation | undefined {
    this.qos = (frame.flags >> 1) & 3
    this.isDup = (frame.flags & 8) !== 0
    this.isRetain = (frame.flags & 1) !== 0
    if (this.qos === 3) return VIOLATIONS.publishQos
    if (this.isDup && this.qos === 0) return VIOLATIONS.publishDup
    const end = frame.bodyEnd
    const start = frame.bodyStart + 2
    if (start > end) return VIOLATIONS.truncated
    this.topicStart = start
    this.topicEnd = start + readUint16(bytes, frame.bodyStart)
    this.payloadStart = this.qos === 0 ? this.topicEnd : this.topicEnd + 2
    this.payloadEnd = end
    if (this.payloadStart > end) return VIOLATIONS.truncated
    if (this.topicEnd === start) return VIOLATIONS.emptyTopic
    this.packetId = this.qos === 0 ? 0 : readUint16(bytes, this.topicEnd)
    if (this.qos !== 0 && this.packetId === 0) return VIOLATIONS.packetIdZero
    return undefined
  }
}

export const PUBACK_SIZE = 4

/** The packet identifier of a whole PUBACK, or what is wrong with it. */
export function readPuback(bytes: Uint8Array, frame: Frame): number | Violation {
  const size = frame.bodyEnd - frame.bodyStart
  if (size !== 2) return size < 2 ? VIOLATIONS.truncated : VIOLATIONS.trailingBytes
  const packetId = readUint16(bytes, frame.bodyStart)
  return packetId === 0 ? VIOLATIONS.packetIdZero : packetId
}

export function writePuback(bytes: Uint8Array, at: number, packetId: number): number {
  bytes[at] = PACKET.puback << 4
  bytes[at + 1] = 2
  bytes[at + 2] = packetId >> 8
  bytes[at + 3] = packetId & 0xff
  return at + PUBACK_SIZE
}

export const PINGRESP_BYTES = Uint8Array.of(PACKET.pingresp << 4, 0)

/** Bytes of a PUBLISH without its payload. */
export function publishHeadSize(topicSize: number, payloadSize: number, qos: number): number {
  const variable = 2 + topicSize + (qos === 0 ? 0 : 2)
  return fixedHeaderSize(variable + payloadSize) + variable
}

/** Writes all of a PUBLISH but its payload; returns where the payload goes. `packetId` 0 is QoS 0. */
export function writePublishHead(
  bytes: Uint8Array,
  at: number,
  topic: Uint8Array,
  payloadSize: number,
  packetId: number,
): number {
  const isAcked = packetId !== 0
  const length = 2 + topic.length + (isAcked ? 2 : 0) + payloadSize
  let next = writeFixedHeader(bytes, at, (PACKET.publish << 4) | (isAcked ? 2 : 0), length)
  bytes[next++] = topic.length >> 8
  bytes[next++] = topic.length & 0xff
  bytes.set(topic, next)
  next += topic.length
  if (isAcked) {
    bytes[next++] = packetId >> 8
    bytes[next++] = packetId & 0xff
  }
  return next
}

function readUint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}
