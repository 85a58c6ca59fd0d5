import { invariant } from '../../shared/runtime/index.ts'
import { FieldWalk, NO_PROPERTIES } from './fields.ts'
import type { Frame } from './frame.ts'
import { LEVEL, type Level } from './level.ts'
import { PACKET } from './packet-types.ts'
import { PacketWriter } from './packet-writer.ts'
import { writeProperties } from './properties.ts'
import { PLACE, type Properties } from './property-table.ts'
import { assertReasonCode, CONNACK, isReasonCode } from './reason-codes.ts'
import { VIOLATIONS, type Violation } from './violation.ts'

export interface ConnackPacket {
  /** A return code of MQTT 3.1.1 or a reason code of MQTT 5. */
  readonly code: number
  /** Only with code 0 [MQTT-3.2.2-4]. */
  readonly isSessionPresent: boolean
  readonly properties: Properties
}

const SESSION_PRESENT = 1

export function encodeConnack(packet: ConnackPacket, level: Level): Uint8Array {
  assertReasonCode(PACKET.connack, packet.code, 'server', level)
  invariant(packet.code === 0 || !packet.isSessionPresent, 'session present in a refusal')
  const writer = new PacketWriter().byte(packet.isSessionPresent ? SESSION_PRESENT : 0)
  writer.byte(packet.code)
  if (level === LEVEL.v5) writeProperties(writer, packet.properties, PLACE.connack)
  return writer.packet(PACKET.connack)
}

/** A CONNACK of nothing but its code. */
export function encodeConnackCode(code: number, level: Level): Uint8Array {
  return encodeConnack({ code, isSessionPresent: false, properties: NO_PROPERTIES }, level)
}

/** The answer to a version that is not served, in the format that all know [MQTT-3.1.2-2]. */
export function encodeVersionRefusal(): Uint8Array {
  return encodeConnackCode(CONNACK.unacceptableProtocolVersion, LEVEL.v311)
}

export function decodeConnack(
  bytes: Uint8Array,
  frame: Frame,
  level: Level,
): ConnackPacket | Violation {
  const walk = new FieldWalk(bytes, frame.bodyStart, frame.bodyEnd)
  const flags = walk.byte()
  const code = walk.byte()
  const isSessionPresent = flags === SESSION_PRESENT
  if (flags > SESSION_PRESENT) walk.fail(VIOLATIONS.sessionPresentFlags)
  if (!isReasonCode(PACKET.connack, code, 'server', level)) walk.fail(VIOLATIONS.connackCode)
  if (isSessionPresent && code !== 0) walk.fail(VIOLATIONS.sessionPresentRefused)
  const properties = level === LEVEL.v5 ? walk.properties(PLACE.connack) : NO_PROPERTIES
  return walk.end() ?? { code, isSessionPresent, properties }
}
