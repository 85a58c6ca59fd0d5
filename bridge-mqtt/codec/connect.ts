import type { IConnectPacket } from 'mqtt-packet'
import { FieldWalk } from './fields.ts'
import type { Frame } from './frame.ts'
import { packetLibrary } from './packet-library.ts'
import { VIOLATIONS, type Violation } from './violation.ts'

/** A CONNECT that is well-formed, in the versions that are served. */
export interface ConnectPacket {
  /** 3 is MQTT 3.1, 4 is 3.1.1. */
  readonly level: 3 | 4
  readonly clientId: string
  readonly isClean: boolean
  readonly keepAliveSeconds: number
  readonly user: string | undefined
  readonly password: string | undefined
  readonly will: WillMessage | undefined
}

export interface WillMessage {
  readonly topic: Uint8Array
  readonly payload: Uint8Array
  readonly qos: number
  readonly isRetain: boolean
}

/** CONNECT was understood, or speaks a version that is not served, or breaks a rule. */
export type ConnectResult =
  | { readonly kind: 'connect'; readonly packet: ConnectPacket }
  | { readonly kind: 'version'; readonly level: number }
  | { readonly kind: 'violation'; readonly violation: Violation }

const LEVEL_31 = 3
const LEVEL_311 = 4
const FLAG = { reserved: 1, will: 4, willQos: 24, willRetain: 32, password: 64, user: 128 } as const
const WILDCARD = /[+#]/

/**
 * Decodes the body of a whole CONNECT frame. The name and the level are read first, because what
 * follows them depends on both; then every field is checked as bytes, and only what passed is left
 * to `mqtt-packet`, which would let bad UTF-8 and trailing bytes through.
 */
export function decodeConnect(bytes: Uint8Array, frame: Frame): ConnectResult {
  const walk = new FieldWalk(bytes, frame.bodyStart, frame.bodyEnd)
  const nameBytes = walk.string()
  const level = walk.byte()
  if (nameBytes === undefined || walk.violation !== undefined) return refused(walk)
  const name = Buffer.from(nameBytes).toString()
  if (name !== 'MQTT' && name !== 'MQIsdp') walk.fail(VIOLATIONS.protocolName)
  if (walk.violation !== undefined) return refused(walk)
  if (level !== (name === 'MQTT' ? LEVEL_311 : LEVEL_31)) return { kind: 'version', level }
  checkFields(walk)
  if (walk.end() !== undefined) return refused(walk)
  const decoded = decode(Buffer.from(bytes.subarray(frame.start, frame.bodyEnd)))
  return decoded === undefined
    ? { kind: 'violation', violation: VIOLATIONS.truncated }
    : { kind: 'connect', packet: toConnect(decoded, level === LEVEL_31 ? 3 : 4) }
}

function checkFields(walk: FieldWalk): void {
  const flags = walk.byte()
  checkFlags(flags, walk)
  walk.uint16()
  walk.string()
  if ((flags & FLAG.will) !== 0) {
    const topic = walk.string()
    if (topic !== undefined && !isTopicName(topic)) walk.fail(VIOLATIONS.willTopic)
    walk.binary()
  }
  if ((flags & FLAG.user) !== 0) walk.string()
  if ((flags & FLAG.password) !== 0) walk.binary()
}

function checkFlags(flags: number, walk: FieldWalk): void {
  if ((flags & FLAG.reserved) !== 0) walk.fail(VIOLATIONS.connectReservedFlag)
  if ((flags & FLAG.will) === 0) {
    if ((flags & (FLAG.willQos | FLAG.willRetain)) !== 0) walk.fail(VIOLATIONS.willFlags)
  } else if ((flags & FLAG.willQos) === FLAG.willQos) {
    walk.fail(VIOLATIONS.willQos)
  }
  if ((flags & FLAG.password) !== 0 && (flags & FLAG.user) === 0) {
    walk.fail(VIOLATIONS.passwordWithoutUser)
  }
}

function isTopicName(topic: Uint8Array): boolean {
  return topic.length > 0 && !WILDCARD.test(Buffer.from(topic).toString('latin1'))
}

function decode(packet: Buffer): IConnectPacket | undefined {
  let connect: IConnectPacket | undefined
  const decoder = packetLibrary().parser()
  decoder.on('packet', (decoded) => {
    if (decoded.cmd === 'connect') connect = decoded
  })
  decoder.on('error', () => {})
  decoder.parse(packet)
  return connect
}

function toConnect(packet: IConnectPacket, level: 3 | 4): ConnectPacket {
  const will = packet.will
  return {
    level,
    clientId: packet.clientId,
    isClean: packet.clean === true,
    keepAliveSeconds: packet.keepalive ?? 0,
    user: packet.username,
    password: packet.password?.toString(),
    will:
      will === undefined
        ? undefined
        : {
            topic: Buffer.from(will.topic),
            payload: Buffer.from(will.payload),
            qos: will.qos ?? 0,
            isRetain: will.retain === true,
          },
  }
}

function refused(walk: FieldWalk): ConnectResult {
  return { kind: 'violation', violation: walk.violation ?? VIOLATIONS.truncated }
}
