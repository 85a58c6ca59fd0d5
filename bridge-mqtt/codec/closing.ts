import { FieldWalk, NO_PROPERTIES } from './fields.ts'
import type { Frame } from './frame.ts'
import { LEVEL, type Level, type Side } from './level.ts'
import { PACKET } from './packet-types.ts'
import { PacketWriter } from './packet-writer.ts'
import { writeProperties } from './properties.ts'
import { PLACE, type Place, type Properties } from './property-table.ts'
import { assertReasonCode, isReasonCode, REASON } from './reason-codes.ts'
import { VIOLATIONS, type Violation } from './violation.ts'

/** DISCONNECT or AUTH: a reason code and properties, and nothing else. */
export interface ReasonPacket {
  readonly reason: number
  readonly properties: Properties
}

const NORMAL: ReasonPacket = { reason: REASON.success, properties: NO_PROPERTIES }

export function decodeDisconnect(
  bytes: Uint8Array,
  frame: Frame,
  level: Level,
  from: Side,
): ReasonPacket | Violation {
  const walk = new FieldWalk(bytes, frame.bodyStart, frame.bodyEnd)
  if (level !== LEVEL.v5) return walk.end() ?? NORMAL
  const packet = readReason(walk, disconnectPlace(from))
  if (!isReasonCode(PACKET.disconnect, packet.reason, from, level)) {
    walk.fail(VIOLATIONS.disconnectCode)
  }
  return walk.end() ?? packet
}

/** AUTH is of MQTT 5 only, and names its method always [MQTT-4.12.0-5]. */
export function decodeAuth(bytes: Uint8Array, frame: Frame, from: Side): ReasonPacket | Violation {
  const walk = new FieldWalk(bytes, frame.bodyStart, frame.bodyEnd)
  const packet = readReason(walk, PLACE.auth)
  if (!isReasonCode(PACKET.auth, packet.reason, from, LEVEL.v5)) walk.fail(VIOLATIONS.authCode)
  if (packet.properties.authenticationMethod === undefined) walk.fail(VIOLATIONS.authMethodMissing)
  return walk.end() ?? packet
}

/** Both may be left out: a reason of 0, and then properties that are none. */
function readReason(walk: FieldWalk, place: Place): ReasonPacket {
  if (walk.isAtEnd) return NORMAL
  const reason = walk.byte()
  return { reason, properties: walk.isAtEnd ? NO_PROPERTIES : walk.properties(place) }
}

/** @param from whose DISCONNECT it is: not all properties are for both */
export function encodeDisconnect(packet: ReasonPacket, level: Level, from: Side): Uint8Array {
  const writer = new PacketWriter()
  if (level === LEVEL.v5) {
    assertReasonCode(PACKET.disconnect, packet.reason, from, level)
    writeReason(writer, packet, disconnectPlace(from))
  }
  return writer.packet(PACKET.disconnect)
}

export function encodeAuth(packet: ReasonPacket, from: Side): Uint8Array {
  assertReasonCode(PACKET.auth, packet.reason, from, LEVEL.v5)
  const writer = new PacketWriter()
  writeReason(writer, packet, PLACE.auth)
  return writer.packet(PACKET.auth)
}

function writeReason(writer: PacketWriter, { reason, properties }: ReasonPacket, place: Place) {
  const hasProperties = Object.keys(properties).length > 0
  if (reason === REASON.success && !hasProperties) return
  writer.byte(reason)
  if (hasProperties) writeProperties(writer, properties, place)
}

function disconnectPlace(from: Side): Place {
  return from === 'client' ? PLACE.disconnectOfClient : PLACE.disconnectOfServer
}
