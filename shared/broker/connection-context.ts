import type { Authenticator, Identity } from '../account/index.ts'
import type { Log } from '../log/index.ts'
import type { Clock, Random } from '../runtime/index.ts'
import type { ServerInfo } from '../wire/index.ts'
import type { AccountLimits } from './account-members.ts'
import type { AccountSpace } from './account-space.ts'
import type { BrokerOptions } from './broker-options.ts'
import type { ClientConnection } from './client-connection.ts'
import type { CloseReason } from './close-reason.ts'
import type { MessageTracer } from './message-tracer.ts'
import type { ViolationLog } from './violation-log.ts'

/** What a connection needs of its broker. */
export interface ConnectionContext {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly options: BrokerOptions
  readonly tracer: MessageTracer | undefined
  readonly violations: ViolationLog
  space(account: string): AccountSpace
  limitsOf(account: string): AccountLimits
  isSystemAccount(account: string): boolean
  readonly authenticator: Authenticator
  info(connection: ClientConnection, isSentAway: boolean): ServerInfo
  /**
   * Makes the connection a member of the identity's account, and of no other; false when there is no
   * room for one more, which does not count for who comes `unasked`.
   */
  enter(connection: ClientConnection, identity: Identity, unasked: boolean): boolean
  /** It said CONNECT and was let in for the first time. */
  connected(connection: ClientConnection): void
  notLetIn(connection: ClientConnection, reason: CloseReason): void
  /** The connection has left; its subscriptions are gone. */
  closed(connection: ClientConnection): void
}

/** Where a connection came in. What is not said here is as for the broker's own listener. */
export interface Door {
  /** A WebSocket listener may have users of its own. */
  readonly authenticator?: Authenticator
  readonly authTimeoutMs?: number
  readonly pingIntervalMs?: number
  /** What INFO says of it. */
  readonly host?: string
  readonly port?: number
  /** A PROXY header may still say who the client is, as long as nothing has come. */
  readonly isProxied?: boolean
}
