import { ROOT_ACCOUNT } from '../shared/config/index.ts'
import type { Log } from '../shared/log/index.ts'
import type { Core } from '../shared/server/index.ts'
import type { Clients } from './clients.ts'
import type { MqttCounters } from './counters.ts'
import { DoorDirectory } from './door-directory.ts'
import type { DurableLogs } from './durable/index.ts'
import type { MqttLimits } from './limits.ts'
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
    const isKept = limits().retainedMax > 0
    return this.#sysTopics.sourceOf(account, isKept ? kept().retained?.of(account) : undefined)
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
