import type { AccountBook } from '../shared/account/index.ts'
import type { ConnectionFacts } from '../shared/monitor/index.ts'
import type { Clock } from '../shared/runtime/index.ts'
import type { Clients } from './clients.ts'
import {
  type ClientEntry,
  type MqttDirectory,
  type Page,
  type PageQuery,
  type RetainedEntry,
  type SessionEntry,
  takePage,
} from './operations/index.ts'
import { type ClientConnection, ENDING } from './session/index.ts'

const NOTHING: Page<never> = { entries: [], total: 0, next: null }

export interface DirectoryParts {
  readonly clock: Clock
  readonly book: AccountBook
  readonly clients: Clients
}

/** What operators see of a front door: made when they ask, from what its parts know. */
export class DoorDirectory implements MqttDirectory {
  readonly #parts: DirectoryParts

  constructor(parts: DirectoryParts) {
    this.#parts = parts
  }

  clients(query: PageQuery): Page<ClientEntry> {
    const nowMs = this.#parts.clock.wallMs()
    return takePage(
      this.#connected(query),
      query,
      ({ facts }) => facts && clientEntry(facts, nowMs),
    )
  }

  sessions(_query: PageQuery): Page<SessionEntry> {
    return NOTHING
  }

  retained(_query: PageQuery): Promise<Page<RetainedEntry>> {
    return Promise.resolve(NOTHING)
  }

  accountsOf(clientId: string): string[] {
    const { book, clients } = this.#parts
    const accounts = [...book.accounts()].map(({ name }) => name)
    return accounts.filter((account) => clients.find(account, clientId) !== undefined)
  }

  kick(account: string, clientId: string): boolean {
    const client = this.#parts.clients.find(account, clientId)
    client?.end(ENDING.kicked)
    return client !== undefined
  }

  endSession(account: string, clientId: string): Promise<boolean> {
    return Promise.resolve(this.kick(account, clientId))
  }

  removeRetained(_account: string, _topic: string): Promise<boolean> {
    return Promise.resolve(false)
  }

  *#connected({ account, clientId }: PageQuery): Generator<ClientConnection> {
    const { clients } = this.#parts
    if (clientId === '') {
      yield* clients.connected(account)
      return
    }
    for (const name of account === undefined ? this.accountsOf(clientId) : [account]) {
      const client = clients.find(name, clientId)
      if (client !== undefined) yield client
    }
  }
}

function clientEntry(facts: ConnectionFacts, nowMs: number): ClientEntry {
  return {
    account: facts.account,
    client_id: facts.mqttClient ?? '',
    cid: facts.id,
    user: facts.user,
    ip: facts.ip,
    port: facts.port,
    connected_at: new Date(facts.startedMs).toISOString(),
    idle_s: Math.max(0, Math.round((nowMs - facts.lastActivityMs) / 1000)),
    subscriptions: facts.subscriptions,
    in_msgs: facts.inMessages,
    in_bytes: facts.inBytes,
    out_msgs: facts.outMessages,
    out_bytes: facts.outBytes,
    pending_bytes: facts.pendingBytes,
  }
}
