import type { Peer, PublishCommitted, SubjectSpace } from '../../shared/broker/index.ts'
import { PetioleError } from '../../shared/runtime/index.ts'
import { NO_HEADERS } from '../headers/index.ts'
import type { RetainedStore } from '../retained/index.ts'
import type { Topic } from '../translator.ts'
import type { MqttContext } from './context.ts'
import type { PublishWaits } from './inbound-waits.ts'

const NOT_RETAINED = 'retained publish is delivered, and not kept'

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
  /** undefined: nothing is retained. */
  readonly retained: RetainedStore | undefined
  readonly #context: MqttContext
  readonly #space: SubjectSpace
  readonly #peer: Peer
  readonly #tellsReasons: boolean
  #waits: PublishWaits | undefined

  /**
   * @param peer in whose name it is published
   * @param tellsReasons its acknowledgements can say what went wrong
   */
  constructor(context: MqttContext, space: SubjectSpace, peer: Peer, tellsReasons: boolean) {
    this.#context = context
    this.#space = space
    this.#peer = peer
    this.#tellsReasons = tellsReasons
    this.retained = context.retainedOf(space.account)
  }

  /** Whoever stores the message that is being routed owes a call of the result; undefined: nobody waits. */
  hold(): PublishCommitted | undefined {
    return this.#waits?.hold()
  }

  /**
   * @param subject not empty
   * @param waits who acknowledges it; not settled before this returns
   * @returns whether anybody took it; that it is retained does not count
   */
  route(
    topic: Topic,
    subject: Uint8Array,
    facts: Readonly<PublishFacts>,
    payload: Uint8Array,
    waits: PublishWaits | undefined,
  ): boolean {
    const { publication } = this.#context.scratch
    // One object for all: whatever is published from within a delivery fills it anew.
    const { headers, isRetain } = facts
    publication.subject = subject
    publication.reply = facts.reply
    publication.headers = headers
    publication.payload = payload
    this.topic = topic
    this.qos = facts.qos
    this.isRetain = isRetain
    this.#waits = waits
    try {
      // To retain it is to store it: before anybody gets it, where an acknowledgement says that all have stored it.
      const keepsFirst = waits?.isRefused !== undefined && this.#context.store !== undefined
      if (isRetain && keepsFirst) this.#keep(subject, headers, payload)
      if (waits?.isRefused === true) {
        waits.committed(undefined)
        return false
      }
      const taken = this.#space.publish(this.#peer, publication, waits)
      if (isRetain && !keepsFirst) this.#keep(subject, headers, payload)
      return taken > 0
    } finally {
      // What is published in its name later must not wait with this one.
      this.topic = undefined
      this.#waits = undefined
      publication.reply = NO_HEADERS
      publication.headers = NO_HEADERS
      publication.payload = NO_HEADERS
    }
  }

  /**
   * What there is no room for among the retained is delivered all the same. That is told to whom it can be told,
   * when it is stored elsewhere, and else to the operator.
   */
  #keep(subject: Uint8Array, headers: Uint8Array, payload: Uint8Array): void {
    const { retained } = this
    if (retained === undefined) return
    const kept = this.#waits?.hold()
    try {
      retained.set(subject, headers, payload, kept)
    } catch (error) {
      if (!(error instanceof PetioleError)) throw error
      this.#context.notices.warn({ account: this.#space.account, err: error }, NOT_RETAINED)
      if (error.code !== 'PETIOLE_RETAINED_FULL') kept?.(error)
      // Whoever cannot be told would be closed for it, and send it again for ever.
      else if (!this.#tellsReasons) kept?.(undefined)
      // A transaction around this must not be taken back for it.
      else if (kept !== undefined) queueMicrotask(() => kept(error))
    }
  }
}
