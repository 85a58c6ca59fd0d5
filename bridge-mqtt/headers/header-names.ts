/**
 * The header fields that stand for what a PUBLISH says beside topic and payload. Those of Petiole are
 * the server's own; `Mqtt-` ones are properties of MQTT 5, and any NATS client may set and read them.
 *
 * It is `Petiole-Qos` and not nats-server's `Nmqtt-Pub`: that one would make the MQTT subscribers of a
 * nats-server at the other end of a link skip the message, because they expect it from a stream of
 * theirs. Theirs is understood on the way in.
 */
export const FIELD = {
  qos: 'Petiole-Qos',
  qosOfNatsServer: 'Nmqtt-Pub',
  retain: 'Petiole-Retain',
  from: 'Petiole-From',
  group: 'Petiole-Group',
  payloadFormat: 'Mqtt-Payload-Format',
  messageExpiry: 'Mqtt-Message-Expiry',
  contentType: 'Mqtt-Content-Type',
  responseTopic: 'Mqtt-Response-Topic',
  correlationData: 'Mqtt-Correlation-Data',
  userProperty: 'Mqtt-User-Property',
} as const

export type Field = (typeof FIELD)[keyof typeof FIELD]

interface KnownName {
  readonly name: Field
  readonly bytes: Uint8Array
}

const KNOWN: readonly KnownName[] = Object.values(FIELD).map((name) => ({
  name,
  bytes: Buffer.from(name),
}))

/**
 * Names that a user property must not have as a header, or a device could say what only a server says.
 * Another `Nats-` name means what it means from a NATS client, who may send it as well.
 */
const RESERVED = ['Petiole-', 'Mqtt-', 'Nmqtt-', 'Nats-Trace-Dest'].map((text) => Buffer.from(text))

const COLON = 0x3a
const SPACE = 0x20
const DELETE = 0x7f
const CR = 13
const LF = 10

export function isReservedName(bytes: Uint8Array, start: number, end: number): boolean {
  for (const prefix of RESERVED) {
    if (end - start >= prefix.length && isAt(prefix, bytes, start)) return true
  }
  return false
}

/** The field of one of the names above, undefined for any other. */
export function knownField(bytes: Uint8Array, start: number, end: number): Field | undefined {
  for (const known of KNOWN) {
    if (known.bytes.length === end - start && isAt(known.bytes, bytes, start)) return known.name
  }
  return undefined
}

/** Whether a user property's name may be a header's: printable ASCII without a colon [ADR-4]. */
export function isHeaderName(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0
    if (byte <= SPACE || byte >= DELETE || byte === COLON) return false
  }
  return end > start && !isReservedName(bytes, start, end)
}

/** Whether a value is the same to all who read it as a header's: one line, and no blanks to be cut off. */
export function isHeaderValue(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end) return true
  if ((bytes[start] ?? 0) <= SPACE || (bytes[end - 1] ?? 0) <= SPACE) return false
  for (let at = start; at < end; at++) {
    const byte = bytes[at]
    if (byte === CR || byte === LF) return false
  }
  return true
}

function isAt(text: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false
  return true
}
