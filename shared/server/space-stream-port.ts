import type { Message, Peer, Publication, SubjectSpace, Subscription } from '../broker/index.ts'
import type { CapturedMessage, PortMessage, StreamPort } from '../stream/index.ts'

/**
 * Joins streams to a broker's subject space: the one place where the two meet. It is a peer of the
 * space. Captures run inside the router, which hands them views on its memory; requests are copied
 * and handled once the router has finished its turn, because a peer must not publish while it is
 * being delivered to.
 */
export class SpaceStreamPort implements StreamPort, Peer {
  readonly kind = 'local'
  readonly echo = true
  readonly id: number
  readonly #space: SubjectSpace
  readonly #captures = new Map<Subscription, (message: CapturedMessage) => void>()
  readonly #handlers = new Map<Subscription, (request: PortMessage) => void>()
  #requests: { handler: (request: PortMessage) => void; request: PortMessage }[] = []

  constructor(space: SubjectSpace, id: number) {
    this.#space = space
    this.id = id
  }

  deliver(subscription: Subscription, message: Message): void {
    const capture = this.#captures.get(subscription)
    if (capture !== undefined) {
      capture(message)
      return
    }
    const handler = this.#handlers.get(subscription)
    if (handler === undefined) return
    // Emptied after every read chunk, so it never holds more than one chunk's requests.
    if (this.#requests.length === 0) queueMicrotask(() => this.#handleRequests())
    this.#requests.push({ handler, request: copyOf(message) })
  }

  publish(subject: string, reply: string, headers: Uint8Array, payload: Uint8Array): void {
    const publication: Publication = {
      subject: Buffer.from(subject),
      reply: Buffer.from(reply),
      headers,
      payload,
    }
    this.#space.publish(this, publication)
  }

  subscribe(subject: string, handler: (request: PortMessage) => void): () => void {
    const subscription = this.#space.subscribe(this, { subject })
    this.#handlers.set(subscription, handler)
    return () => {
      if (this.#handlers.delete(subscription)) this.#space.unsubscribe(subscription)
    }
  }

  capture(subject: string, capture: (message: CapturedMessage) => void): () => void {
    const subscription = this.#space.subscribe(this, { subject, isCapture: true })
    this.#captures.set(subscription, capture)
    return () => {
      if (this.#captures.delete(subscription)) this.#space.unsubscribe(subscription)
    }
  }

  hasInterest(subject: string): boolean {
    return this.#space.hasInterest(subject)
  }

  #handleRequests(): void {
    const requests = this.#requests
    this.#requests = []
    for (const { handler, request } of requests) handler(request)
  }
}

function copyOf(message: Message): PortMessage {
  return {
    subject: message.subject,
    reply: message.reply,
    headers: message.headers.slice(),
    payload: message.payload.slice(),
  }
}
