import type { Message, Peer, PeerKind, Subscription } from '../broker/index.ts'

/** What imports subscribe with: nobody's own subscription, and so imported by nobody. */
export abstract class ImportPeer implements Peer {
  abstract readonly kind: PeerKind
  abstract readonly id: number
  readonly echo = true
  readonly tellsTrace = true

  abstract offer(subscription: Subscription, message: Message): boolean

  deliver(subscription: Subscription, message: Message): void {
    this.offer(subscription, message)
  }
}
