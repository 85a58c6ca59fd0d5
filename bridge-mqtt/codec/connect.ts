import { FieldWalk, NO_PROPERTIES } from './fields.ts'
import type { Frame } from './frame.ts'
import { LEVEL, type Level } from './level.ts'
import { PACKET } from './packet-types.ts'
import { PacketWriter } from './packet-writer.ts'
import { writeProperties } from './properties.ts'
import { PLACE, type Properties } from './property-table.ts'
import { isTopicName } from './topic-name.ts'
import { VIOLATIONS, type Violation } from './violation.ts'

/** A CONNECT that is well-formed. */
export interface ConnectPacket {
  readonly level: Level
  readonly clientId: string
  /** Clean session, or clean start in MQTT 5. */
  readonly isClean: boolean
  readonly keepAliveSeconds: number
  readonly user: string | undefined
  readonly password: Uint8Array | undefined
  readonly will: WillMessage | undefined
  readonly properties: Properties
  /** A broker of mosquitto that bridges: it says so by a bit of the level. */
  readonly isBridge?: boolean
}

export interface WillMessage {
  readonly topic: Uint8Array
  readonly payload: Uint8Array
  readonly qos: number
  readonly isRetain: boolean
  readonly properties: Properties
  /** The same as they came, behind their length: whoever gets the will has them in their order. */
  readonly section: Uint8Array
}

/**
 * CONNECT was understood, or speaks a version that there is not, or breaks a rule; `level` is
 * 0 when it broke one before it said what it speaks.
 */
export type ConnectResult =
  | { readonly kind: 'connect'; readonly level: Level; readonly packet: ConnectPacket }
  | { readonly kind: 'version'; readonly level: number }
  | { readonly kind: 'violation'; readonly level: Level | 0; readonly violation: Violation }

const FLAG = {
  reserved: 1,
  clean: 2,
  will: 4,
  willQos: 24,
  willRetain: 32,
  password: 64,
  user: 128,
} as const
const WILL_QOS_SHIFT = 3
const NAME = 'MQTT'
const NAME_31 = 'MQIsdp'
/** Of the level, before MQTT 5: mosquitto's `try_private`. What it gets it has not sent, with RETAIN as it was. */
const BRIDGE = 0x80

/**
 * Decodes the body of a whole CONNECT frame. The name and the level are read first, because what
 * follows them depends on both.
 */
export function decodeConnect(bytes: Uint8Array, frame: Frame): ConnectResult {
  const walk = new FieldWalk(bytes, frame.bodyStart, frame.bodyEnd)
  const name = walk.text()
  const byte = walk.byte()
  if (name !== NAME && name !== NAME_31) walk.fail(VIOLATIONS.protocolName)
  if (walk.violation !== undefined) {
    return { kind: 'violation', level: 0, violation: walk.violation }
  }
  const level = levelOf(name, byte)
  if (level === undefined) return { kind: 'version', level: byte }
  const packet = readFields(walk, level)
  const violation = walk.end()
  if (violation !== undefined) return { kind: 'violation', level, violation }
  const isBridge = (byte & BRIDGE) !== 0
  return { kind: 'connect', level, packet: isBridge ? { ...packet, isBridge } : packet }
}

function levelOf(name: string, byte: number): Level | undefined {
  const level = byte & ~BRIDGE
  if (level === LEVEL.v5 && byte !== level) return undefined
  if (name === NAME_31) return level === LEVEL.v31 ? level : undefined
  return level === LEVEL.v311 || level === LEVEL.v5 ? level : undefined
}

function readFields(walk: FieldWalk, level: Level): ConnectPacket {
  const flags = walk.byte()
  checkFlags(flags, level, walk)
  const keepAliveSeconds = walk.uint16()
  const properties = level === LEVEL.v5 ? walk.properties(PLACE.connect) : NO_PROPERTIES
  const { authenticationData, authenticationMethod } = properties
  if (authenticationData !== undefined && authenticationMethod === undefined) {
    walk.fail(VIOLATIONS.authDataAlone)
  }
  return {
    level,
    isClean: (flags & FLAG.clean) !== 0,
    keepAliveSeconds,
    properties,
    clientId: walk.text(),
    will: (flags & FLAG.will) === 0 ? undefined : readWill(walk, flags, level),
    user: (flags & FLAG.user) === 0 ? undefined : walk.text(),
    password: (flags & FLAG.password) === 0 ? undefined : walk.copy(),
  }
}

function readWill(walk: FieldWalk, flags: number, level: Level): WillMessage {
  const { offset } = walk
  const properties = level === LEVEL.v5 ? walk.properties(PLACE.will) : NO_PROPERTIES
  const section = walk.copyFrom(offset)
  const topic = Buffer.from(walk.string() ?? [])
  if (!isTopicName(topic, 0, topic.length)) walk.fail(VIOLATIONS.willTopic)
  return {
    topic,
    payload: walk.copy(),
    qos: (flags & FLAG.willQos) >> WILL_QOS_SHIFT,
    isRetain: (flags & FLAG.willRetain) !== 0,
    properties,
    section,
  }
}

function checkFlags(flags: number, level: Level, walk: FieldWalk): void {
  // MQTT 3.1 does not use that bit, and does not say that it is 0.
  if (level !== LEVEL.v31 && (flags & FLAG.reserved) !== 0) {
    walk.fail(VIOLATIONS.connectReservedFlag)
  }
  if ((flags & FLAG.will) === 0) {
    if ((flags & FLAG.willQos) !== 0) walk.fail(VIOLATIONS.willQosWithoutWill)
    if ((flags & FLAG.willRetain) !== 0) walk.fail(VIOLATIONS.willRetainWithoutWill)
  } else if ((flags & FLAG.willQos) === FLAG.willQos) {
    walk.fail(VIOLATIONS.willQos)
  }
  // MQTT 5 lets a password come alone, for what is no password of a user.
  if (level !== LEVEL.v5 && (flags & FLAG.password) !== 0 && (flags & FLAG.user) === 0) {
    walk.fail(VIOLATIONS.passwordWithoutUser)
  }
}

/** Fields in the order of [MQTT-3.1.3-1]. */
export function encodeConnect(packet: ConnectPacket): Uint8Array {
  const { level, will, user, password } = packet
  const writer = new PacketWriter()
    .string(level === LEVEL.v31 ? NAME_31 : NAME)
    .byte(level)
    .byte(flagsOf(packet))
    .uint16(packet.keepAliveSeconds)
  if (level === LEVEL.v5) writeProperties(writer, packet.properties, PLACE.connect)
  writer.string(packet.clientId)
  if (will !== undefined) {
    if (level === LEVEL.v5) writer.raw(will.section)
    writer.binary(will.topic).binary(will.payload)
  }
  if (user !== undefined) writer.string(user)
  if (password !== undefined) writer.binary(password)
  return writer.packet(PACKET.connect)
}

function flagsOf({ isClean, will, user, password }: ConnectPacket): number {
  return (
    (isClean ? FLAG.clean : 0) |
    (will === undefined ? 0 : FLAG.will | (will.qos << WILL_QOS_SHIFT)) |
    (will?.isRetain === true ? FLAG.willRetain : 0) |
    (user === undefined ? 0 : FLAG.user) |
    (password === undefined ? 0 : FLAG.password)
  )
}
