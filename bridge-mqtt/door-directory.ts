import type { AccountBook } from '../shared/account/index.ts'
import type { Clock } from '../shared/runtime/index.ts'
import type { Clients } from './clients.ts'
import { LEVEL, type Level } from './codec/index.ts'
import type { Kept } from './door-operations.ts'
import { type DurableSession, NEVER_EXPIRES } from './durable/index.ts'
import { PAGE_TIME_MAX_MS } from './limits.ts'
import {
  type ClientEntry,
  type MqttDirectory,
  type Page,
  type PageQuery,
  type RetainedEntry,
  type SessionEntry,
  takePage,
} from './operations/index.ts'
import { RetainedListing } from './retained-listing.ts'
import { type ClientConnection, ENDING } from './session/index.ts'
import type { Translator } from './translator.ts'

export interface DirectoryParts {
  readonly clock: Clock
  readonly book: AccountBook
  readonly clients: Clients
  readonly translator: Translator
  readonly kept: () => Kept
}

/** What operators see of a front door: made when they ask, from what its parts know. */
export class DoorDirectory implements MqttDirectory {
  readonly #parts: DirectoryParts
  readonly #retained: RetainedListing

  constructor(parts: DirectoryParts) {
    this.#parts = parts
    const { clock, translator } = parts
    this.#retained = new RetainedListing(clock, translator, () => parts.kept().retained)
  }

  clients(query: PageQuery): Page<ClientEntry> {
    const nowMs = this.#parts.clock.wallMs()
    return takePage(
      this.#connected(query),
      query,
      (client) => clientEntry(client, nowMs),
      this.#timer(),
    )
  }

  sessions(query: PageQuery): Page<SessionEntry> {
    const nowMs = this.#parts.clock.monotonicMs()
    return takePage(
      this.#kept(query),
      query,
      ([account, session]) => sessionEntry(account, session, nowMs),
      this.#timer(),
    )
  }

  retained(query: PageQuery): Promise<Page<RetainedEntry>> {
    return this.#retained.page(query)
  }

  accountsOf(clientId: string): string[] {
    const { book, clients } = this.#parts
    const accounts = [...book.accounts()].map(({ name }) => name)
    return accounts.filter(
      (account) =>
        clients.find(account, clientId) !== undefined ||
        this.#sessionOf(account, clientId) !== undefined,
    )
  }

  kick(account: string, clientId: string): boolean {
    const client = this.#parts.clients.find(account, clientId)
    client?.end(ENDING.kicked)
    return client !== undefined
  }

  async endSession(account: string, clientId: string): Promise<boolean> {
    // First: its connection leaves the session, and the will that waits there is published at the end.
    const isKicked = this.kick(account, clientId)
    const session = this.#sessionOf(account, clientId)
    if (session === undefined) return isKicked
    await new Promise<void>((resolve, reject) => {
      session.end((error) => (error === undefined ? resolve() : reject(error)))
    })
    return true
  }

  checkTopic(topic: string): void {
    this.#retained.checkTopic(topic)
  }

  removeRetained(account: string, topic: string): Promise<boolean> {
    return this.#retained.remove(account, topic)
  }

  #sessionOf(account: string, clientId: string): DurableSession | undefined {
    return this.#parts.kept().logs?.all.get(account)?.sessions.get(clientId)
  }

  /** Whether a page has taken so long that the rest must wait for the next one. */
  #timer(): () => boolean {
    const { clock } = this.#parts
    const startedMs = clock.monotonicMs()
    return () => clock.monotonicMs() - startedMs > PAGE_TIME_MAX_MS
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

  *#kept({ account, clientId }: PageQuery): Generator<readonly [string, DurableSession]> {
    for (const [name, { sessions }] of this.#parts.kept().logs?.all ?? []) {
      if (account !== undefined && account !== name) continue
      const only = clientId === '' ? undefined : sessions.get(clientId)
      if (only !== undefined) yield [name, only]
      if (clientId !== '') continue
      for (const session of sessions.list()) yield [name, session]
    }
  }
}

const VERSIONS: ReadonlyMap<Level, string> = new Map([
  [LEVEL.v31, '3.1'],
  [LEVEL.v311, '3.1.1'],
  [LEVEL.v5, '5'],
])

function clientEntry({ facts, level }: ClientConnection, nowMs: number): ClientEntry | undefined {
  if (facts === undefined || level === undefined) return undefined
  return {
    account: facts.account,
    client_id: facts.mqttClient ?? '',
    version: VERSIONS.get(level) ?? '',
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

function sessionEntry(account: string, session: DurableSession, nowMs: number): SessionEntry {
  const { leftAtMs, expirySeconds } = session
  return {
    account,
    client_id: session.clientId,
    connected: session.isOnline,
    created_at: new Date(session.createdMs).toISOString(),
    away_s: leftAtMs === undefined ? null : Math.max(0, Math.round((nowMs - leftAtMs) / 1000)),
    expiry_s: expirySeconds === NEVER_EXPIRES ? null : expirySeconds,
    subscriptions: session.filters.size,
    inflight: session.inflight,
    backlog_msgs: session.backlog,
  }
}
