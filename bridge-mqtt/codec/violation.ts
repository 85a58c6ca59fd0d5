/**
 * What a peer did against the protocol, with the normative statement of MQTT 3.1.1 that says so.
 * MQTT 3.1.1 knows one answer to most of them: close the connection [MQTT-4.8.0-1].
 */
export interface Violation {
  /** The statement's number, `MQTT-3.3.1-4`, or the section when no statement has one. */
  readonly rule: string
  /** For people: what was sent, in words. */
  readonly text: string
}

function violation(rule: string, text: string): Violation {
  return { rule, text }
}

export const VIOLATIONS = {
  remainingLength: violation('MQTT-2.2.3', 'remaining length of more than four bytes'),
  packetTooLarge: violation('MQTT-4.8.0-1', 'packet above the size limit'),
  reservedFlags: violation('MQTT-2.2.2-2', 'reserved bits of the fixed header are set'),
  unknownType: violation('MQTT-2.2.1', 'packet type is reserved or not for a server'),
  truncated: violation('MQTT-4.8.0-1', 'packet ends inside one of its fields'),
  trailingBytes: violation('MQTT-4.8.0-1', 'packet goes on after its last field'),
  packetIdZero: violation('MQTT-2.3.1-1', 'packet identifier 0'),
  malformedString: violation('MQTT-1.5.3-1', 'string is not well-formed UTF-8'),
  nulInString: violation('MQTT-1.5.3-2', 'string holds U+0000'),
  firstPacket: violation('MQTT-3.1.0-1', 'first packet is not CONNECT'),
  secondConnect: violation('MQTT-3.1.0-2', 'second CONNECT on one connection'),
  protocolName: violation('MQTT-3.1.2-1', 'protocol name is not MQTT'),
  connectReservedFlag: violation('MQTT-3.1.2-3', 'reserved connect flag is set'),
  willFlags: violation('MQTT-3.1.2-11', 'will QoS or will retain without a will'),
  willQos: violation('MQTT-3.1.2-14', 'will QoS 3'),
  passwordWithoutUser: violation('MQTT-3.1.2-22', 'password without a user name'),
  willTopic: violation('MQTT-4.7.1-1', 'will topic is empty or holds a wildcard'),
  publishQos: violation('MQTT-3.3.1-4', 'PUBLISH with both QoS bits set'),
  publishDup: violation('MQTT-3.3.1-2', 'PUBLISH with DUP at QoS 0'),
  topicWildcard: violation('MQTT-3.3.2-2', 'topic name holds a wildcard'),
  publishQos2: violation('MQTT-4.3.3', 'QoS 2 is not served: publish at QoS 1 or 0'),
  payloadTooLarge: violation('MQTT-4.8.0-1', 'payload above max_payload'),
  tooManyUnacked: violation('MQTT-2.3.1-2', 'more publishes in flight than packet identifiers'),
  topicTooLong: violation('MQTT-4.8.0-1', 'topic is too long for a subject'),
  emptyTopic: violation('MQTT-4.7.3-1', 'topic is empty'),
  emptySubscribe: violation('MQTT-3.8.3-3', 'SUBSCRIBE without a topic filter'),
  subscribeQos: violation('MQTT-3.8.3-4', 'requested QoS is 3 or has reserved bits'),
  emptyUnsubscribe: violation('MQTT-3.10.3-2', 'UNSUBSCRIBE without a topic filter'),
} as const
