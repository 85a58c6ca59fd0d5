import type { CloseReason } from './close-reason.ts'
import type { ClosedConnection, ConnectionFacts } from './connection-facts.ts'

/**
 * Told what becomes of NATS clients, from within the router's turn: what it causes happens afterwards.
 */
export interface BrokerObserver {
  /** CONNECT was accepted, for the first time. */
  connected?(facts: ConnectionFacts): void
  /** Only for those that were connected. */
  disconnected?(facts: ClosedConnection): void
  /** Somebody was sent away; `facts` say who he claimed to be. */
  authenticationFailed?(facts: ConnectionFacts, reason: CloseReason): void
  /** The number of the account's connections has changed: see `Broker.accountTotals`. */
  accountConnections?(account: string): void
}
