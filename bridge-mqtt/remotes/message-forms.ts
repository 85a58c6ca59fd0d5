/** A message as it is here, and as it is at the broker: header block one way, properties of MQTT 5 the other. */
import {
  encodeProperties,
  NO_PROPERTIES,
  PLACE,
  type PublishProperties,
  type PublishReader,
} from '../codec/index.ts'
import { NO_HEADERS } from '../headers/index.ts'
import { passing, VIA, viaOfHeaders, viaOfProperties } from './via.ts'

export { NO_HEADERS }

const VERSION = 'NATS/1.0\r\n'
/** Nearly all messages come straight from their publisher: one block does for them. */
const plain = new Map<string, Uint8Array>()
const PLAIN_MAX = 64

/** The headers of a PUBLISH of the broker; undefined when it has come through too many brokers already. */
export function inboundHeaders(
  bytes: Uint8Array,
  packet: PublishReader,
  own: string,
): Uint8Array | undefined {
  const before = viaOfProperties(bytes, packet.propertiesStart, packet.payloadStart)
  const key = `${packet.qos} ${own}`
  const known = before === '' ? plain.get(key) : undefined
  if (known !== undefined) return known
  const via = passing(before, own)
  if (via === undefined) return undefined
  const qos = packet.qos === 0 ? '' : `Petiole-Qos: ${packet.qos}\r\n`
  const block = Buffer.from(`${VERSION}${VIA}: ${via}\r\n${qos}\r\n`)
  if (before === '' && plain.size < PLAIN_MAX) plain.set(key, block)
  return block
}

/** Fills the properties of a message that goes to the broker: by whom it has come, this remote in front. */
export function fillOutbound(
  properties: PublishProperties,
  headers: Uint8Array,
  own: string,
): void {
  const via = passing(viaOfHeaders(headers), own)
  const userProperties = via === undefined ? [] : [{ name: VIA, value: via }]
  properties.shared =
    userProperties.length === 0
      ? encodeProperties(NO_PROPERTIES, PLACE.publishOfClient)
      : encodeProperties({ userProperties }, PLACE.publishOfClient)
}
