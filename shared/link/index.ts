/** Leaf links: the NATS leafnode protocol, accepting and soliciting side, over any channel. */
export type { LeafHello, LeafUrls } from './accepted-leaf.ts'
export {
  AccountLinks,
  type InterestListener,
  LinkAccounts,
  type LinkOrigin,
} from './account-links.ts'
export type { Arrival, ArrivalTracer } from './arrival-tracer.ts'
export { Backoff } from './backoff.ts'
export { FailureLog } from './failure-log.ts'
export { LINK_LIMITS, type LinkLimits } from './limits.ts'
export type { LinkStats } from './link.ts'
export { type AttachedLeaf, LinkAcceptor, type LinkAcceptorOptions } from './link-acceptor.ts'
export { comeBackIn } from './link-errors.ts'
export { type LinkLogin, readLogin } from './link-login.ts'
export type { ServerCard } from './server-card.ts'
export { ServerIdentity, verifySignature } from './server-identity.ts'
export { Uplink, type UplinkOptions } from './uplink.ts'
export type { UplinkHub, UplinkState } from './uplink-state.ts'
export { UrlPool } from './url-pool.ts'
