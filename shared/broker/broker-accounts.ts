import type { Account, AccountBook } from '../account/index.ts'
import { SubjectMappings } from '../subject/index.ts'
import {
  type AccountLimits,
  AccountMembers,
  type AccountTotals,
  type Member,
  NO_LIMITS,
} from './account-members.ts'
import type { BrokerObserver } from './broker-observer.ts'
import type { ClientConnection } from './client-connection.ts'

/** Which connections belong to which account, and what the accounts allow them. */
export class BrokerAccounts {
  /** Connections of all accounts that are no NATS clients. */
  seatsTaken = 0
  readonly #book: AccountBook | undefined
  readonly #observer: BrokerObserver
  readonly #members = new Map<string, AccountMembers>()
  readonly #accountOf = new Map<ClientConnection, string>()

  /** @param book without it accounts have no limits */
  constructor(book: AccountBook | undefined, observer: BrokerObserver) {
    this.#book = book
    this.#observer = observer
  }

  get(account: string): Account | undefined {
    return this.#book?.get(account)
  }

  isSystem(account: string): boolean {
    return this.#book !== undefined && this.#book.systemAccount === account
  }

  limitsOf(account: string): AccountLimits {
    const known = this.get(account)
    if (known === undefined) return NO_LIMITS
    const { max_connections, max_subscriptions, max_payload } = known.config.limits
    return {
      connections: max_connections,
      subscriptions: max_subscriptions,
      payloadBytes: max_payload,
      expiresMs: known.expiresMs,
    }
  }

  /** undefined when the account maps nothing. */
  mappingsOf(account: string, cluster: string): SubjectMappings | undefined {
    const rules = this.get(account)?.config.mappings ?? []
    return rules.length === 0 ? undefined : new SubjectMappings(rules, cluster)
  }

  membersOf(account: string): AccountMembers {
    let members = this.#members.get(account)
    if (members === undefined) {
      members = new AccountMembers()
      this.#members.set(account, members)
    }
    return members
  }

  /** Asking about an account that has never had anybody leaves nothing behind. */
  totalsOf(account: string): AccountTotals {
    return (this.#members.get(account) ?? NO_MEMBERS).totals()
  }

  connectionsOf(account: string): ReadonlySet<ClientConnection> {
    return (this.#members.get(account) ?? NO_MEMBERS).connections
  }

  /** False while somebody is in the account. */
  release(account: string): boolean {
    if ((this.#members.get(account)?.size ?? 0) > 0) return false
    this.#members.delete(account)
    return true
  }

  /** Who leaves one account for another takes no count along; false when there is no room. */
  enter(connection: ClientConnection, account: string, unasked: boolean): boolean {
    const members = this.membersOf(account)
    const limits = this.limitsOf(account)
    if (members.connections.has(connection)) {
      return unasked || limits.connections < 0 || members.size <= limits.connections
    }
    if (!unasked && !members.hasRoom(limits)) return false
    this.leave(connection)
    members.add(connection)
    this.#accountOf.set(connection, account)
    this.#observer.accountConnections?.(account)
    return true
  }

  leave(connection: ClientConnection): void {
    const account = this.#accountOf.get(connection)
    if (account === undefined) return
    this.#accountOf.delete(connection)
    this.#members.get(account)?.remove(connection)
    this.#observer.accountConnections?.(account)
  }

  /** A place for a connection that is no NATS client; false: there is none left. */
  takeSeat(account: string, seat: Member): boolean {
    const members = this.membersOf(account)
    if (!members.hasRoom(this.limitsOf(account))) return false
    members.takeSeat(seat)
    this.seatsTaken++
    this.#observer.accountConnections?.(account)
    return true
  }

  /** Idempotent. */
  leaveSeat(account: string, seat: Member): void {
    if (this.#members.get(account)?.leaveSeat(seat) !== true) return
    this.seatsTaken--
    this.#observer.accountConnections?.(account)
  }

  overLimit(account: string): readonly Member[] {
    return (this.#members.get(account) ?? NO_MEMBERS).beyond(this.limitsOf(account))
  }
}

const NO_MEMBERS = new AccountMembers()
