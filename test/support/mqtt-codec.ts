import {
  AckReader,
  type AckType,
  checkUtf8,
  decodeAuth,
  decodeConnack,
  decodeConnect,
  decodeDisconnect,
  decodeProperties,
  decodeSuback,
  decodeUnsuback,
  Frame,
  isTopicName,
  LEVEL,
  type Level,
  NO_PROPERTIES,
  PACKET,
  PLACE,
  PublishReader,
  type RequestReader,
  readSubscribe,
  readUnsubscribe,
  type Side,
  VIOLATIONS,
  type Violation,
} from '../../bridge-mqtt/codec/index.ts'

/** What the codec makes of bytes: the packet as a plain object, or what is wrong with it. */
export type Verdict =
  | { readonly packet: unknown; readonly end: number }
  | { readonly violation: Violation; readonly level: number }
  | 'partial'

export const SIZE_MAX = 1_000_000

const frame = new Frame()
const publish = new PublishReader()
const ack = new AckReader()

/** Reads the packet at `at` as a connection does: header first, then the body when all of it is there. */
export function readPacket(
  bytes: Uint8Array,
  level: Level,
  from: Side = 'client',
  { at = 0, end = bytes.length, sizeMax = SIZE_MAX } = {},
): Verdict {
  if (at === end) return 'partial'
  const state = frame.read(bytes, at, end)
  const isConnect = frame.type === PACKET.connect
  const wrong = frame.violation(isConnect ? undefined : level, sizeMax)
  if (wrong !== undefined) return { violation: wrong, level: isConnect ? 0 : level }
  if (state === 'malformed') return { violation: VIOLATIONS.remainingLength, level }
  if (state === 'partial') return 'partial'
  const bodyEnd = frame.bodyEnd
  if (isConnect && from === 'client') {
    const result = decodeConnect(bytes, frame)
    if (result.kind === 'violation') return result
    return { packet: result, end: bodyEnd }
  }
  const packet = readBody(bytes, level, from)
  return isViolation(packet) ? { violation: packet, level } : { packet, end: bodyEnd }
}

export function isViolation(packet: object): packet is Violation {
  return 'rule5' in packet
}

function readBody(bytes: Uint8Array, level: Level, from: Side): object {
  const { type } = frame
  switch (type) {
    case PACKET.publish:
      return readPublish(bytes, level, from)
    case PACKET.puback:
    case PACKET.pubrec:
    case PACKET.pubrel:
    case PACKET.pubcomp: {
      const violation = ack.read(bytes, frame, level, from)
      if (violation !== undefined) return violation
      return {
        type: type as AckType,
        packetId: ack.packetId,
        reason: ack.reason,
        properties: ack.properties(),
      }
    }
    case PACKET.disconnect:
      return { ...decodeDisconnect(bytes, frame, level, from) }
    case PACKET.auth:
      return { ...decodeAuth(bytes, frame, from) }
    default:
      return from === 'client' ? readRequest(bytes, level) : readAnswer(bytes, level)
  }
}

function readRequest(bytes: Uint8Array, level: Level): object {
  if (frame.type === PACKET.subscribe) return requestOf(readSubscribe(bytes, frame, level))
  if (frame.type === PACKET.unsubscribe) return requestOf(readUnsubscribe(bytes, frame, level))
  if (frame.type === PACKET.pingreq) return readEmpty()
  return VIOLATIONS.wrongDirection
}

/** In pieces, and each in a copy of what is left, as a long one is read. */
function requestOf<Filter>(reader: RequestReader<Filter>): object {
  while (reader.next()) reader.keep()
  const { packetId, filters, properties } = reader
  return reader.violation ?? { packetId, filters, properties }
}

function readAnswer(bytes: Uint8Array, level: Level): object {
  if (frame.type === PACKET.connack) return decodeConnack(bytes, frame, level)
  if (frame.type === PACKET.suback) return decodeSuback(bytes, frame, level)
  if (frame.type === PACKET.unsuback) return decodeUnsuback(bytes, frame, level)
  if (frame.type === PACKET.pingresp) return readEmpty()
  return VIOLATIONS.wrongDirection
}

function readEmpty(): object {
  return frame.bodyEnd > frame.bodyStart ? VIOLATIONS.trailingBytes : { type: frame.type }
}

function readPublish(bytes: Uint8Array, level: Level, from: Side): object {
  const violation = publish.read(bytes, frame, level, from)
  if (violation !== undefined) return violation
  const { topicStart, topicEnd, payloadStart, payloadEnd } = publish
  const wrong = checkUtf8(bytes, topicStart, topicEnd)
  if (wrong !== undefined) return wrong
  if (topicEnd > topicStart && !isTopicName(bytes, topicStart, topicEnd)) {
    return VIOLATIONS.topicWildcard
  }
  const place = from === 'client' ? PLACE.publishOfClient : PLACE.publishOfServer
  const section =
    level === LEVEL.v5
      ? decodeProperties(bytes, publish.propertiesStart, payloadEnd, place)
      : { properties: NO_PROPERTIES }
  if ('rule' in section) return section
  return {
    topic: Buffer.from(bytes.subarray(topicStart, topicEnd)).toString(),
    payload: Buffer.from(bytes.subarray(payloadStart, payloadEnd)).toString('hex'),
    qos: publish.qos,
    isDup: publish.isDup,
    isRetain: publish.isRetain,
    packetId: publish.packetId,
    topicAlias: publish.topicAlias,
    messageExpiry: publish.messageExpiry,
    properties: section.properties,
  }
}

/** A packet of its first byte and its body in hex, with the length between them. */
export function packetOf(first: string, ...parts: readonly string[]): Buffer {
  const body = Buffer.from(parts.join('').replaceAll(' ', ''), 'hex')
  const length: number[] = []
  let rest = body.length
  do {
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
    rest >>>= 7
  } while (rest > 0)
  return Buffer.concat([Buffer.from(first, 'hex'), Buffer.from(length), body])
}
