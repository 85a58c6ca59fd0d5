/** The router: subject spaces, NATS client connections, and the broker that holds both. */
export type { AccountLimits, AccountTotals, Member, Seats } from './account-members.ts'
export { AccountSpace } from './account-space.ts'
export { Broker, type BrokerDependencies, type BrokerTotals } from './broker.ts'
export type { BrokerObserver } from './broker-observer.ts'
export { BROKER_DEFAULTS, type BrokerOptions, type CookieNames } from './broker-options.ts'
export type { ClientConnection } from './client-connection.ts'
export type { CloseReason } from './close-reason.ts'
export type { Door } from './connection-context.ts'
export { type ClosedConnection, type ConnectionFacts, factsOf } from './connection-facts.ts'
export { forwardAs, handOver, passedOn } from './hand-over.ts'
export { closeOneByOne, type LameDuckOptions } from './lame-duck.ts'
export type {
  InterestObserver,
  LaidOutMessage,
  LinkKind,
  LinkPeer,
  Message,
  MessagePart,
  Peer,
  PeerKind,
  Publication,
  PublishCommitted,
  PublishOptions,
  SubjectSpace,
  SubscribeOptions,
  Subscription,
} from './message.ts'
export {
  type MessageTracer,
  TRACE_ERRORS,
  type TracedIngress,
  type TraceSpan,
} from './message-tracer.ts'
export { PermissionGuard } from './permission-guard.ts'
export { PermittedReplies } from './permitted-replies.ts'
export { StoredSender } from './stored-sender.ts'
export { publishTraced, refusalOf } from './traced-publish.ts'
export type { Waiting } from './turn-line.ts'
export { type InputHold, ParserHold, type Pausable, TurnShare } from './turn-share.ts'
export { Turns } from './turns.ts'
export { WORK_UNITS, work } from './work.ts'
