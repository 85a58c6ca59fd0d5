import { LEVEL } from './level.ts'
import { PACKET } from './packet-types.ts'
import { isReasonCode, REASON } from './reason-codes.ts'

/**
 * What a peer did against the protocol, with the normative statements that say so. MQTT 3.1.1 knows
 * one answer to all of them: close the connection [MQTT-4.8.0-1]. MQTT 5 lets the peer know by a
 * reason code before [MQTT-4.13.1-1]: a packet that cannot be parsed is malformed, and one that can
 * but holds what is not allowed is a protocol error, unless its own section names another code.
 */
export interface Violation {
  /** The statement's number in MQTT 3.1.1, `MQTT-3.3.1-4`, or the section when no statement has one. */
  readonly rule: string
  /** The same of MQTT 5. */
  readonly rule5: string
  /** MQTT 5's reason code. */
  readonly reason: number
  /** For people: what was sent, in words. */
  readonly text: string
}

/** How a server answers a violation before it closes the connection. */
export type Answer = 'close' | 'connack' | 'disconnect'

/**
 * Where the reason code goes, if the packet that would carry it may: a code that CONNACK has not is not
 * told before the session.
 *
 * @param level 0 as long as no CONNECT has said it: whoever is there may not speak MQTT at all
 * @param isAccepted whether the CONNACK with code 0 has been sent; before it there is no DISCONNECT
 *   of a server [MQTT-3.14.0-1]
 */
export function answerTo({ reason }: Violation, level: number, isAccepted: boolean): Answer {
  if (level !== LEVEL.v5) return 'close'
  const answer = isAccepted ? 'disconnect' : 'connack'
  return isReasonCode(PACKET[answer], reason, 'server', level) ? answer : 'close'
}

function malformed(rule: string, rule5: string, text: string): Violation {
  return { rule, rule5, reason: REASON.malformedPacket, text }
}

function forbidden(rule: string, rule5: string, text: string): Violation {
  return { rule, rule5, reason: REASON.protocolError, text }
}

function refused(rule: string, rule5: string, reason: number, text: string): Violation {
  return { rule, rule5, reason, text }
}

/** Properties are of MQTT 5 only. */
function badProperty(rule5: string, text: string): Violation {
  return forbidden(rule5, rule5, text)
}

const TRUNCATED = 'packet ends inside one of its fields'
const TRAILING = 'packet goes on after its last field'

export const VIOLATIONS = {
  remainingLength: malformed(
    'MQTT-2.2.3',
    'MQTT-2.1.4',
    'remaining length of more than four bytes',
  ),
  remainingLengthPadded: malformed(
    'MQTT-2.2.3',
    'MQTT-1.5.5-1',
    'remaining length is not of the fewest bytes',
  ),
  packetTooLarge: refused(
    'MQTT-4.8.0-1',
    'MQTT-3.2.2-15',
    REASON.packetTooLarge,
    'packet above the size limit',
  ),
  reservedFlags: malformed(
    'MQTT-2.2.2-2',
    'MQTT-2.1.3-1',
    'reserved bits of the fixed header are set',
  ),
  unknownType: malformed('MQTT-2.2.1', 'MQTT-2.1.2', 'packet type is reserved'),
  wrongDirection: forbidden('MQTT-2.2.1', 'MQTT-2.1.2', 'packet type is not for this side'),
  truncated: malformed('MQTT-4.8.0-1', 'MQTT-4.13.1-1', TRUNCATED),
  trailingBytes: malformed('MQTT-4.8.0-1', 'MQTT-4.13.1-1', TRAILING),
  packetIdZero: forbidden('MQTT-2.3.1-1', 'MQTT-2.2.1-3', 'packet identifier 0'),
  requestIdZero: malformed('MQTT-2.3.1-1', 'MQTT-2.2.1-3', 'packet identifier 0'),
  malformedString: malformed('MQTT-1.5.3-1', 'MQTT-1.5.4-1', 'string is not well-formed UTF-8'),
  nulInString: malformed('MQTT-1.5.3-2', 'MQTT-1.5.4-2', 'string holds U+0000'),
  firstPacket: forbidden('MQTT-3.1.0-1', 'MQTT-3.1.0-1', 'first packet is not CONNECT'),
  secondConnect: forbidden('MQTT-3.1.0-2', 'MQTT-3.1.0-2', 'second CONNECT on one connection'),
  protocolName: refused(
    'MQTT-3.1.2-1',
    'MQTT-3.1.2-1',
    REASON.unsupportedProtocolVersion,
    'protocol name is not MQTT',
  ),
  connectReservedFlag: malformed('MQTT-3.1.2-3', 'MQTT-3.1.2-3', 'reserved connect flag is set'),
  willQosWithoutWill: malformed('MQTT-3.1.2-13', 'MQTT-3.1.2-11', 'will QoS without a will'),
  willRetainWithoutWill: malformed('MQTT-3.1.2-15', 'MQTT-3.1.2-13', 'will retain without a will'),
  willQos: malformed('MQTT-3.1.2-14', 'MQTT-3.1.2-12', 'will QoS 3'),
  passwordWithoutUser: malformed('MQTT-3.1.2-22', 'MQTT-3.1.2', 'password without a user name'),
  willTopic: forbidden('MQTT-4.7.1-1', 'MQTT-4.7.0-1', 'will topic is empty or holds a wildcard'),
  sessionPresentFlags: malformed('MQTT-3.2.2', 'MQTT-3.2.2-1', 'reserved CONNACK flags are set'),
  sessionPresentRefused: forbidden(
    'MQTT-3.2.2-4',
    'MQTT-3.2.2-6',
    'session present in a CONNACK that refuses',
  ),
  connackCode: forbidden('MQTT-3.2.2-6', 'MQTT-3.2.2-8', 'CONNACK with a code that it has not'),
  publishQos: malformed('MQTT-3.3.1-4', 'MQTT-3.3.1-4', 'PUBLISH with both QoS bits set'),
  publishDup: malformed('MQTT-3.3.1-2', 'MQTT-3.3.1-2', 'PUBLISH with DUP at QoS 0'),
  topicWildcard: forbidden('MQTT-3.3.2-2', 'MQTT-3.3.2-2', 'topic name holds a wildcard'),
  publishQos2: refused(
    'MQTT-4.3.3',
    'MQTT-3.2.2-11',
    REASON.qosNotSupported,
    'QoS 2 is not served: publish at QoS 1 or 0',
  ),
  publishRetain: refused(
    'MQTT-3.3.1-5',
    'MQTT-3.2.2-14',
    REASON.retainNotSupported,
    'nothing is retained here: publish without RETAIN',
  ),
  payloadFormat: refused(
    'MQTT-3.3.2',
    'MQTT-3.3.2.3.2',
    REASON.payloadFormatInvalid,
    'payload is not the UTF-8 that it is said to be',
  ),
  payloadTooLarge: refused(
    'MQTT-4.8.0-1',
    'MQTT-3.2.2-15',
    REASON.packetTooLarge,
    'payload above max_payload',
  ),
  tooManyUnacked: refused(
    'MQTT-2.3.1-2',
    'MQTT-3.3.4-7',
    REASON.receiveMaximumExceeded,
    'more publishes in flight than packet identifiers',
  ),
  topicTooLong: refused(
    'MQTT-4.8.0-1',
    'MQTT-4.13.1-1',
    REASON.topicNameInvalid,
    'topic is too long for a subject',
  ),
  emptyTopic: forbidden('MQTT-4.7.3-1', 'MQTT-4.7.3-1', 'topic is empty'),
  emptyFilter: malformed('MQTT-4.7.3-1', 'MQTT-4.7.3-1', 'topic filter is empty'),
  emptySubscribe: forbidden('MQTT-3.8.3-3', 'MQTT-3.8.3-2', 'SUBSCRIBE without a topic filter'),
  subscribeQos: forbidden('MQTT-3.8.3-4', 'MQTT-3.8.3', 'requested QoS is 3 or has reserved bits'),
  subscriptionOptions: malformed(
    'MQTT-3.8.3-4',
    'MQTT-3.8.3-5',
    'reserved bits of subscription options are set',
  ),
  retainHandling: badProperty('MQTT-3.8.3', 'retain handling 3'),
  noLocalShared: badProperty('MQTT-3.8.3-4', 'no local on a shared subscription'),
  emptyUnsubscribe: forbidden(
    'MQTT-3.10.3-2',
    'MQTT-3.10.3-2',
    'UNSUBSCRIBE without a topic filter',
  ),
  filterWildcard: malformed(
    'MQTT-4.7.1-2',
    'MQTT-4.7.1-1',
    'topic filter with a misplaced wildcard',
  ),
  filterLevels: malformed('MQTT-4.8.0-1', 'MQTT-4.13.1-1', 'topic filter of too many levels'),
  ackKind: forbidden(
    'MQTT-4.3.3-1',
    'MQTT-4.3.3-2',
    'acknowledgement is not of the kind that the message has',
  ),
  emptySuback: forbidden('MQTT-3.9.3-1', 'MQTT-3.8.4-6', 'SUBACK without a reason code'),
  subackCode: forbidden('MQTT-3.9.3-2', 'MQTT-3.9.3-2', 'SUBACK with a code that it has not'),
  emptyUnsuback: badProperty('MQTT-3.11.3-1', 'UNSUBACK without a reason code'),
  unsubackCode: badProperty('MQTT-3.11.3-2', 'UNSUBACK with a code that it has not'),
  pubackCode: badProperty('MQTT-3.4.2-1', 'PUBACK with a code that it has not'),
  pubrecCode: badProperty('MQTT-3.5.2-1', 'PUBREC with a code that it has not'),
  pubrelCode: badProperty('MQTT-3.6.2-1', 'PUBREL with a code that it has not'),
  pubcompCode: badProperty('MQTT-3.7.2-1', 'PUBCOMP with a code that it has not'),
  disconnectCode: badProperty('MQTT-3.14.2-1', 'DISCONNECT with a code that it has not'),
  sessionExpiryRaised: badProperty(
    'MQTT-3.14.2-2',
    'session expiry of a session that was to end with its connection',
  ),
  beforeConnack: badProperty('MQTT-3.1.2-30', 'packet is neither AUTH nor DISCONNECT'),
  authWithoutMethod: badProperty('MQTT-4.12.0-7', 'AUTH, and CONNECT has named no method'),
  authCode: badProperty('MQTT-3.15.2-1', 'AUTH with a code that it has not'),
  authMethodMissing: badProperty('MQTT-4.12.0-5', 'AUTH without a method'),
  authDataAlone: badProperty('MQTT-3.1.2.11.10', 'authentication data without a method'),
  propertyLength: malformed('MQTT-2.2.2.1', 'MQTT-1.5.5-1', 'integer is longer than it may be'),
  propertyOverrun: malformed('MQTT-2.2.2.1', 'MQTT-2.2.2-1', 'properties end elsewhere than said'),
  propertyUnknown: malformed('MQTT-2.2.2.2', 'MQTT-2.2.2.2', 'property is not one of this packet'),
  propertyTwice: badProperty('MQTT-2.2.2.2', 'property is there twice'),
  propertyValue: badProperty('MQTT-2.2.2.2', 'property has a value that it must not have'),
  stringPair: malformed('MQTT-1.5.7-1', 'MQTT-1.5.7-1', 'user property is not of two good strings'),
  responseTopic: badProperty('MQTT-3.3.2-14', 'response topic is empty or holds a wildcard'),
  subscriptionIdInPublish: badProperty('MQTT-3.3.4-6', 'subscription identifier of a client'),
  sessionExpiryOfServer: badProperty('MQTT-3.14.2-2', 'session expiry in a DISCONNECT of a server'),
  serverReferenceOfClient: badProperty('MQTT-3.14.2.2.5', 'server reference of a client'),
  topicAliasZero: refused(
    'MQTT-3.3.2-8',
    'MQTT-3.3.2-8',
    REASON.topicAliasInvalid,
    'topic alias 0',
  ),
  topicAliasTooHigh: refused(
    'MQTT-3.3.2-9',
    'MQTT-3.3.2-9',
    REASON.topicAliasInvalid,
    'topic alias above the maximum',
  ),
  topicAliasUnknown: badProperty('MQTT-3.3.2.3.4', 'topic alias without a topic, and none before'),
} as const satisfies Readonly<Record<string, Violation>>
