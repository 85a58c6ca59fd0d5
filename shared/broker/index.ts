/** The router: subject spaces, NATS client connections, and the broker that holds both. */
export { AccountSpace } from './account-space.ts'
export type {
  InterestObserver,
  LinkPeer,
  Message,
  Peer,
  PeerKind,
  Publication,
  PublishCommitted,
  PublishOptions,
  SubjectSpace,
  SubscribeOptions,
  Subscription,
} from './message.ts'
