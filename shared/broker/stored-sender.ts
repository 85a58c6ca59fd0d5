import type { AccountSpace } from './account-space.ts'
import type { Interest } from './interest.ts'
import type { LaidOutMessage, Peer, PublishOptions } from './message.ts'
import type { Route } from './route.ts'
import { isNestedTooDeep, takeMessage } from './routed-message.ts'
import { work } from './work.ts'

const STORED_ALREADY: PublishOptions = { capture: false }
const STORED_AGAIN: PublishOptions = {}
const NO_BYTES = new Uint8Array(0)

/**
 * Publishes stored messages, one after the other to the same few subjects, in the way of
 * `AccountSpace.publish` but for what need not be done each time: the subject was looked up for the
 * message before, and subjects and replies come from the store, which looked through them already. A
 * client who is the only receiver gets it without anything between.
 */
export class StoredSender {
  readonly #space: AccountSpace
  readonly #peer: Peer
  readonly #options: PublishOptions
  readonly #publication = {
    subject: NO_BYTES as Uint8Array,
    shownSubject: NO_BYTES as Uint8Array,
    reply: NO_BYTES as Uint8Array,
    headers: NO_BYTES as Uint8Array,
    payload: NO_BYTES as Uint8Array,
  }
  /** Leads to `#publication.subject`, as long as the table's words are these. */
  #route: Route | undefined
  #words: Int32Array | undefined

  /** @param isForCaptures streams that bind the subject store the message too */
  constructor(space: AccountSpace, peer: Peer, isForCaptures: boolean) {
    this.#space = space
    this.#peer = peer
    this.#options = isForCaptures ? STORED_AGAIN : STORED_ALREADY
  }

  /** Returns how many peers took it. All bytes are read before that, and `to` is never written to. */
  send(
    to: Uint8Array,
    shownSubject: Uint8Array,
    reply: Uint8Array,
    headers: Uint8Array,
    payload: Uint8Array,
  ): number {
    if (isNestedTooDeep()) return 0
    const interest = this.#interestIn(to)
    const publication = this.#publication
    publication.subject = to
    if (interest.isEmpty) return 0
    const { only } = interest
    if (only !== undefined && (headers.length === 0 || only.peer.supportsHeaders)) {
      work.units += interest.units
      return only.peer.takeParts(only, this.#peer, shownSubject, reply, headers, payload) ? 1 : 0
    }
    publication.shownSubject = shownSubject
    publication.reply = reply
    publication.headers = headers
    publication.payload = payload
    const message = takeMessage()
    message.setParts(this.#peer, publication)
    message.committed = undefined
    return this.#space.dispatch(interest, message, this.#options)
  }

  /** The same for a message of which nobody has made any views. */
  sendLaidOut(to: Uint8Array, message: LaidOutMessage, reply: Uint8Array): number {
    if (isNestedTooDeep()) return 0
    const interest = this.#interestIn(to)
    this.#publication.subject = to
    const { only } = interest
    const { subjectAt, headersAt, payloadAt, end } = message
    if (only !== undefined && (payloadAt === headersAt || only.peer.supportsHeaders)) {
      work.units += interest.units
      return only.peer.takeLaidOut(only, this.#peer, message, reply) ? 1 : 0
    }
    const part = (from: number, to: number): Uint8Array => {
      const { buffer, byteOffset } = message.bytes
      return new Uint8Array(buffer, byteOffset + from, to - from)
    }
    const headers = part(headersAt, payloadAt)
    return this.send(to, part(subjectAt, headersAt), reply, headers, part(payloadAt, end))
  }

  #interestIn(to: Uint8Array): Interest {
    const { routes } = this.#space
    if (this.#route !== undefined && to === this.#publication.subject) {
      if (this.#words === routes.words) return routes.interestOf(this.#route)
    }
    const interest = routes.locateBytes(to)
    this.#route = routes.located
    this.#words = routes.words
    return interest
  }
}
