import { ROOT_ACCOUNT } from '../shared/config/index.ts'
import type { Log } from '../shared/log/index.ts'
import type { Core } from '../shared/server/index.ts'
import type { Clients } from './clients.ts'
import type { MqttCounters } from './counters.ts'
import { DoorDirectory } from './door-directory.ts'
import type { MqttLimits } from './limits.ts'
import { OperationsDesk } from './operations/index.ts'
import { FigureBook, SysTopics } from './sys-topics/index.ts'
import type { Tallies } from './tallies.ts'

export interface DoorOperationsParts {
  readonly core: Core
  readonly log: Log
  readonly clients: Clients
  readonly tallies: Tallies
  readonly counters: MqttCounters
  readonly limits: () => MqttLimits
}

/** What a front door shows to operators and dashboards, and lets them do. */
export class DoorOperations {
  readonly #desk: OperationsDesk
  readonly #sysTopics: SysTopics

  constructor(parts: DoorOperationsParts) {
    const { core, log, clients } = parts
    const { clock } = core.machine
    const directory = new DoorDirectory({ clock, book: core.accounts.book, clients })
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
}

function sysTopics({ core, clients, tallies, counters, limits }: DoorOperationsParts): SysTopics {
  const { clock } = core.machine
  const { book } = core.accounts
  const figures = new FigureBook({
    clock,
    tallies,
    clients: () => clients.connected(),
    kept: () => [],
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
