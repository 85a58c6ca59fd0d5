import {
  type ConnectPacket,
  LEVEL,
  type Level,
  NO_PROPERTIES,
  type Properties,
} from '../codec/index.ts'
import { type MqttLimits, RECENT_TERMS_MAX } from '../limits.ts'

/**
 * What client and server hold each other to while a connection lasts: CONNECT says the one half, CONNACK
 * the other. A reload changes what later connections are told, and nothing here.
 */
export interface Terms {
  readonly level: Level
  /** PUBLISH packets of QoS 1 and 2 that the client takes at a time [MQTT-3.3.4-9]. */
  readonly receiveMaximum: number
  /** The longest packet that the client takes [MQTT-3.1.2-24]; Infinity when it says nothing. */
  readonly packetBytesMax: number
  /** Topic aliases that the client takes [MQTT-3.1.2-26]. */
  readonly topicAliasMaximum: number
  /**
   * It has asked for reason strings. They may go to who has said nothing too, but a device that does not
   * ask is spared the bytes.
   */
  readonly wantsReasons: boolean
  /** Failures are not explained to the client, neither by a code of their own nor in words. */
  readonly hidesReasons: boolean
  /** PUBLISH packets of QoS 1 and 2 that the server takes at a time [MQTT-3.3.4-7]. */
  readonly inboundUnackedMax: number
  /** Topic aliases that the server takes [MQTT-3.2.2-17]. */
  readonly inboundAliasMax: number
  /** The longest packet that the server takes [MQTT-3.2.2-15]. */
  readonly inboundPacketBytesMax: number
  readonly inboundQosMax: number
  readonly keepAliveSeconds: number
  /** Whether the keep alive is the server's word [MQTT-3.2.2-21]. */
  readonly isKeepAliveOurs: boolean
  /** How long the session is wanted after the connection; `SESSION_NEVER_EXPIRES` has no end. */
  readonly sessionExpirySeconds: number
  /** CONNECT asks for a session that ends with the connection. */
  readonly asksNoExpiry: boolean
}

/** Session Expiry Interval of a session that does not expire (MQTT 5, 3.1.2.11.2). */
export const SESSION_NEVER_EXPIRES = 0xffff_ffff

/** No packet is much longer (MQTT 5, 2.1.4): who is allowed so much is told of no limit. */
const PACKET_BYTES_UNLIMITED = 256 * 1024 * 1024
const RECEIVE_MAXIMUM_DEFAULT = 65_535

/** @param limits what the server offers at the moment, as `inboundPacketBytesMax` */
export function termsOf(
  packet: ConnectPacket,
  limits: MqttLimits,
  inboundPacketBytesMax: number,
): Terms {
  const { level, properties } = packet
  const keepAliveSeconds = keepAliveOf(packet.keepAliveSeconds, limits.keepAliveMaxMs)
  return shared({
    level,
    receiveMaximum: properties.receiveMaximum ?? RECEIVE_MAXIMUM_DEFAULT,
    packetBytesMax: properties.maximumPacketSize ?? Number.POSITIVE_INFINITY,
    topicAliasMaximum: properties.topicAliasMaximum ?? 0,
    wantsReasons: limits.revealsReasons && properties.requestsProblems === 1,
    hidesReasons: !limits.revealsReasons,
    inboundUnackedMax: limits.inboundUnackedMax,
    inboundAliasMax: level === LEVEL.v5 ? limits.topicAliasMax : 0,
    inboundPacketBytesMax,
    inboundQosMax: limits.publishQosMax,
    keepAliveSeconds,
    isKeepAliveOurs: keepAliveSeconds !== packet.keepAliveSeconds,
    asksNoExpiry: wantedExpiry(packet) === 0,
    sessionExpirySeconds: Math.min(wantedExpiry(packet), expiryBound(limits.sessionExpiryMaxMs)),
  })
}

/** Those agreed on last, of each kind once: the devices of a fleet mostly say the same, and share them then. */
const recent: Terms[] = []

function shared(terms: Terms): Terms {
  const names = Object.keys(terms) as (keyof Terms)[]
  const known = recent.find((it) => names.every((name) => it[name] === terms[name]))
  if (known !== undefined) return known
  recent.push(terms)
  if (recent.length > RECENT_TERMS_MAX) recent.shift()
  return terms
}

/**
 * What a client is told of the terms: what differs from what it would take for granted.
 * @param sessionExpirySeconds as granted
 */
export function connackProperties(
  terms: Terms,
  packet: ConnectPacket,
  limits: MqttLimits,
  sessionExpirySeconds: number,
): Properties {
  if (terms.level !== LEVEL.v5) return NO_PROPERTIES
  const asked = packet.properties.sessionExpirySeconds ?? 0
  const { inboundUnackedMax, inboundAliasMax, inboundPacketBytesMax, keepAliveSeconds } = terms
  return {
    ...(sessionExpirySeconds === asked ? {} : { sessionExpirySeconds }),
    ...(inboundUnackedMax === RECEIVE_MAXIMUM_DEFAULT ? {} : { receiveMaximum: inboundUnackedMax }),
    ...(terms.inboundQosMax < 2 ? { maximumQos: terms.inboundQosMax } : {}),
    ...(limits.retainedMax === 0 ? { retainAvailable: 0 } : {}),
    ...(inboundPacketBytesMax >= PACKET_BYTES_UNLIMITED
      ? {}
      : { maximumPacketSize: inboundPacketBytesMax }),
    ...(inboundAliasMax === 0 ? {} : { topicAliasMaximum: inboundAliasMax }),
    ...(terms.isKeepAliveOurs ? { serverKeepAliveSeconds: keepAliveSeconds } : {}),
  }
}

/** Before MQTT 5 a session that is not clean has no end [MQTT-3.1.2-4]. */
function wantedExpiry({ level, isClean, properties }: ConnectPacket): number {
  if (level === LEVEL.v5) return properties.sessionExpirySeconds ?? 0
  return isClean ? 0 : SESSION_NEVER_EXPIRES
}

/** @param maxMs 0: no bound */
function expiryBound(maxMs: number): number {
  return maxMs === 0 ? SESSION_NEVER_EXPIRES : Math.ceil(maxMs / 1_000)
}

/** The client's, or the server's when that is shorter: 0 is longer than all. */
function keepAliveOf(askedSeconds: number, maxMs: number): number {
  const maxSeconds = Math.floor(maxMs / 1_000)
  if (maxSeconds === 0) return askedSeconds
  return askedSeconds === 0 ? maxSeconds : Math.min(askedSeconds, maxSeconds)
}
