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
