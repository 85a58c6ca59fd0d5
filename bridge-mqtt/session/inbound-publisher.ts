import type { Peer, PublishCommitted, SubjectSpace } from '../../shared/broker/index.ts'
import { NO_HEADERS } from '../message-headers.ts'
import type { Topic } from '../translator.ts'
import type { MqttContext } from './context.ts'
import type { PublishWaits } from './inbound-waits.ts'

/** What is routed beside topic and payload. */
export interface PublishFacts {
  qos: number
  isRetain: boolean
  headers: Uint8Array
  /** The subject of the response topic; empty for none. */
  reply: Uint8Array
}

/**
 * Brings what an MQTT client says into the space of its account, and the retained messages into their
 * store. While a message is being routed, its receivers ask here what they need to know beside it.
 */
export class Publisher {
  /** The topic, QoS and RETAIN of the message that is being routed now. */
  topic: Topic | undefined
  qos = 0
  isRetain = false
  readonly #context: MqttContext
  readonly #space: SubjectSpace
  readonly #peer: Peer
  #waits: PublishWaits | undefined

  /** @param peer in whose name it is published */
  constructor(context: MqttContext, space: SubjectSpace, peer: Peer) {
    this.#context = context
    this.#space = space
    this.#peer = peer
  }

  /** Whoever stores the message that is being routed owes a call of the result; undefined: nobody waits. */
  hold(): PublishCommitted | undefined {
    return this.#waits?.hold()
  }

  /**
   * @param subject not empty
   * @returns whether anybody took it, or it is kept as retained
   */
  route(
    topic: Topic,
    subject: Uint8Array,
    facts: Readonly<PublishFacts>,
    payload: Uint8Array,
    waits: PublishWaits | undefined,
  ): boolean {
    const { publication } = this.#context.scratch
    const { headers } = facts
    publication.subject = subject
    publication.reply = facts.reply
    publication.headers = headers
    publication.payload = payload
    this.topic = topic
    this.qos = facts.qos
    this.isRetain = facts.isRetain
    this.#waits = waits
    const taken = this.#space.publish(this.#peer, publication, waits)
    this.topic = undefined
    this.#waits = undefined
    publication.reply = NO_HEADERS
    publication.headers = NO_HEADERS
    publication.payload = NO_HEADERS
    return taken > 0
  }
}
