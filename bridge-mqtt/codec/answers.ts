import { packetLibrary } from './packet-library.ts'

/** CONNACK return codes of MQTT 3.1.1, table 3.1. */
export const CONNACK = {
  accepted: 0,
  unacceptableProtocolVersion: 1,
  identifierRejected: 2,
  serverUnavailable: 3,
  badUserNameOrPassword: 4,
  notAuthorized: 5,
} as const

/** SUBACK return code of a filter that was not granted [MQTT-3.9.3-2]. */
export const SUBACK_FAILURE = 0x80

/** MQTT 5 reason code "Unsupported Protocol Version". */
const UNSUPPORTED_PROTOCOL_VERSION = 0x84
const LEVEL_5 = 5

/** A session present flag comes only with code 0 [MQTT-3.2.2-4]. */
export function encodeConnack(returnCode: number): Uint8Array {
  return packetLibrary().generate({ cmd: 'connack', returnCode, sessionPresent: false })
}

/**
 * The answer to a version that is not served [MQTT-3.1.2-2]. A client of MQTT 5 gets it in its own
 * format, so that it can tell its user or try 3.1.1.
 */
export function encodeVersionRefusal(level: number): Uint8Array {
  if (level !== LEVEL_5) return encodeConnack(CONNACK.unacceptableProtocolVersion)
  return packetLibrary().generate(
    { cmd: 'connack', reasonCode: UNSUPPORTED_PROTOCOL_VERSION, sessionPresent: false },
    { protocolVersion: LEVEL_5 },
  )
}

export function encodeSuback(packetId: number, granted: number[]): Uint8Array {
  return packetLibrary().generate({ cmd: 'suback', messageId: packetId, granted })
}

export function encodeUnsuback(packetId: number): Uint8Array {
  return packetLibrary().generate({ cmd: 'unsuback', messageId: packetId, granted: [] })
}
