import type { AccountBook, ClaimsService, Identity } from '../account/index.ts'
import type { Peer, Subscription } from '../broker/index.ts'
import type { LocalClient } from '../client/index.ts'
import type { Log } from '../log/index.ts'
import type { Reports } from '../monitor/index.ts'
import type { Clock, Random } from '../runtime/index.ts'

/** What the system account's services need of the server. */
export interface SystemPorts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly reports: Reports
  /** Its `systemAccount` is where the services live; '' turns them off. */
  readonly book: AccountBook
  /** A new client in the account; who asks for it ends it. */
  client(account: string): LocalClient
  /** All subscriptions of an account. */
  subscriptions(account: string): Iterable<Subscription>
  /** Who a peer of this server is; undefined for links and services. */
  identityOf(peer: Peer): Identity | undefined
  readonly admin: ServerAdmin
  /** undefined: accounts come from the file. */
  readonly claims: ClaimsService | undefined
}

/** What operators may have done over the system account. */
export interface ServerAdmin {
  /** Rejects with what is wrong with the configuration. */
  reload(): Promise<void>
  /** Closes a client's or a leaf's connection; false: there is none of this id. */
  kick(id: number): boolean
  /** Tells one client to go elsewhere. */
  lameDuck(id: number): 'told' | 'unknown' | 'not_ready'
}
