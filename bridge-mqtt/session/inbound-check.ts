import { isUtf8 } from 'node:buffer'
import {
  isReasonCode,
  LEVEL,
  PACKET,
  type PublishReader,
  VIOLATIONS,
  type Violation,
} from '../codec/index.ts'
import { ADDED_HEADERS_BYTES_MAX } from '../limits.ts'

/** What is wrong with a message whose packet is right; undefined: nothing. @param headers as NATS gets them */
export function messageViolation(
  packet: PublishReader,
  payload: Uint8Array,
  headers: Uint8Array | Violation,
  payloadBytesMax: number,
  isRetainRefused: boolean,
): Violation | undefined {
  if (payload.length > payloadBytesMax) return VIOLATIONS.payloadTooLarge
  if ('rule' in headers) return headers
  // The headers of a QoS are ours: buffers and links have room for them beside a full payload.
  if (payload.length + headers.length > payloadBytesMax + ADDED_HEADERS_BYTES_MAX) {
    return VIOLATIONS.payloadTooLarge
  }
  if (packet.isRetain && isRetainRefused) return VIOLATIONS.publishRetain
  return packet.isText && !isUtf8(payload) ? VIOLATIONS.payloadFormat : undefined
}

/** A message that is not taken, of a client that may go on: its acknowledgement says why. */
export function isToldByAck({ reason }: Violation, qos: number): boolean {
  return qos > 0 && isReasonCode(PACKET.puback, reason, 'server', LEVEL.v5)
}
