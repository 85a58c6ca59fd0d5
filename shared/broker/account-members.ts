import type { ClientConnection } from './client-connection.ts'

/** What an account allows its connections; -1 for no limit. */
export interface AccountLimits {
  readonly connections: number
  readonly subscriptions: number
  readonly payloadBytes: number
  /** Wall time at which the account ends; undefined for never. */
  readonly expiresMs: number | undefined
}

export const NO_LIMITS: AccountLimits = {
  connections: -1,
  subscriptions: -1,
  payloadBytes: -1,
  expiresMs: undefined,
}

/** Whoever is counted among an account's connections. */
export interface Member {
  /** There is no more room for it. */
  expel(error: 'account_connections'): void
}

/** Places for connections of other layers. */
export interface Seats {
  /** False when the server or the account is full. Who has a seat is told when there is no more room for it. */
  takeSeat(account: string, seat: Member): boolean
  /** Idempotent. */
  leaveSeat(account: string, seat: Member): void
}

/** Sums over the NATS clients of one account since the start, those that left included. */
export interface AccountTotals {
  readonly connections: number
  readonly connectionsEver: number
  readonly slowConsumers: number
  readonly inMessages: number
  readonly inBytes: number
  readonly outMessages: number
  readonly outBytes: number
}

/**
 * The NATS clients of one account, oldest first, and what they moved. Connections count their own
 * messages; here is only what those had counted who left. Other layers' connections (MQTT) take seats, so
 * that an account's limit holds for all together.
 */
export class AccountMembers {
  readonly connections = new Set<ClientConnection>()
  readonly #arrivals = new Set<Member>()
  connectionsEver = 0
  slowConsumers = 0
  #inMessages = 0
  #inBytes = 0
  #outMessages = 0
  #outBytes = 0

  get size(): number {
    return this.#arrivals.size
  }

  /** Those for whom there is no more room: the oldest keep their places. */
  beyond({ connections }: AccountLimits): readonly Member[] {
    return connections < 0 ? [] : [...this.#arrivals].slice(connections)
  }

  /** Whether one more may come. */
  hasRoom({ connections }: AccountLimits): boolean {
    return connections < 0 || this.size < connections
  }

  takeSeat(seat: Member): void {
    this.#arrivals.add(seat)
    this.connectionsEver++
  }

  leaveSeat(seat: Member): boolean {
    return this.#arrivals.delete(seat)
  }

  add(connection: ClientConnection): void {
    this.connections.add(connection)
    this.takeSeat(connection)
    this.#count(connection, -1)
  }

  remove(connection: ClientConnection): boolean {
    if (!this.connections.delete(connection)) return false
    this.leaveSeat(connection)
    this.#count(connection, 1)
    return true
  }

  totals(): AccountTotals {
    let inMessages = this.#inMessages
    let inBytes = this.#inBytes
    let outMessages = this.#outMessages
    let outBytes = this.#outBytes
    for (const { inlet, outlet } of this.connections) {
      inMessages += inlet.receivedMessages
      inBytes += inlet.receivedBytes
      outMessages += outlet.deliveredMessages
      outBytes += outlet.deliveredBytes
    }
    return {
      connections: this.size,
      connectionsEver: this.connectionsEver,
      slowConsumers: this.slowConsumers,
      inMessages,
      inBytes,
      outMessages,
      outBytes,
    }
  }

  /** Who comes from another account has counted there: that is taken off here, and added as it leaves. */
  #count({ inlet, outlet }: ClientConnection, sign: 1 | -1): void {
    this.#inMessages += sign * inlet.receivedMessages
    this.#inBytes += sign * inlet.receivedBytes
    this.#outMessages += sign * outlet.deliveredMessages
    this.#outBytes += sign * outlet.deliveredBytes
  }
}
