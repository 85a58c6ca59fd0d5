/** The router: subject spaces, NATS client connections, and the broker that holds both. */
export { AccountSpace } from './account-space.ts'
export {
  Broker,
  type BrokerDependencies,
  type BrokerTotals,
  type ClosedConnection,
} from './broker.ts'
export { BROKER_DEFAULTS, type BrokerOptions } from './broker-options.ts'
export type { ClientConnection } from './client-connection.ts'
export type { CloseReason } from './close-reason.ts'
export { type ConnectionFacts, factsOf } from './connection-facts.ts'
export type {
  InterestObserver,
  LinkKind,
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
