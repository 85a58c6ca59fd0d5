/** MQTT packets as bytes: frames, the hot packets by hand, the others through `mqtt-packet`. */
export {
  CONNACK,
  encodeConnack,
  encodeSuback,
  encodeUnsuback,
  encodeVersionRefusal,
  SUBACK_FAILURE,
} from './answers.ts'
export {
  type ConnectPacket,
  type ConnectResult,
  decodeConnect,
  type WillMessage,
} from './connect.ts'
export { Frame, type FrameState, PACKET } from './frame.ts'
export { packetLibrary } from './packet-library.ts'
export {
  PINGRESP_BYTES,
  PUBACK_SIZE,
  PublishReader,
  publishHeadSize,
  readPuback,
  writePuback,
  writePublishHead,
} from './publish.ts'
export {
  decodeSubscribe,
  decodeUnsubscribe,
  type RequestedFilter,
  type SubscribePacket,
  type UnsubscribePacket,
} from './subscribe.ts'
export { checkUtf8 } from './utf8.ts'
export { VIOLATIONS, type Violation } from './violation.ts'
