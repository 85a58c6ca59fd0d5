import { invariant } from '../../shared/runtime/index.ts'
import { LEVEL, type Level, type Side } from './level.ts'
import { PACKET } from './packet-types.ts'

/** Reason codes of MQTT 5, table 2-6. From 0x80 on they are failures. */
export const REASON = {
  success: 0x00,
  grantedQos1: 0x01,
  grantedQos2: 0x02,
  disconnectWithWill: 0x04,
  noMatchingSubscribers: 0x10,
  noSubscriptionExisted: 0x11,
  continueAuthentication: 0x18,
  reAuthenticate: 0x19,
  unspecified: 0x80,
  malformedPacket: 0x81,
  protocolError: 0x82,
  implementationSpecific: 0x83,
  unsupportedProtocolVersion: 0x84,
  clientIdentifierNotValid: 0x85,
  badUserNameOrPassword: 0x86,
  notAuthorized: 0x87,
  serverUnavailable: 0x88,
  serverBusy: 0x89,
  banned: 0x8a,
  serverShuttingDown: 0x8b,
  badAuthenticationMethod: 0x8c,
  keepAliveTimeout: 0x8d,
  sessionTakenOver: 0x8e,
  topicFilterInvalid: 0x8f,
  topicNameInvalid: 0x90,
  packetIdentifierInUse: 0x91,
  packetIdentifierNotFound: 0x92,
  receiveMaximumExceeded: 0x93,
  topicAliasInvalid: 0x94,
  packetTooLarge: 0x95,
  messageRateTooHigh: 0x96,
  quotaExceeded: 0x97,
  administrativeAction: 0x98,
  payloadFormatInvalid: 0x99,
  retainNotSupported: 0x9a,
  qosNotSupported: 0x9b,
  useAnotherServer: 0x9c,
  serverMoved: 0x9d,
  sharedSubscriptionsNotSupported: 0x9e,
  connectionRateExceeded: 0x9f,
  maximumConnectTime: 0xa0,
  subscriptionIdentifiersNotSupported: 0xa1,
  wildcardSubscriptionsNotSupported: 0xa2,
} as const

/** CONNACK return codes of MQTT 3.1.1, table 3.1. */
export const CONNACK = {
  accepted: 0,
  unacceptableProtocolVersion: 1,
  identifierRejected: 2,
  serverUnavailable: 3,
  badUserNameOrPassword: 4,
  notAuthorized: 5,
} as const

/** SUBACK return code of a filter that was not granted, in MQTT 3.1.1 [MQTT-3.9.3-2]. */
export const SUBACK_FAILURE = 0x80

/**
 * Of both sides: no client has a reason to say 0x10, which table 3-4 leaves to servers, but it is one of the codes
 * [MQTT-3.4.2-1] and a success. There are clients that answer as they are answered, and mosquitto takes it.
 */
const ACK = new Set([0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])
const RELEASE = new Set([0x00, 0x92])
const EITHER_DISCONNECT = [
  0x00, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
]

interface Codes {
  readonly client: ReadonlySet<number>
  readonly server: ReadonlySet<number>
}

const NONE: ReadonlySet<number> = new Set()

/** Which of them a packet of MQTT 5 may carry, by who sends it: the table of each packet's section. */
const CODES_5: Readonly<Record<number, Codes>> = {
  [PACKET.connack]: {
    client: NONE,
    server: new Set([
      0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95,
      0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
    ]),
  },
  [PACKET.puback]: { client: ACK, server: ACK },
  [PACKET.pubrec]: { client: ACK, server: ACK },
  [PACKET.pubrel]: { client: RELEASE, server: RELEASE },
  [PACKET.pubcomp]: { client: RELEASE, server: RELEASE },
  [PACKET.suback]: {
    client: NONE,
    server: new Set([0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2]),
  },
  [PACKET.unsuback]: {
    client: NONE,
    server: new Set([0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91]),
  },
  [PACKET.disconnect]: {
    client: new Set([...EITHER_DISCONNECT, 0x04]),
    server: new Set([
      ...EITHER_DISCONNECT,
      ...[0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2],
    ]),
  },
  [PACKET.auth]: { client: new Set([0x18, 0x19]), server: new Set([0x00, 0x18]) },
}

const CODES_3: Readonly<Record<number, ReadonlySet<number>>> = {
  [PACKET.connack]: new Set(Object.values(CONNACK)),
  [PACKET.suback]: new Set([0, 1, 2, SUBACK_FAILURE]),
}

/** Whether a packet of that type, sent by that side, may carry the code. */
export function isReasonCode(type: number, code: number, from: Side, level: Level): boolean {
  if (level === LEVEL.v5) return CODES_5[type]?.[from].has(code) === true
  return CODES_3[type]?.has(code) === true
}

/** For whoever writes a packet: a code that it must not carry is a mistake of ours. */
export function assertReasonCode(type: number, code: number, from: Side, level: Level): void {
  invariant(isReasonCode(type, code, from, level), `no code ${code} in packets of type ${type}`)
}
