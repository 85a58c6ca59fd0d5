import type { Channel } from '../../shared/transport/index.ts'
import {
  type AckType,
  type ConnackPacket,
  encodeAck,
  encodeAuth,
  encodeConnack,
  encodeDisconnect,
  encodeWithin,
  LEVEL,
  NO_PROPERTIES,
  type Properties,
  REASON,
} from '../codec/index.ts'
import { ackSize, sendAck } from '../sent-packets.ts'
import type { Ending } from './connection-ending.ts'
import type { Terms } from './connection-terms.ts'

/**
 * What one client is answered: in its version, with reason strings if it has asked for them, and no longer
 * than it takes [MQTT-3.1.2-24]. What does not fit is not sent.
 */
export class Answers {
  readonly #channel: Channel
  readonly #terms: Terms

  constructor(channel: Channel, terms: Terms) {
    this.#channel = channel
    this.#terms = terms
  }

  /** False when there is none that is short enough. */
  connack(packet: ConnackPacket): boolean {
    return this.#send(packet, (it) => encodeConnack(it, this.#terms.level))
  }

  /**
   * @param reason of MQTT 5; before, all acknowledgements say success
   * @param text for people
   */
  ack(type: AckType, packetId: number, reason: number = REASON.success, text = ''): void {
    const { level, wantsReasons, packetBytesMax } = this.#terms
    const code = level === LEVEL.v5 ? reason : REASON.success
    if (text !== '' && wantsReasons && code !== REASON.success) {
      const properties = { reasonString: text }
      this.#send({ type, packetId, reason: code, properties }, encodeAck)
      return
    }
    if (ackSize(code) <= packetBytesMax) sendAck(this.#channel, type, packetId, code)
  }

  auth(reason: number, properties: Properties): void {
    this.#send({ reason, properties }, (it) => encodeAuth(it, 'server'))
  }

  /** Of MQTT 5 only: before it a server has no such packet [MQTT-3.14.0-1]. */
  disconnect({ reason, text, serverReference }: Ending): void {
    if (this.#terms.level !== LEVEL.v5) return
    const reference = serverReference === undefined ? NO_PROPERTIES : { serverReference }
    const properties = { ...reference, reasonString: text }
    this.#send({ reason, properties }, (it) => encodeDisconnect(it, LEVEL.v5, 'server'))
  }

  #send<Packet extends { readonly properties: Properties }>(
    packet: Packet,
    encode: (packet: Packet) => Uint8Array,
  ): boolean {
    const { packetBytesMax, wantsReasons } = this.#terms
    const { reasonString: _, ...bare } = packet.properties
    const said = wantsReasons ? packet : { ...packet, properties: bare }
    const bytes = encodeWithin(packetBytesMax, said, encode)
    if (bytes !== undefined) this.#channel.write(bytes)
    return bytes !== undefined
  }
}
