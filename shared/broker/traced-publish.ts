import { type AccountSpace, EVERYWHERE } from './account-space.ts'
import { ClientSubscription } from './client-subscription.ts'
import { Interest, isLinkPeer } from './interest.ts'
import type {
  LinkKind,
  LinkPeer,
  Message,
  Peer,
  Publication,
  PublishOptions,
  Subscription,
} from './message.ts'
import { TRACE_ERRORS, type TraceSpan } from './message-tracer.ts'
import { giveMessage, isNestedTooDeep, type RoutedMessage, takeMessage } from './routed-message.ts'

/**
 * Routes a message that is traced, by the same rules as any other: each subscription that matches is
 * replaced by one that tells the trace what becomes of the message, and passes it on unless only the
 * trace is wanted. Costs what it costs: nearly no message is traced.
 */
export function publishTraced(
  space: AccountSpace,
  origin: Peer,
  publication: Publication,
  span: TraceSpan,
  options: PublishOptions = EVERYWHERE,
): number {
  if (isNestedTooDeep()) return 0
  const subject = Buffer.from(publication.subject).toString()
  const links = new Map<Peer, TracedLink>()
  const matching: Subscription[] = []
  for (const subscription of space.matching(subject)) {
    const { peer } = subscription
    if (isLinkPeer(peer)) {
      if (peer === origin) continue
      const link = links.get(peer) ?? new TracedLink(peer, span, space.account)
      links.set(peer, link)
      matching.push(new TracedSubscription(subscription, link))
    } else {
      const receiver = new TracedReceiver(subscription, span, space.account)
      matching.push(new TracedSubscription(subscription, receiver))
    }
  }
  const message = takeMessage()
  message.setParts(origin, publication)
  message.committed = options.committed
  message.trace = span
  return space.dispatch(new Interest(matching), message, options)
}

class TracedSubscription implements Subscription {
  readonly peer: Peer
  readonly subject: string
  readonly queue: string
  readonly sid: string
  readonly weight: number
  readonly isCapture: boolean

  constructor(original: Subscription, peer: Peer) {
    this.peer = peer
    this.subject = original.subject
    this.queue = original.queue
    this.sid = original.sid
    this.weight = original.weight
    this.isCapture = original.isCapture
  }
}

class TracedReceiver implements Peer {
  readonly kind = 'local'
  readonly id: number
  readonly echo = true
  readonly stores: Peer['stores']
  readonly #original: Subscription
  readonly #span: TraceSpan
  readonly #account: string

  constructor(original: Subscription, span: TraceSpan, account: string) {
    this.id = original.peer.id
    this.stores = original.peer.stores
    this.#original = original
    this.#span = span
    this.#account = account
  }

  deliver(subscription: Subscription, message: Message): void {
    this.offer(subscription, message)
  }

  offer(_subscription: Subscription, message: Message): boolean {
    const original = this.#original
    const { peer } = original
    const span = this.#span
    if (peer.tellsTrace) return give(original, message as RoutedMessage)
    if (original.isCapture) {
      span.captured(original, this.#account, message.subject)
      return span.isOnly || give(original, message as RoutedMessage)
    }
    const error = refusalOf(original, message)
    span.delivered(original, this.#account, error)
    if (error !== undefined) return false
    return span.isOnly || give(original, message as RoutedMessage)
  }
}

/** A message that is only traced crosses links all the same: the other server tells its part. */
class TracedLink implements LinkPeer {
  readonly kind: LinkKind
  readonly id: number
  readonly echo = true
  readonly region?: string
  readonly #link: LinkPeer
  readonly #span: TraceSpan
  readonly #account: string

  constructor(link: LinkPeer, span: TraceSpan, account: string) {
    this.kind = link.kind
    this.id = link.id
    if (link.region !== undefined) this.region = link.region
    this.#link = link
    this.#span = span
    this.#account = account
  }

  get isUp(): boolean {
    return this.#link.isUp
  }

  get roundTripMs(): number | undefined {
    return this.#link.roundTripMs
  }

  deliver(): void {}

  refuses(message: Message): boolean {
    return this.#link.refuses?.(message) ?? false
  }

  forward(message: Message, plain: boolean, queues: readonly string[], isToStore: boolean): void {
    if (this.#link.tellsTrace) {
      this.#link.forward(message, plain, queues, isToStore)
      return
    }
    const { ignoresTraces = false } = this.#link
    const { isOnly } = this.#span
    const error = isOnly ? TRACE_ERRORS.onlyUnsupported : TRACE_ERRORS.unsupported
    const why = ignoresTraces ? error : undefined
    const headers = this.#span.forwarded(this.#link, this.#account, message.headers, why)
    if (ignoresTraces && isOnly) return
    const inner = takeMessage()
    const { origin, subjectBytes, shownBytes, replyBytes, payload } = message
    const parts = { subject: subjectBytes, reply: replyBytes, headers, payload }
    const isShown = shownBytes !== subjectBytes
    inner.setParts(origin, isShown ? { ...parts, shownSubject: shownBytes } : parts)
    this.#link.forward(inner, plain, queues, isToStore)
    giveMessage(inner)
  }
}

/** Why the subscription's peer will not take the message; undefined when it will. */
export function refusalOf(subscription: Subscription, message: Message): string | undefined {
  const { peer, queue } = subscription
  if (peer === message.origin && !peer.echo) return TRACE_ERRORS.noEcho
  if (!(subscription instanceof ClientSubscription)) {
    return peer.mayReceive?.(message.subject, queue) === false ? TRACE_ERRORS.denied : undefined
  }
  if (subscription.isClosed) return TRACE_ERRORS.subscriptionClosed
  if (subscription.peer.isClosed) return TRACE_ERRORS.clientClosed
  return subscription.isFiltered && !subscription.peer.mayReceive(message.subject, queue)
    ? TRACE_ERRORS.denied
    : undefined
}

function give(subscription: Subscription, message: RoutedMessage): boolean {
  if (subscription instanceof ClientSubscription) {
    return subscription.peer.take(subscription, message)
  }
  const { peer } = subscription
  if (peer.offer !== undefined) return peer.offer(subscription, message)
  peer.deliver(subscription, message)
  return true
}
