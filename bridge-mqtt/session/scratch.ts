import { AckReader, Frame, PublishReader } from '../codec/index.ts'
import { NO_HEADERS } from '../headers/index.ts'
import type { PublishFacts } from './inbound-publisher.ts'

/**
 * Objects that are filled for one packet and read at once. Packets are handled one after the other
 * to their end, so one of each serves all connections.
 */
export class Scratch {
  readonly frame = new Frame()
  readonly publish = new PublishReader()
  readonly ack = new AckReader()
  readonly publication = {
    subject: NO_HEADERS,
    reply: NO_HEADERS,
    headers: NO_HEADERS,
    payload: NO_HEADERS,
  }
  readonly facts: PublishFacts = {
    qos: 0,
    isRetain: false,
    headers: NO_HEADERS,
    reply: NO_HEADERS,
  }
}
