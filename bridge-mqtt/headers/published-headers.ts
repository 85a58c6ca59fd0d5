/**
 * What a PUBLISH says beside topic and payload, as a NATS header block: for NATS clients to read, and to
 * be the same PUBLISH again at whoever speaks MQTT behind links, buffers and streams. At QoS 0 and
 * without properties there is none, so that plain readings cost nothing.
 *
 *     NATS/1.0
 *     Petiole-Qos: 1                            above QoS 0
 *     Mqtt-Payload-Format: 1                    Mqtt-Message-Expiry: 60, as published
 *     Mqtt-Content-Type: text/plain             Mqtt-Response-Topic: a/b       [escapes.ts]
 *     Mqtt-Correlation-Data: AAE=               base64
 *     unit: C                                   a user property that can be a header as it is
 *     Mqtt-User-Property: Mqtt-Qos=a%0Ab        one that cannot
 */
import {
  PLACE,
  type Place,
  PROPERTY,
  type Properties,
  PropertyCursor,
  propertySection,
  REASON,
  type Violation,
} from '../codec/index.ts'
import { FIELD } from './header-names.ts'
import { HeaderWriter } from './header-writer.ts'
import { USER_PROPERTIES_MAX } from './limits.ts'

export const NO_HEADERS: Uint8Array = new Uint8Array(0)
/** The headers of a publish that has no properties. */
export const QOS1_HEADERS: Uint8Array = Buffer.from(`NATS/1.0\r\n${FIELD.qos}: 1\r\n\r\n`)
export const QOS2_HEADERS: Uint8Array = Buffer.from(`NATS/1.0\r\n${FIELD.qos}: 2\r\n\r\n`)

/** A PUBLISH has more properties than go on with a message. */
export const PROPERTIES_TOO_LARGE: Violation = {
  rule: 'MQTT-3.3.2.3.7',
  rule5: 'MQTT-3.3.2.3.7',
  reason: REASON.quotaExceeded,
  text: `more than ${USER_PROPERTIES_MAX} user properties, or more than 64 KiB of properties`,
}

/** One of each for all: packets are handled one after the other, to their end. */
const cursor = new PropertyCursor()
const writer = new HeaderWriter()

const QOS_LINE = Buffer.from(`\n${FIELD.qos}:`)
const QOS_LINE_OF_NATS_SERVER = Buffer.from(`\n${FIELD.qosOfNatsServer}:`)
const TAB = 9
const SPACE = 32
const ZERO = 48
const QOS_MAX = 2
const DIGIT_AT = QOS1_HEADERS.length - '1\r\n\r\n'.length

/**
 * The headers of a PUBLISH whose properties, with their length, are in bytes [start, end) and have been
 * found good; an empty range before MQTT 5. PROPERTIES_TOO_LARGE when they are beyond their limits.
 *
 * @param place who sent it: of a server, subscription identifiers go no further
 */
export function headersOfPublish(
  qos: number,
  bytes: Uint8Array,
  start: number,
  end: number,
  place: Place = PLACE.publishOfClient,
): Uint8Array | Violation {
  if (end - start <= 1 || bytes[start] === 0) return plainHeaders(qos)
  if (!cursor.begin(bytes, start, end, place)) return plainHeaders(qos)
  let userProperties = 0
  writer.begin()
  if (qos > 0) writer.ascii(FIELD.qos, `${qos}`)
  const { size } = writer
  while (!writer.isFull && cursor.next()) {
    if (cursor.rule?.id === PROPERTY.userProperty && ++userProperties > USER_PROPERTIES_MAX) {
      return PROPERTIES_TOO_LARGE
    }
    writeProperty(bytes)
  }
  if (writer.isFull) return PROPERTIES_TOO_LARGE
  // A topic alias is a property too, and goes no further.
  return writer.size === size ? plainHeaders(qos) : writer.finish()
}

/** The same of properties that are an object. `place` is where they stood. */
export function headersOf(
  qos: number,
  properties: Properties | undefined,
  place: Place = PLACE.will,
): Uint8Array | Violation {
  if (properties === undefined) return plainHeaders(qos)
  const section = propertySection(properties, place)
  return headersOfPublish(qos, section, 0, section.length, place)
}

/** The QoS that a header block tells, 0 when it tells none. */
export function qosOfHeaders(headers: Uint8Array): number {
  if (headers.length === 0) return 0
  const plain = plainQos(headers)
  if (plain > 0) return plain
  const own = qosAfter(headers, QOS_LINE)
  return own < 0 ? Math.max(qosAfter(headers, QOS_LINE_OF_NATS_SERVER), 0) : own
}

/** The QoS of a block that says nothing else, 0 for all others: most that have come over a link are such. */
export function plainQos(headers: Uint8Array): number {
  if (headers === QOS1_HEADERS) return 1
  if (headers === QOS2_HEADERS) return 2
  if (headers.length !== QOS1_HEADERS.length) return 0
  const qos = (headers[DIGIT_AT] ?? 0) - ZERO
  if (qos !== 1 && qos !== 2) return 0
  for (let i = 0; i < headers.length; i++) {
    if (i !== DIGIT_AT && headers[i] !== QOS1_HEADERS[i]) return 0
  }
  return qos
}

export function plainHeaders(qos: number): Uint8Array {
  if (qos === 0) return NO_HEADERS
  return qos === 1 ? QOS1_HEADERS : QOS2_HEADERS
}

/** The QoS in the first line that begins so, -1 when there is no such line or none in it. */
function qosAfter(headers: Uint8Array, line: Buffer): number {
  const found = Buffer.prototype.indexOf.call(headers, line)
  if (found < 0) return -1
  let at = found + line.length
  while (headers[at] === SPACE || headers[at] === TAB) at++
  const qos = (headers[at] ?? 0) - ZERO
  return qos >= 0 && qos <= QOS_MAX ? qos : -1
}

function writeProperty(bytes: Uint8Array): void {
  const { start, end } = cursor
  switch (cursor.rule?.id) {
    case PROPERTY.payloadFormat:
      writer.ascii(FIELD.payloadFormat, `${cursor.number}`)
      break
    case PROPERTY.messageExpiry:
      writer.ascii(FIELD.messageExpiry, `${cursor.number}`)
      break
    case PROPERTY.contentType:
      writer.escaped(FIELD.contentType, bytes, start, end)
      break
    case PROPERTY.responseTopic:
      writer.escaped(FIELD.responseTopic, bytes, start, end)
      break
    case PROPERTY.correlationData:
      writer.ascii(FIELD.correlationData, base64Of(bytes, start, end))
      break
    case PROPERTY.userProperty:
      writer.userProperty(bytes, cursor.nameStart, cursor.nameEnd, start, end)
      break
  }
}

function base64Of(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('base64')
}
