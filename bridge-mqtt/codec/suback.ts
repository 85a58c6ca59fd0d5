import { FieldWalk, NO_PROPERTIES } from './fields.ts'
import type { Frame } from './frame.ts'
import { LEVEL, type Level } from './level.ts'
import { PACKET } from './packet-types.ts'
import { PacketWriter } from './packet-writer.ts'
import { writeProperties } from './properties.ts'
import { PLACE, type Properties } from './property-table.ts'
import { assertReasonCode, isReasonCode } from './reason-codes.ts'
import { VIOLATIONS, type Violation } from './violation.ts'

/** SUBACK or UNSUBACK, with a code for each filter in their order [MQTT-3.9.3-1]. */
export interface SubackPacket {
  readonly packetId: number
  /** None in an UNSUBACK before MQTT 5. */
  readonly codes: readonly number[]
  readonly properties: Properties
}

export function encodeSuback(packet: SubackPacket, level: Level): Uint8Array {
  for (const code of packet.codes) assertReasonCode(PACKET.suback, code, 'server', level)
  const writer = new PacketWriter().uint16(packet.packetId)
  if (level === LEVEL.v5) writeProperties(writer, packet.properties, PLACE.suback)
  return writer.raw(Uint8Array.from(packet.codes)).packet(PACKET.suback)
}

export function encodeUnsuback(packet: SubackPacket, level: Level): Uint8Array {
  const writer = new PacketWriter().uint16(packet.packetId)
  if (level === LEVEL.v5) {
    for (const code of packet.codes) assertReasonCode(PACKET.unsuback, code, 'server', level)
    writeProperties(writer, packet.properties, PLACE.unsuback)
    writer.raw(Uint8Array.from(packet.codes))
  }
  return writer.packet(PACKET.unsuback)
}

export function decodeSuback(
  bytes: Uint8Array,
  frame: Frame,
  level: Level,
): SubackPacket | Violation {
  const walk = new FieldWalk(bytes, frame.bodyStart, frame.bodyEnd)
  const packetId = walk.packetId()
  const properties = level === LEVEL.v5 ? walk.properties(PLACE.suback) : NO_PROPERTIES
  const codes = codesOf(walk, PACKET.suback, level)
  return walk.end() ?? { packetId, codes, properties }
}

export function decodeUnsuback(
  bytes: Uint8Array,
  frame: Frame,
  level: Level,
): SubackPacket | Violation {
  const walk = new FieldWalk(bytes, frame.bodyStart, frame.bodyEnd)
  const packetId = walk.packetId()
  if (level !== LEVEL.v5) return walk.end() ?? { packetId, codes: [], properties: NO_PROPERTIES }
  const properties = walk.properties(PLACE.unsuback)
  const codes = codesOf(walk, PACKET.unsuback, level)
  return walk.end() ?? { packetId, codes, properties }
}

/** All that is left; at least one. */
function codesOf(walk: FieldWalk, type: keyof typeof BROKEN, level: Level): number[] {
  const broken = BROKEN[type]
  if (walk.isAtEnd) walk.fail(broken.empty)
  const codes: number[] = []
  while (!walk.isAtEnd) {
    const code = walk.byte()
    if (!isReasonCode(type, code, 'server', level)) walk.fail(broken.code)
    codes.push(code)
  }
  return codes
}

const BROKEN = {
  [PACKET.suback]: { empty: VIOLATIONS.emptySuback, code: VIOLATIONS.subackCode },
  [PACKET.unsuback]: { empty: VIOLATIONS.emptyUnsuback, code: VIOLATIONS.unsubackCode },
} as const
