/**
 * MQTT packets as bytes, of MQTT 3.1, 3.1.1 and 5, as both sides send them. The hot ones (PUBLISH and its
 * acknowledgements) are read in place and written into reserved output; the others are objects.
 */
export {
  ACK_SIZE,
  ACK_SIZE_MAX,
  type AckPacket,
  AckReader,
  type AckType,
  encodeAck,
  writeAck,
} from './acks.ts'
export {
  decodeAuth,
  decodeDisconnect,
  encodeAuth,
  encodeDisconnect,
  type ReasonPacket,
} from './closing.ts'
export {
  type ConnackPacket,
  decodeConnack,
  encodeConnack,
  encodeConnackCode,
  encodeVersionRefusal,
} from './connack.ts'
export {
  type ConnectPacket,
  type ConnectResult,
  decodeConnect,
  encodeConnect,
  type WillMessage,
} from './connect.ts'
export { NO_PROPERTIES } from './fields.ts'
export { Frame, type FrameState } from './frame.ts'
export { LEVEL, type Level, type Side } from './level.ts'
export { PACKET } from './packet-types.ts'
export {
  decodeProperties,
  encodeProperties,
  encodeWithin,
  propertySection,
} from './properties.ts'
export { PropertyCursor } from './property-cursor.ts'
export {
  PLACE,
  type Place,
  PROPERTY,
  type Properties,
  type UserProperty,
} from './property-table.ts'
export {
  PINGREQ_BYTES,
  PINGRESP_BYTES,
  PUBLISH_FLAG,
  PublishReader,
  publishHeadSize,
  writePublishHead,
} from './publish.ts'
export { PublishProperties } from './publish-properties.ts'
export { CONNACK, isReasonCode, REASON, SUBACK_FAILURE } from './reason-codes.ts'
export { isShared, parseShared, type SharedFilter } from './shared-filter.ts'
export {
  decodeSuback,
  decodeUnsuback,
  encodeSuback,
  encodeUnsuback,
  type SubackPacket,
} from './suback.ts'
export {
  encodeSubscribe,
  encodeUnsubscribe,
  type RequestedFilter,
  type RequestReader,
  readSubscribe,
  readUnsubscribe,
  type SubscribePacket,
  type UnsubscribePacket,
} from './subscribe.ts'
export { InboundAliases, type OutboundAlias, OutboundAliases } from './topic-aliases.ts'
export { isTopicName } from './topic-name.ts'
export { checkUtf8 } from './utf8.ts'
export { type Answer, answerTo, VIOLATIONS, type Violation } from './violation.ts'
