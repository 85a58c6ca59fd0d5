import type { Message, Peer, SubjectSpace, Subscription } from '../broker/index.ts'
import type { CapturedMessage, PortMessage, StreamPort } from '../stream/index.ts'

interface Request {
  readonly handler: (request: PortMessage) => void
  readonly message: PortMessage
}

/**
 * Joins streams to a broker's subject space: the one place where the two meet. Captures run inside
 * the router, which hands them views on its memory; requests are copied and handled once the router
 * has finished its turn, because a peer must not publish while it is being delivered to.
 */
export class SpaceStreamPort implements StreamPort {
  readonly #space: SubjectSpace
  readonly #peer: Peer
  readonly #captures = new Map<Subscription, (message: CapturedMessage) => void>()
  readonly #handlers = new Map<Subscription, (request: PortMessage) => void>()
  /** Emptied after every read chunk, so it never holds more than one chunk's requests. */
  #requests: Request[] = []

  constructor(space: SubjectSpace, peerId: number) {
    this.#space = space
    this.#peer = {
      kind: 'local',
      id: peerId,
      echo: true,
      deliver: (subscription, message) => this.#take(subscription, message),
    }
  }

  publish(subject: string, reply: string, headers: Uint8Array, payload: Uint8Array): void {
    this.#space.publish(this.#peer, {
      subject: Buffer.from(subject),
      reply: Buffer.from(reply),
      headers,
      payload,
    })
  }

  deliver(
    inbox: string,
    subject: Uint8Array,
    reply: string,
    headers: Uint8Array,
    payload: Uint8Array,
  ): void {
    this.#space.publish(
      this.#peer,
      {
        subject: Buffer.from(inbox),
        shownSubject: subject,
        reply: Buffer.from(reply),
        headers,
        payload,
      },
      { capture: false },
    )
  }

  subscribe(subject: string, handler: (request: PortMessage) => void): () => void {
    const subscription = this.#space.subscribe(this.#peer, { subject })
    this.#handlers.set(subscription, handler)
    return () => {
      if (this.#handlers.delete(subscription)) this.#space.unsubscribe(subscription)
    }
  }

  capture(subject: string, capture: (message: CapturedMessage) => void): () => void {
    const subscription = this.#space.subscribe(this.#peer, { subject, isCapture: true })
    this.#captures.set(subscription, capture)
    return () => {
      if (this.#captures.delete(subscription)) this.#space.unsubscribe(subscription)
    }
  }

  hasInterest(subject: string): boolean {
    return this.#space.hasInterest(subject)
  }

  #take(subscription: Subscription, message: Message): void {
    const capture = this.#captures.get(subscription)
    if (capture !== undefined) {
      capture(message)
      return
    }
    const handler = this.#handlers.get(subscription)
    if (handler === undefined) return
    if (this.#requests.length === 0) queueMicrotask(() => this.#handleRequests())
    this.#requests.push({ handler, message: copyOf(message) })
  }

  #handleRequests(): void {
    const requests = this.#requests
    this.#requests = []
    for (const { handler, message } of requests) handler(message)
  }
}

function copyOf(message: Message): PortMessage {
  return {
    subject: message.subject,
    reply: message.reply,
    // Not slice(): these may be Buffers, whose slice shares the router's memory.
    headers: new Uint8Array(message.headers),
    payload: new Uint8Array(message.payload),
  }
}
