import { type Frame, fixedHeaderSize, writeFixedHeader } from './frame.ts'
import { LEVEL, type Level, type Side } from './level.ts'
import { PACKET } from './packet-types.ts'
import { PropertyCursor } from './property-cursor.ts'
import { PLACE, PROPERTY } from './property-table.ts'
import type { PublishProperties } from './publish-properties.ts'
import { VIOLATIONS, type Violation } from './violation.ts'

/** Of the fixed header: bits 1 and 2 are the QoS. */
export const PUBLISH_FLAG = { retain: 1, qos1: 2, qos2: 4, dup: 8 } as const

/**
 * PUBLISH without objects or strings: a reader that says where the parts of a packet lie, and a writer
 * that fills reserved output. The topic's characters are checked by whoever looks it up, once per
 * topic and not once per message; the properties of MQTT 5 are checked here.
 */
export class PublishReader {
  qos = 0
  isDup = false
  isRetain = false
  /** 0 at QoS 0. */
  packetId = 0
  /** Empty when an alias stands for the topic. */
  topicStart = 0
  topicEnd = 0
  /** 0 when there is none. */
  topicAlias = 0
  /** Seconds, -1 when the message does not expire. */
  messageExpiry = -1
  /** The payload is said to be UTF-8 [MQTT-3.3.2.3.2]. */
  isText = false
  /** The response topic; `responseEnd` is 0 when there is none. */
  responseStart = 0
  responseEnd = 0
  /** The properties, with their length; an empty range before MQTT 5. */
  propertiesStart = 0
  payloadStart = 0
  payloadEnd = 0
  readonly #cursor = new PropertyCursor()

  /** Reads the body of a whole frame of type PUBLISH. */
  read(bytes: Uint8Array, frame: Frame, level: Level, from: Side): Violation | undefined {
    this.qos = (frame.flags >> 1) & 3
    this.isDup = (frame.flags & PUBLISH_FLAG.dup) !== 0
    this.isRetain = (frame.flags & PUBLISH_FLAG.retain) !== 0
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
    this.packetId = this.qos === 0 ? 0 : readUint16(bytes, this.topicEnd)
    this.propertiesStart = this.payloadStart
    this.topicAlias = 0
    this.messageExpiry = -1
    this.isText = false
    this.responseEnd = 0
    if (level === LEVEL.v5) {
      const violation = this.#readProperties(bytes, from)
      if (violation !== undefined) return violation
    }
    if (this.topicEnd === start && this.topicAlias === 0) return VIOLATIONS.emptyTopic
    return this.qos !== 0 && this.packetId === 0 ? VIOLATIONS.packetIdZero : undefined
  }

  /** A view of the payload of the packet that was read. No Buffer: that takes longer to make. */
  payloadOf(bytes: Uint8Array): Uint8Array {
    const { payloadStart, payloadEnd } = this
    return new Uint8Array(bytes.buffer, bytes.byteOffset + payloadStart, payloadEnd - payloadStart)
  }

  #readProperties(bytes: Uint8Array, from: Side): Violation | undefined {
    const cursor = this.#cursor
    const place = from === 'client' ? PLACE.publishOfClient : PLACE.publishOfServer
    if (!cursor.begin(bytes, this.propertiesStart, this.payloadEnd, place)) return cursor.violation
    while (cursor.next()) {
      const id = cursor.rule?.id
      if (id === PROPERTY.topicAlias) this.topicAlias = cursor.number
      else if (id === PROPERTY.messageExpiry) this.messageExpiry = cursor.number
      else if (id === PROPERTY.payloadFormat) this.isText = cursor.number === 1
      else if (id === PROPERTY.responseTopic) {
        this.responseStart = cursor.start
        this.responseEnd = cursor.end
      }
    }
    this.payloadStart = cursor.sectionEnd
    return cursor.violation
  }
}

export const PINGREQ_BYTES = Uint8Array.of(PACKET.pingreq << 4, 0)
export const PINGRESP_BYTES = Uint8Array.of(PACKET.pingresp << 4, 0)

/** Bytes of a PUBLISH without its payload. */
export function publishHeadSize(
  topicSize: number,
  payloadSize: number,
  qos: number,
  properties?: PublishProperties,
): number {
  const variable = 2 + topicSize + (qos === 0 ? 0 : 2) + (properties?.sectionSize ?? 0)
  return fixedHeaderSize(variable + payloadSize) + variable
}

/**
 * Writes all of a PUBLISH but its payload; returns where the payload goes. `packetId` 0 is QoS 0.
 *
 * @param flags of the fixed header; QoS 2, DUP and RETAIN are told here
 * @param properties present, even if they are none, for MQTT 5
 */
export function writePublishHead(
  bytes: Uint8Array,
  at: number,
  topic: Uint8Array,
  payloadSize: number,
  packetId: number,
  flags: number = packetId === 0 ? 0 : PUBLISH_FLAG.qos1,
  properties?: PublishProperties,
): number {
  const isAcked = packetId !== 0
  const variable = 2 + topic.length + (isAcked ? 2 : 0) + (properties?.sectionSize ?? 0)
  let next = writeFixedHeader(bytes, at, (PACKET.publish << 4) | flags, variable + payloadSize)
  bytes[next++] = topic.length >> 8
  bytes[next++] = topic.length & 0xff
  bytes.set(topic, next)
  next += topic.length
  if (isAcked) {
    bytes[next++] = packetId >> 8
    bytes[next++] = packetId & 0xff
  }
  return properties === undefined ? next : properties.write(bytes, next)
}

function readUint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}
