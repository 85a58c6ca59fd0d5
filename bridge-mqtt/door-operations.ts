import { ROOT_ACCOUNT } from '../shared/config/index.ts'
import type { Log } from '../shared/log/index.ts'
import type { Core } from '../shared/server/index.ts'
import type { Clients } from './clients.ts'
import type { MqttCounters } from './counters.ts'
import { DoorDirectory } from './door-directory.ts'
import type { DurableLogs } from './durable/index.ts'
import type { MqttLimits } from './limits.ts'
import type { KeptTotals } from './mqtt-metrics.ts'
import { OperationsDesk } from './operations/index.ts'
import type { RetainedStores } from './retained/index.ts'
import { FigureBook, type KeptFigures, type ReplaySource, SysTopics } from './sys-topics/index.ts'
import type { Tallies } from './tallies.ts'
import type { Translator } from './translator.ts'

/** What is kept on disk; nothing of it before it was brought back. */
export interface Kept {
  readonly logs: DurableLogs | undefined
  readonly retained: RetainedStores | undefined
}

export interface DoorOperationsParts {
  readonly core: Core
  readonly log: Log
  readonly clients: Clients
  readonly tallies: Tallies
  readonly counters: MqttCounters
  readonly translator: Translator
  readonly limits: () => MqttLimits
  readonly kept: () => Kept
}

const NOTHING_KEPT: KeptTotals = {
  sessions: 0,
  sessionsOffline: 0,
  sessionsExpired: 0,
  backlogMessages: 0,
  backlogBytes: 0,
  retainedMessages: 0,
  retainedBytes: 0,
}

/** What a front door shows to operators and dashboards, and lets them do. */
export class DoorOperations {
  readonly #parts: DoorOperationsParts
  readonly #desk: OperationsDesk
  readonly #sysTopics: SysTopics

  constructor(parts: DoorOperationsParts) {
    const { core, log, clients, kept, translator } = parts
    const { clock } = core.machine
    const { book } = core.accounts
    this.#parts = parts
    const directory = new DoorDirectory({ clock, book, clients, kept, translator })
    this.#desk = new OperationsDesk({ core, directory, log })
    this.#sysTopics = sysTopics(parts)
  }

  start(): void {
    this.#desk.start()
    this.#sysTopics.start()
  }

  /** Idempotent. */
  stop(): void {
    this.#desk.stop()
    this.#sysTopics.stop()
  }

  /** The limits are other ones now. */
  reconfigure(): void {
    this.#sysTopics.reconfigure()
  }

  /** What a new subscription in the account gets at once. */
  replaySource(account: string): ReplaySource {
    const { kept, limits } = this.#parts
    return this.#sysTopics.sourceOf(account, () =>
      limits().retainedMax > 0 ? kept().retained?.of(account) : undefined,
    )
  }

  /** What outlives connections, of all accounts. */
  totals(): KeptTotals {
    const { logs, retained } = this.#parts.kept()
    const totals = { ...NOTHING_KEPT }
    for (const { stats } of logs?.all.values() ?? []) {
      totals.sessions += stats.sessions
      totals.sessionsOffline += stats.sessions - stats.online
      totals.sessionsExpired += stats.expired
      totals.backlogMessages += stats.messages
      totals.backlogBytes += stats.bytes
    }
    for (const { count, bytes } of retained?.all.values() ?? []) {
      totals.retainedMessages += count
      totals.retainedBytes += bytes
    }
    return totals
  }

  /** For `/varz`, with names as those of its other fields. */
  report(): object {
    const { counters } = this.#parts
    const totals = this.totals()
    return {
      clients: counters.clients,
      subscriptions: counters.filters,
      sessions: totals.sessions,
      sessions_offline: totals.sessionsOffline,
      backlog_msgs: totals.backlogMessages,
      backlog_bytes: totals.backlogBytes,
      retained_msgs: totals.retainedMessages,
      retained_bytes: totals.retainedBytes,
    }
  }
}

function sysTopics(parts: DoorOperationsParts): SysTopics {
  const { core, clients, tallies, counters, limits, kept } = parts
  const { clock } = core.machine
  const { book } = core.accounts
  const figures = new FigureBook({
    clock,
    tallies,
    clients: () => clients.connected(),
    *sessions() {
      for (const [account, { sessions }] of kept().logs?.all ?? []) {
        for (const session of sessions.list()) yield [account, session] as const
      }
    },
    kept: () => keptByAccount(kept()),
    dropped: () => counters.droppedQos0 + counters.droppedQos1,
    heapBytes: () => process.memoryUsage().heapUsed,
  })
  return new SysTopics({
    clock,
    book,
    figures,
    space: (account) => core.space(account),
    version: core.version,
    intervalMs: () => limits().sysIntervalMs,
    peerId: core.nextPeerId(),
    seesProcess: (account) => account === ROOT_ACCOUNT || account === book.systemAccount,
  })
}

function* keptByAccount({ logs, retained }: Kept): Generator<readonly [string, KeptFigures]> {
  for (const [account, { stats }] of logs?.all ?? []) {
    const { messages: storedMessages, bytes: storedBytes, expired: clientsExpired } = stats
    yield [account, { clientsExpired, retained: 0, storedMessages, storedBytes }]
  }
  for (const [account, { count, bytes }] of retained?.all ?? []) {
    const kept = { clientsExpired: 0, retained: count, storedMessages: count, storedBytes: bytes }
    yield [account, kept]
  }
}
