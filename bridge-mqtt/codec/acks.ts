import { NO_PROPERTIES } from './fields.ts'
import type { Frame } from './frame.ts'
import { LEVEL, type Level, type Side } from './level.ts'
import { PACKET } from './packet-types.ts'
import { PacketWriter } from './packet-writer.ts'
import { decodeProperties, writeProperties } from './properties.ts'
import { PropertyCursor } from './property-cursor.ts'
import { PLACE, type Place, type Properties } from './property-table.ts'
import { assertReasonCode, isReasonCode, REASON } from './reason-codes.ts'
import { VIOLATIONS, type Violation } from './violation.ts'

/** PUBACK, PUBREC, PUBREL and PUBCOMP, which are alike. */
export type AckType =
  | typeof PACKET.puback
  | typeof PACKET.pubrec
  | typeof PACKET.pubrel
  | typeof PACKET.pubcomp

const PLACES: Readonly<Record<AckType, Place>> = {
  [PACKET.puback]: PLACE.puback,
  [PACKET.pubrec]: PLACE.pubrec,
  [PACKET.pubrel]: PLACE.pubrel,
  [PACKET.pubcomp]: PLACE.pubcomp,
}

const BAD_CODES: Readonly<Record<AckType, Violation>> = {
  [PACKET.puback]: VIOLATIONS.pubackCode,
  [PACKET.pubrec]: VIOLATIONS.pubrecCode,
  [PACKET.pubrel]: VIOLATIONS.pubrelCode,
  [PACKET.pubcomp]: VIOLATIONS.pubcompCode,
}

/** An acknowledgement without a reason code, which is every one that says success. */
export const ACK_SIZE = 4
/** One with a reason code and no properties. */
export const ACK_SIZE_MAX = 5
const ID_SIZE = 2

/** Reads acknowledgements in place, one after the other. */
export class AckReader {
  packetId = 0
  reason = 0
  readonly #cursor = new PropertyCursor()
  #bytes: Uint8Array = NOTHING
  /** 0 when there are none. */
  #propertiesAt = 0
  #end = 0
  #place: Place = PLACE.puback

  /** Reads the body of a whole frame of one of the four types. */
  read(bytes: Uint8Array, frame: Frame, level: Level, from: Side): Violation | undefined {
    const { bodyStart, bodyEnd } = frame
    const size = bodyEnd - bodyStart
    if (size < ID_SIZE) return VIOLATIONS.truncated
    this.packetId = ((bytes[bodyStart] ?? 0) << 8) | (bytes[bodyStart + 1] ?? 0)
    this.reason = REASON.success
    this.#propertiesAt = 0
    if (this.packetId === 0) return VIOLATIONS.packetIdZero
    if (size === ID_SIZE) return undefined
    return level === LEVEL.v5 ? this.#readReason(bytes, frame, from) : VIOLATIONS.trailingBytes
  }

  /** Of the packet that was read last, whose bytes must still be there. */
  properties(): Properties {
    if (this.#propertiesAt === 0) return NO_PROPERTIES
    const section = decodeProperties(this.#bytes, this.#propertiesAt, this.#end, this.#place)
    return 'rule' in section ? NO_PROPERTIES : section.properties
  }

  #readReason(bytes: Uint8Array, frame: Frame, from: Side): Violation | undefined {
    const type = frame.type as AckType
    const at = frame.bodyStart + ID_SIZE
    this.#end = frame.bodyEnd
    this.reason = bytes[at] ?? 0
    if (!isReasonCode(type, this.reason, from, LEVEL.v5)) return BAD_CODES[type]
    if (at + 1 === this.#end) return undefined
    this.#bytes = bytes
    this.#propertiesAt = at + 1
    this.#place = PLACES[type]
    if (!this.#cursor.begin(bytes, at + 1, this.#end, this.#place)) return this.#cursor.violation
    const violation = this.#cursor.finish()
    if (violation !== undefined) return violation
    return this.#cursor.sectionEnd < this.#end ? VIOLATIONS.trailingBytes : undefined
  }
}

const NOTHING = new Uint8Array(0)

/** Writes an acknowledgement without properties at `at`; returns the offset behind it. */
export function writeAck(
  bytes: Uint8Array,
  at: number,
  type: AckType,
  packetId: number,
  reason: number,
): number {
  bytes[at] = (type << 4) | flagsOf(type)
  bytes[at + 1] = ID_SIZE
  bytes[at + 2] = packetId >> 8
  bytes[at + 3] = packetId & 0xff
  if (reason === REASON.success) return at + ACK_SIZE
  bytes[at + 1] = ID_SIZE + 1
  assertReasonCode(type, reason, 'server', LEVEL.v5)
  bytes[at + 4] = reason
  return at + ACK_SIZE_MAX
}

export interface AckPacket {
  readonly type: AckType
  readonly packetId: number
  readonly reason: number
  readonly properties: Properties
}

/** An acknowledgement of MQTT 5 that says more than its code. */
export function encodeAck({ type, packetId, reason, properties }: AckPacket): Uint8Array {
  assertReasonCode(type, reason, 'server', LEVEL.v5)
  const writer = new PacketWriter().uint16(packetId)
  const hasProperties = Object.keys(properties).length > 0
  if (reason !== REASON.success || hasProperties) writer.byte(reason)
  if (hasProperties) writeProperties(writer, properties, PLACES[type])
  return writer.packet(type, flagsOf(type))
}

function flagsOf(type: AckType): number {
  return type === PACKET.pubrel ? 2 : 0
}
