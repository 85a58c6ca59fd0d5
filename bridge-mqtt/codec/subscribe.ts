import type { Packet } from 'mqtt-packet'
import { FieldWalk } from './fields.ts'
import type { Frame } from './frame.ts'
import { packetLibrary } from './packet-library.ts'
import { VIOLATIONS, type Violation } from './violation.ts'

export interface SubscribePacket {
  readonly packetId: number
  readonly filters: readonly RequestedFilter[]
}

export interface RequestedFilter {
  readonly filter: string
  readonly qos: number
}

export interface UnsubscribePacket {
  readonly packetId: number
  readonly filters: readonly string[]
}

const QOS_MAX = 2
/** The decoder has to be told a version; both are the same to SUBSCRIBE. */
const DECODER_OPTIONS = { protocolVersion: 4 } as const

/** Decodes a whole SUBSCRIBE. Whether a filter's wildcards are well placed is not asked here. */
export function decodeSubscribe(bytes: Uint8Array, frame: Frame): SubscribePacket | Violation {
  const walk = new FieldWalk(bytes, frame.bodyStart, frame.bodyEnd)
  walk.packetId()
  if (walk.isAtEnd) walk.fail(VIOLATIONS.emptySubscribe)
  while (!walk.isAtEnd) {
    checkFilter(walk)
    if (walk.byte() > QOS_MAX) walk.fail(VIOLATIONS.subscribeQos)
  }
  const violation = walk.end()
  if (violation !== undefined) return violation
  const packet = decode(bytes, frame)
  if (packet?.cmd !== 'subscribe') return VIOLATIONS.truncated
  return {
    packetId: packet.messageId ?? 0,
    filters: packet.subscriptions.map(({ topic, qos }) => ({ filter: topic, qos })),
  }
}

/** Decodes a whole UNSUBSCRIBE. */
export function decodeUnsubscribe(bytes: Uint8Array, frame: Frame): UnsubscribePacket | Violation {
  const walk = new FieldWalk(bytes, frame.bodyStart, frame.bodyEnd)
  walk.packetId()
  if (walk.isAtEnd) walk.fail(VIOLATIONS.emptyUnsubscribe)
  while (!walk.isAtEnd) checkFilter(walk)
  const violation = walk.end()
  if (violation !== undefined) return violation
  const packet = decode(bytes, frame)
  if (packet?.cmd !== 'unsubscribe') return VIOLATIONS.truncated
  return { packetId: packet.messageId ?? 0, filters: packet.unsubscriptions }
}

function checkFilter(walk: FieldWalk): void {
  if (walk.string()?.length === 0) walk.fail(VIOLATIONS.emptyTopic)
}

function decode(bytes: Uint8Array, frame: Frame): Packet | undefined {
  let packet: Packet | undefined
  const decoder = packetLibrary().parser(DECODER_OPTIONS)
  decoder.on('packet', (decoded) => {
    packet = decoded
  })
  decoder.on('error', () => {})
  decoder.parse(Buffer.from(bytes.subarray(frame.start, frame.bodyEnd)))
  return packet
}
