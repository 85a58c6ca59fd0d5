import {
  type AccountSpace,
  type Message,
  type Peer,
  StoredSender,
  type Subscription,
} from '../broker/index.ts'
import type {
  CapturedMessage,
  Flow,
  InterestWatch,
  Outlet,
  PortMessage,
  StreamPort,
} from '../stream/index.ts'
import { InterestWatches } from './interest-watches.ts'
import { ReachWatches } from './reach-watches.ts'

interface Handler {
  readonly handle: (message: PortMessage) => void
  /** Whether it is shown what receivers see for a subject. */
  readonly isShown: boolean
}

interface Request {
  readonly handle: (request: PortMessage) => void
  readonly message: PortMessage
}

/**
 * Joins streams to a broker's subject space: the one place where the two meet. Captures run inside
 * the router, which hands them views on its memory; requests are copied and handled once the router
 * has finished its turn, because a peer must not publish while it is being delivered to.
 */
export class SpaceStreamPort implements StreamPort {
  readonly #space: AccountSpace
  readonly #peer: Peer
  readonly #watches: InterestWatches
  readonly #reaches: ReachWatches
  readonly #captures = new Map<Subscription, (message: CapturedMessage) => void>()
  readonly #handlers = new Map<Subscription, Handler>()
  /** Emptied after every read chunk, so it never holds more than one chunk's requests. */
  #requests: Request[] = []

  constructor(space: AccountSpace, peerId: number) {
    this.#space = space
    this.#watches = new InterestWatches(space)
    this.#reaches = new ReachWatches(space)
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

  outlet(flow?: Flow): Outlet {
    const peer = flow === undefined ? this.#peer : { ...this.#peer, flow }
    return new SpaceOutlet(new StoredSender(this.#space, peer, flow !== undefined))
  }

  subscribe(subject: string, handle: (request: PortMessage) => void): () => void {
    return this.#subscribe(subject, { handle, isShown: false })
  }

  receive(subject: string, handle: (message: PortMessage) => void): () => void {
    return this.#subscribe(subject, { handle, isShown: true })
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

  watchInterest(subject: string, queue: string, onChange: () => void): InterestWatch {
    return this.#watches.add(subject, queue, onChange)
  }

  onReach(subject: string, onReached: () => void): () => void {
    return this.#reaches.add(subject, onReached)
  }

  #subscribe(subject: string, handler: Handler): () => void {
    const subscription = this.#space.subscribe(this.#peer, { subject })
    this.#handlers.set(subscription, handler)
    return () => {
      if (this.#handlers.delete(subscription)) this.#space.unsubscribe(subscription)
    }
  }

  #take(subscription: Subscription, message: Message): void {
    const capture = this.#captures.get(subscription)
    if (capture !== undefined) {
      capture(message.shownBytes === message.subjectBytes ? message : shown(message))
      return
    }
    const handler = this.#handlers.get(subscription)
    if (handler === undefined) return
    if (this.#requests.length === 0) queueMicrotask(() => this.#handleRequests())
    const { handle, isShown } = handler
    this.#requests.push({ handle, message: copyOf(message, isShown) })
  }

  #handleRequests(): void {
    const requests = this.#requests
    this.#requests = []
    for (const { handle, message } of requests) handle(message)
  }
}

class SpaceOutlet implements Outlet {
  readonly #sender: StoredSender

  constructor(sender: StoredSender) {
    this.#sender = sender
  }

  deliver(
    to: Uint8Array,
    subject: Uint8Array,
    reply: Uint8Array,
    headers: Uint8Array,
    payload: Uint8Array,
  ): boolean {
    return this.#sender.send(to, subject, reply, headers, payload) > 0
  }
}

/** What a consumer pushes to a stream is stored under the subject that it was stored with, as in nats-server. */
function shown(message: Message): CapturedMessage {
  return {
    subject: message.shownSubject,
    subjectBytes: message.shownBytes,
    reply: message.reply,
    headers: message.headers,
    payload: message.payload,
    takeCommitted: () => message.takeCommitted(),
  }
}

function copyOf(message: Message, isShown: boolean): PortMessage {
  return {
    subject: isShown ? message.shownSubject : message.subject,
    reply: message.reply,
    headers: copied(message.headers),
    payload: copied(message.payload),
    requester: message.origin,
  }
}

const NO_BYTES: Uint8Array = new Uint8Array(0)

/** Out of Node's pool, when it is small: a memory of its own for each costs more than what is copied. */
function copied(bytes: Uint8Array): Uint8Array {
  return bytes.length === 0 ? NO_BYTES : Buffer.from(bytes)
}
