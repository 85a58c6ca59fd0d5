import type { PeerTraffic } from '../../shared/monitor/index.ts'
import type { Clock } from '../../shared/runtime/index.ts'
import { CLIENTS_COUNTED_PER_TURN, FIGURES_AGE_MAX_MS } from '../limits.ts'
import type { Tallies } from '../tallies.ts'
import type { BrokerFigures, ProcessFigures } from './figures.ts'
import type { FigureSource } from './sys-topics.ts'

/** What is asked of a client that is connected. */
export interface CountedClient {
  readonly facts:
    | (PeerTraffic & {
        readonly account: string
        readonly subscriptions: number
        readonly mqtt?: { readonly sharedSubscriptions: number } | undefined
      })
    | undefined
}

/** What is asked of a session that outlives its connections. */
export interface CountedSession {
  readonly isOnline: boolean
  readonly filters: { readonly size: number }
  /** How many of them are shared. */
  readonly sharedCount: number
  readonly inflight: number
}

/** What an account keeps on disk. */
export interface KeptFigures {
  readonly clientsExpired: number
  readonly retained: number
  readonly storedMessages: number
  readonly storedBytes: number
}

export interface FigureBookParts {
  readonly clock: Clock
  readonly tallies: Tallies
  readonly clients: () => Iterable<CountedClient>
  readonly sessions: () => Iterable<readonly [account: string, session: CountedSession]>
  /** By account; nothing where nothing is kept. */
  readonly kept: () => Iterable<readonly [account: string, kept: KeptFigures]>
  /** Deliveries that were dropped, of all accounts: nobody counts them one by one. */
  readonly dropped: () => number
  /** Bytes that the process has on its heap. */
  readonly heapBytes: () => number
}

type Sums = { -readonly [Field in keyof BrokerFigures]: BrokerFigures[Field] }

/**
 * Figures by account, made when somebody asks: all clients are gone through, some thousand in a turn, and what comes
 * of it is good for a moment, so that many who subscribe at once cost one round.
 */
export class FigureBook implements FigureSource {
  readonly #parts: FigureBookParts
  readonly #startedMs: number
  #byAccount: ReadonlyMap<string, BrokerFigures> = new Map()
  #all: BrokerFigures = emptySums()
  #madeMs = Number.NEGATIVE_INFINITY
  #making: Promise<void> | undefined
  #heapBytesMax = 0

  constructor(parts: FigureBookParts) {
    this.#parts = parts
    this.#startedMs = parts.clock.monotonicMs()
  }

  async figuresOf(account: string | undefined): Promise<BrokerFigures> {
    if (this.#parts.clock.monotonicMs() - this.#madeMs >= FIGURES_AGE_MAX_MS) {
      this.#making ??= this.#make().finally(() => {
        this.#making = undefined
      })
      await this.#making
    }
    return account === undefined ? this.#all : (this.#byAccount.get(account) ?? emptySums())
  }

  process(): ProcessFigures {
    const heapBytes = this.#parts.heapBytes()
    this.#heapBytesMax = Math.max(this.#heapBytesMax, heapBytes)
    const uptimeMs = this.#parts.clock.monotonicMs() - this.#startedMs
    return { uptimeMs, heapBytes, heapBytesMax: this.#heapBytesMax }
  }

  async #make(): Promise<void> {
    const { clock, clients, dropped, kept, sessions, tallies } = this.#parts
    const byAccount = new Map<string, Sums>()
    const sumsOf = (account: string): Sums => {
      const known = byAccount.get(account) ?? emptySums()
      byAccount.set(account, known)
      return known
    }
    // First those who are gone: who goes from now on is not among them, and counted once at most.
    for (const [account, tally] of tallies) {
      const sums = sumsOf(account)
      sums.clientsMaximum = tally.maximum
      sums.connections = tally.ever
      addTraffic(sums, tally)
    }
    let counted = 0
    for (const { facts } of clients()) {
      if (facts !== undefined) {
        const sums = sumsOf(facts.account)
        addFilters(sums, facts.subscriptions, facts.mqtt?.sharedSubscriptions ?? 0)
        addTraffic(sums, facts)
      }
      if (++counted % CLIENTS_COUNTED_PER_TURN === 0) await nextTurn(clock)
    }
    for (const [account, session] of sessions()) {
      addSession(sumsOf(account), session)
      if (++counted % CLIENTS_COUNTED_PER_TURN === 0) await nextTurn(clock)
    }
    for (const [account, { connected }] of tallies) sumsOf(account).clientsConnected = connected
    for (const [account, figures] of kept()) add(sumsOf(account), figures)
    for (const [account, sums] of byAccount) keepUp(sums, this.#byAccount.get(account))
    const all = emptySums()
    for (const sums of byAccount.values()) add(all, sums)
    all.dropped = dropped()
    // They are nobody else's while all clients are of one account.
    if (tallies.size === 1) for (const sums of byAccount.values()) sums.dropped = all.dropped
    this.#byAccount = byAccount
    this.#all = all
    this.#madeMs = clock.monotonicMs()
  }
}

const SUMMED = [
  ...(['clientsConnected', 'clientsDisconnected', 'clientsMaximum', 'clientsExpired'] as const),
  ...(['subscriptions', 'sharedSubscriptions', 'retained', 'inflight'] as const),
  ...(['storedMessages', 'storedBytes', 'connections'] as const),
  ...(['receivedMessages', 'receivedBytes', 'sentMessages', 'sentBytes'] as const),
]

function emptySums(): Sums {
  return {
    ...{ clientsConnected: 0, clientsDisconnected: 0, clientsMaximum: 0, clientsExpired: 0 },
    ...{ subscriptions: 0, sharedSubscriptions: 0, retained: 0, inflight: 0 },
    ...{ storedMessages: 0, storedBytes: 0, connections: 0, dropped: undefined },
    ...{ receivedMessages: 0, receivedBytes: 0, sentMessages: 0, sentBytes: 0 },
  }
}

function addTraffic(sums: Sums, { inMessages, inBytes, outMessages, outBytes }: PeerTraffic): void {
  sums.receivedMessages += inMessages
  sums.receivedBytes += inBytes
  sums.sentMessages += outMessages
  sums.sentBytes += outBytes
}

/** Filters of who is here are counted with him. */
function addSession(sums: Sums, session: CountedSession): void {
  sums.inflight += session.inflight
  if (session.isOnline) return
  sums.clientsDisconnected++
  addFilters(sums, session.filters.size, session.sharedCount)
}

/** As mosquitto counts them: each is among the shared or among the others. */
function addFilters(sums: Sums, filters: number, shared: number): void {
  sums.subscriptions += filters - shared
  sums.sharedSubscriptions += shared
}

/** Who leaves while the others are counted may be missed this time: a sum never shrinks for it. */
function keepUp(sums: Sums, before: BrokerFigures | undefined): void {
  for (const field of ['receivedMessages', 'receivedBytes', 'sentMessages', 'sentBytes'] as const) {
    sums[field] = Math.max(sums[field], before?.[field] ?? 0)
  }
}

function add(sums: Sums, figures: Partial<BrokerFigures>): void {
  for (const field of SUMMED) sums[field] += figures[field] ?? 0
}

function nextTurn(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.soon(resolve))
}
