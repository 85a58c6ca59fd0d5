import type { Message, Peer, SubjectSpace, Subscription } from '../broker/index.ts'
import { type Cancel, type Clock, PetioleError, type Random } from '../runtime/index.ts'
import { overlaps } from '../subject/index.ts'
import { EMPTY_HEADERS, headerStatus } from '../wire/index.ts'
import { AbortGroups } from './abort-groups.ts'
import { PENDING_BYTES_MAX, REQUESTS_MAX } from './limits.ts'
import type {
  ClientMessage,
  MessageHandler,
  NatsClient,
  PublishChoices,
  RequestChoices,
  SubscribeChoices,
} from './nats-client.ts'

const NO_RESPONDERS = 503
const INBOX_BYTES = 12

interface PendingRequest {
  readonly settle: (error: PetioleError | undefined, message?: ClientMessage) => void
}

/**
 * A client inside the process, speaking to one account's subject space without a socket.
 *
 * A peer must not publish while it is being delivered to, so messages are copied, queued and handed
 * to their handlers in a microtask: after the router has finished the read chunk it is working on,
 * and before anything else happens. All requests share one inbox subscription.
 */
export class LocalClient implements NatsClient, Peer {
  readonly kind = 'local'
  readonly echo = true
  readonly id: number
  /** Messages dropped because the handlers did not keep up. */
  dropped = 0
  readonly #space: SubjectSpace
  readonly #clock: Clock
  readonly #handlers = new Map<Subscription, MessageHandler>()
  readonly #requests = new Map<string, PendingRequest>()
  readonly #aborts = new AbortGroups()
  readonly #observers = new Set<() => void>()
  readonly #inboxPrefix: string
  #inbox: Subscription | undefined
  #requestCount = 0
  #queue: { subscription: Subscription; message: ClientMessage }[] = []
  #queuedBytes = 0
  #isClosing = false
  #isUnsubscribed = false
  #idle: (() => void)[] = []

  /** @param random makes the inbox unlike that of any other process that the answers may pass. */
  constructor(space: SubjectSpace, id: number, clock: Clock, random: Random) {
    this.#space = space
    this.#clock = clock
    this.id = id
    this.#inboxPrefix = `_INBOX.${Buffer.from(random.bytes(INBOX_BYTES)).toString('hex')}.`
  }

  /** It takes part in nothing any more. */
  get isClosed(): boolean {
    return this.#isClosing
  }

  publish(subject: string | Uint8Array, payload: Uint8Array, choices: PublishChoices = {}): number {
    const { capture, committed, part, lots } = choices
    return this.#space.publish(
      this,
      {
        subject: typeof subject === 'string' ? Buffer.from(subject) : subject,
        reply: Buffer.from(choices.reply ?? ''),
        headers: choices.headers ?? EMPTY_HEADERS,
        payload,
      },
      {
        ...(capture !== undefined && { capture }),
        ...(committed !== undefined && { committed }),
        part,
        lots,
      },
    )
  }

  subscribe(subject: string, handler: MessageHandler, choices: SubscribeChoices = {}): () => void {
    this.#checkOpen()
    const subscription = this.#space.subscribe(this, { subject, ...choices })
    this.#handlers.set(subscription, handler)
    return () => {
      if (this.#handlers.delete(subscription)) this.#space.unsubscribe(subscription)
    }
  }

  request(subject: string, payload: Uint8Array, choices: RequestChoices): Promise<ClientMessage> {
    return new Promise((resolve, reject) => {
      this.#checkOpen()
      if (this.#requests.size >= REQUESTS_MAX) {
        throw new PetioleError('PETIOLE_REQUESTS_FULL', `${REQUESTS_MAX} requests wait already`)
      }
      this.#inbox ??= this.#space.subscribe(this, { subject: `${this.#inboxPrefix}*` })
      const token = (this.#requestCount++).toString(36)
      let cancel: Cancel = () => {}
      let forgetSignal: Cancel = () => {}
      const settle: PendingRequest['settle'] = (error, message) => {
        cancel()
        forgetSignal()
        this.#requests.delete(token)
        if (this.#isClosing) this.#wakeIdle()
        if (message !== undefined) resolve(message)
        else reject(error)
      }
      const aborted = (): void => {
        settle(new PetioleError('PETIOLE_REQUEST_ABORTED', `request on ${subject} was given up`))
      }
      if (choices.signal?.aborted) return aborted()
      if (choices.signal !== undefined) forgetSignal = this.#aborts.add(choices.signal, aborted)
      cancel = this.#clock.after(choices.deadlineMs, () => settle(timeout(subject, choices)))
      this.#requests.set(token, { settle })
      const reply = this.#inboxPrefix + token
      const { headers } = choices
      const takers = this.publish(subject, payload, { reply, ...(headers && { headers }) })
      if (takers === 0) settle(noResponders(subject))
    })
  }

  hasInterest(subject: string): boolean {
    return this.#space.hasInterest(subject, this)
  }

  onInterest(subject: string, changed: () => void): () => void {
    const touched = (subscription: Subscription): void => {
      if (subscription.peer !== this && overlaps(subscription.subject, subject)) {
        queueMicrotask(changed)
      }
    }
    const stop = this.#space.observe({ subscriptionAdded: touched, subscriptionRemoved: touched })
    this.#observers.add(stop)
    return () => {
      if (this.#observers.delete(stop)) stop()
    }
  }

  deliver(subscription: Subscription, message: Message): void {
    const bytes = message.payload.length + message.headers.length
    if (this.#queuedBytes + bytes > PENDING_BYTES_MAX) {
      this.dropped++
      return
    }
    if (this.#queue.length === 0) queueMicrotask(() => this.#handleQueued())
    this.#queuedBytes += bytes
    this.#queue.push({ subscription, message: copyOf(message) })
  }

  /** Takes no further messages, handles those it has, waits for the answers it expects. */
  async drain(): Promise<void> {
    this.#isClosing = true
    this.#unsubscribeHandlers()
    if (this.#queue.length > 0 || this.#requests.size > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve))
    }
    this.destroy()
  }

  destroy(): void {
    this.#isClosing = true
    this.#unsubscribeHandlers()
    for (const stop of this.#observers) stop()
    this.#observers.clear()
    this.#queue = []
    for (const { settle } of [...this.#requests.values()]) settle(closed())
    if (this.#inbox !== undefined) this.#space.unsubscribe(this.#inbox)
    this.#inbox = undefined
    this.#handlers.clear()
    this.#wakeIdle()
  }

  #handleQueued(): void {
    const queue = this.#queue
    this.#queue = []
    this.#queuedBytes = 0
    for (const { subscription, message } of queue) {
      if (subscription === this.#inbox) this.#answered(message)
      else this.#handlers.get(subscription)?.(message)
    }
    if (this.#isClosing) this.#wakeIdle()
  }

  #answered(message: ClientMessage): void {
    const pending = this.#requests.get(message.subject.slice(this.#inboxPrefix.length))
    if (pending === undefined) return
    const isRefused =
      message.payload.length === 0 && headerStatus(message.headers) === NO_RESPONDERS
    if (isRefused) pending.settle(noResponders(message.subject))
    else pending.settle(undefined, message)
  }

  #unsubscribeHandlers(): void {
    if (this.#isUnsubscribed) return
    this.#isUnsubscribed = true
    for (const subscription of this.#handlers.keys()) this.#space.unsubscribe(subscription)
  }

  #wakeIdle(): void {
    if (this.#queue.length > 0 || this.#requests.size > 0) return
    const idle = this.#idle
    this.#idle = []
    for (const wake of idle) wake()
  }

  #checkOpen(): void {
    if (this.#isClosing) throw closed()
  }
}

function copyOf(message: Message): ClientMessage {
  return {
    subject: message.subject,
    reply: message.reply,
    headers: copyBytes(message.headers),
    payload: copyBytes(message.payload),
    origin: message.origin,
  }
}

function copyBytes(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) return EMPTY_HEADERS
  const copy = Buffer.allocUnsafe(bytes.length)
  copy.set(bytes)
  return copy
}

function timeout(subject: string, { deadlineMs }: RequestChoices): PetioleError {
  return new PetioleError('PETIOLE_REQUEST_TIMEOUT', `no answer on ${subject} in ${deadlineMs} ms`)
}

function noResponders(subject: string): PetioleError {
  return new PetioleError('PETIOLE_NO_RESPONDERS', `nobody answers requests on ${subject}`)
}

function closed(): PetioleError {
  return new PetioleError('PETIOLE_CLIENT_CLOSED', 'the client is closed')
}
