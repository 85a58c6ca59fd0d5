import {
  type AccountSpace,
  type LaidOutMessage,
  type Message,
  type Peer,
  StoredSender,
  type SubscribeOptions,
  type Subscription,
} from '../broker/index.ts'
import type {
  CapturedMessage,
  HeardMessage,
  InterestWatch,
  Outlet,
  OutletOptions,
  PortMessage,
  StreamPort,
} from '../stream/index.ts'
import { InterestWatches } from './interest-watches.ts'
import { ReachWatches } from './reach-watches.ts'

interface Request {
  readonly handle: (request: PortMessage) => void
  readonly message: PortMessage
}

/**
 * Joins streams to a broker's subject space: the one place where the two meet. Captures and acknowledgements
 * are handled inside the router, which hands out views on its memory; requests are copied and handled once
 * the router has finished its turn, because they take long and are answered.
 */
export class SpaceStreamPort implements StreamPort {
  readonly #space: AccountSpace
  readonly #peer: Peer
  readonly #watches: InterestWatches
  readonly #reaches: ReachWatches
  readonly #takers = new Map<Subscription, (message: Message) => void>()
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
      deliver: (subscription, message) => this.#takers.get(subscription)?.(message),
    }
  }

  publish(subject: string, reply: string, headers: Uint8Array, payload: Uint8Array): void {
    this.#space.publish(this.#peer, {
      subject: Buffer.from(subject),
      reply: reply === '' ? NO_BYTES : Buffer.from(reply),
      headers,
      payload,
    })
  }

  outlet({ flow, isCaptured = false }: OutletOptions = {}): Outlet {
    const peer = flow === undefined ? this.#peer : { ...this.#peer, flow }
    return new SpaceOutlet(new StoredSender(this.#space, peer, isCaptured))
  }

  subscribe(subject: string, handle: (request: PortMessage) => void): () => void {
    return this.#subscribe({ subject }, (message) => this.#keep(handle, copyOf(message, false)))
  }

  listen(subject: string, handle: (message: HeardMessage) => void): () => void {
    return this.#subscribe({ subject }, handle)
  }

  receive(subject: string, handle: (message: PortMessage) => void): () => void {
    return this.#subscribe({ subject }, (message) => this.#keep(handle, copyOf(message, true)))
  }

  capture(subject: string, capture: (message: CapturedMessage) => void): () => void {
    return this.#subscribe({ subject, isCapture: true }, (message) =>
      capture(message.shownBytes === message.subjectBytes ? message : shown(message)),
    )
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

  #subscribe(options: SubscribeOptions, take: (message: Message) => void): () => void {
    const subscription = this.#space.subscribe(this.#peer, options)
    this.#takers.set(subscription, take)
    return () => {
      if (this.#takers.delete(subscription)) this.#space.unsubscribe(subscription)
    }
  }

  #keep(handle: (message: PortMessage) => void, message: PortMessage): void {
    if (this.#requests.length === 0) queueMicrotask(() => this.#handleRequests())
    this.#requests.push({ handle, message })
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

  deliverLaidOut(to: Uint8Array, message: LaidOutMessage, reply: Uint8Array): boolean {
    return this.#sender.sendLaidOut(to, message, reply) > 0
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
