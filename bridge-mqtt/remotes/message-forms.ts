/** A message as it is here, and as it is at the broker: a header block one way, properties of MQTT 5 the other. */
import {
  decodeProperties,
  encodeProperties,
  PLACE,
  type PublishProperties,
  type PublishReader,
} from '../codec/index.ts'
import { headersOf, headersOfPublish, MessageFacts, NO_HEADERS } from '../headers/index.ts'
import { passing, VIA, viaOfHeaders, viaOfProperties } from './via.ts'

export { NO_HEADERS }

const VERSION = 'NATS/1.0\r\n'
const LINE_END = '\r\n'
const SECOND_MS = 1_000

/** What a remote makes of the messages that its broker sends. */
export class InboundForm {
  /** Nearly all messages say nothing beside topic and payload: one block per QoS does for them. */
  readonly #plain: readonly Uint8Array[]
  readonly #own: string

  /** @param own the remote's name among those that a message has come through */
  constructor(own: string) {
    this.#own = own
    this.#plain = [0, 1].map((qos) => withVia(headersOf(qos, undefined), own))
  }

  /**
   * The headers of a PUBLISH whose properties have been found good; undefined when they say more than goes on
   * with a message, or name more brokers than one may have come through.
   */
  headers(bytes: Uint8Array, packet: PublishReader): Uint8Array | undefined {
    const { qos, propertiesStart: start, payloadStart: end } = packet
    if (end - start <= 1) return this.#plain[qos]
    const before = viaOfProperties(bytes, start, end)
    const via = passing(before, this.#own)
    if (via === undefined) return undefined
    const block =
      before === ''
        ? headersOfPublish(qos, bytes, start, end, PLACE.publishOfServer)
        : headersWithoutVia(qos, bytes, start, end)
    return 'rule' in block ? undefined : withVia(block, via)
  }
}

/** As a user property it would come back at the next broker, beside what is said of that one. */
function headersWithoutVia(qos: number, bytes: Uint8Array, start: number, end: number) {
  const section = decodeProperties(bytes, start, end, PLACE.publishOfServer)
  if ('rule' in section) return section
  const { userProperties = [], ...rest } = section.properties
  const others = userProperties.filter(({ name }) => name !== VIA)
  return headersOf(qos, { ...rest, userProperties: others }, PLACE.publishOfServer)
}

function withVia(headers: ReturnType<typeof headersOf>, via: string): Uint8Array {
  const line = `${VERSION}${VIA}: ${via}${LINE_END}`
  if ('rule' in headers || headers.length === 0) return Buffer.from(line + LINE_END)
  return Buffer.concat([Buffer.from(line), headers.subarray(VERSION.length)])
}

/** What a remote makes of the messages that go to its broker. */
export class OutboundForm {
  readonly #own: string
  readonly #facts = new MessageFacts()
  /** The property of a message that was born here. */
  readonly #ownVia: Uint8Array

  constructor(own: string) {
    this.#own = own
    this.#ownVia = viaProperty(own)
  }

  /**
   * Reads what the headers of a message say.
   *
   * @param waitedMs how long it has waited here
   * @returns false: its time is over [MQTT-3.3.2-5]
   */
  read(headers: Uint8Array, waitedMs: number, properties: PublishProperties): boolean {
    const facts = this.#facts
    facts.read(headers)
    properties.messageExpiry = facts.messageExpiry
    if (facts.messageExpiry < 0) return true
    const waited = Math.max(0, Math.floor(waitedMs / SECOND_MS))
    properties.messageExpiry = facts.messageExpiry - waited
    return properties.messageExpiry > 0
  }

  /** Fills in what was read last, for MQTT 5. Ours is first: what somebody else put there is behind it. */
  fill(properties: PublishProperties, headers: Uint8Array): void {
    const before = viaOfHeaders(headers)
    const via = before === '' ? this.#ownVia : viaProperty(passing(before, this.#own) ?? this.#own)
    const { shared } = this.#facts
    properties.shared = shared.length === 0 ? via : Buffer.concat([via, shared])
  }
}

function viaProperty(via: string): Uint8Array {
  return encodeProperties({ userProperties: [{ name: VIA, value: via }] }, PLACE.publishOfClient)
}
