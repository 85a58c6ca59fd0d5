import { ClientSubscription } from './client-subscription.ts'
import type { LinkPeer, Message, Publication, PublishOptions, Subscription } from './message.ts'
import { giveMessage, isNestedTooDeep, RoutedMessage, takeMessage } from './routed-message.ts'

/**
 * Gives one subscription a message under another form (its subject, as a rule), past the router: what
 * an account imports from another. The rules of echo hold, and a capture takes over the publisher's
 * `committed`. Returns whether the subscription's peer took it.
 */
export function handOver(
  subscription: Subscription,
  message: Message,
  publication: Publication,
): boolean {
  const { peer } = subscription
  if (peer === message.origin && !peer.echo) return false
  const inner = opened(message, publication)
  if (inner === undefined) return false
  let isTaken = true
  if (subscription instanceof ClientSubscription) {
    isTaken = subscription.peer.take(subscription, inner)
  } else if (peer.offer !== undefined) isTaken = peer.offer(subscription, inner)
  else peer.deliver(subscription, inner)
  close(inner, message)
  return isTaken
}

/** The same for a link, which takes the message once for all its subscriptions. */
export function forwardAs(
  link: LinkPeer,
  message: Message,
  publication: Publication,
  plain: boolean,
  queues: readonly string[],
  isToStore: boolean,
): boolean {
  if (link === message.origin) return false
  const inner = opened(message, publication)
  if (inner === undefined) return false
  const isTaken = link.refuses?.(inner) !== true
  if (isTaken) link.forward(inner, plain, queues, isToStore)
  close(inner, message)
  return isTaken
}

/** The options of a publication that another one causes in its place. */
export function passedOn(message: Message): PublishOptions {
  const committed = message.takeCommitted()
  return committed === undefined ? NOBODY_WAITS : { committed }
}

const NOBODY_WAITS: PublishOptions = {}

function opened(message: Message, publication: Publication): RoutedMessage | undefined {
  if (isNestedTooDeep()) return undefined
  const inner = takeMessage()
  inner.setParts(message.origin, publication)
  if (message instanceof RoutedMessage) inner.committed = message.committed
  inner.part = message.part
  return inner
}

/** What a capture has not taken over is the outer message's again. */
function close(inner: RoutedMessage, message: Message): void {
  if (message instanceof RoutedMessage) message.committed = inner.committed
  giveMessage(inner)
}
