import { LocalClient } from '../shared/client/index.ts'
import type { LeafHello } from '../shared/link/index.ts'
import type { ServerCore } from '../shared/server/index.ts'
import type { StateTable, Store } from '../shared/store/index.ts'
import type { StreamEngine } from '../shared/stream/index.ts'
import {
  type AccountLabel,
  type AuditLine,
  audit,
  type DeskAnswers,
  Fleet,
  FleetDesk,
  Registry,
} from './fleet/index.ts'
import { type CommitRoom, Ingest } from './ingest/index.ts'

export interface AccountFleetOptions {
  readonly account: string
  readonly core: ServerCore
  readonly store: Store
  readonly engine: StreamEngine
  /** The account's own. */
  readonly marks: StateTable
  readonly home: string
  readonly room: CommitRoom
  /** Nothing for the default account. */
  readonly label: AccountLabel
  readonly knowsElsewhere: (buffer: string, incarnation: string) => boolean
  readonly answers: DeskAnswers
  /** It answers for all accounts. */
  readonly isForAll: boolean
}

/**
 * The fleet's services in one account: what leaves whose links are bound to it find there. It has a client, a
 * ledger and a registry of its own, and the account's streams, so that no leaf meets one of another account.
 */
export class AccountFleet {
  readonly account: string
  readonly engine: StreamEngine
  readonly registry: Registry
  readonly ingest: Ingest
  readonly fleet: Fleet
  readonly #label: AccountLabel
  readonly #client: LocalClient
  readonly #desk: FleetDesk

  constructor(options: AccountFleetOptions) {
    const { account, core, store, engine, marks, home, room, label } = options
    const { clock, random } = core.machine
    const isDefault = label.account === undefined
    const log = isDefault ? core.log : core.log.child({ account })
    this.account = account
    this.engine = engine
    this.#label = label
    this.#client = new LocalClient(core.space(account), core.nextPeerId(), clock, random)
    this.registry = new Registry(marks, clock)
    this.ingest = new Ingest(
      {
        home,
        payloadBytesMax: core.linkPayloadBytesMax,
        streamsKey: isDefault ? 'fleet.streams' : 'fleet.accounts, or make one in the account',
      },
      {
        ...{ client: this.#client, store, marks, streams: engine, room },
        ...{ admission: this.registry, clock, log: log.child({ part: 'ingest' }) },
        knowsElsewhere: options.knowsElsewhere,
      },
    )
    this.fleet = new Fleet({
      ...{ client: this.#client, registry: this.registry, ledger: this.ingest, label },
      ...{ clock, log: log.child({ part: 'fleet' }) },
    })
    this.#desk = new FleetDesk({
      ...{ client: this.#client, log: log.child({ part: 'fleet' }) },
      ...{ answers: options.answers, isForAll: options.isForAll },
    })
  }

  start(): void {
    this.ingest.start()
    this.fleet.start()
    this.#desk.start()
  }

  /** Why this leaf may not come in; undefined when it may. */
  admit(leaf: LeafHello): string | undefined {
    const admitted = this.registry.admit(leaf)
    return admitted.isAdmitted ? undefined : admitted.reason
  }

  audit(): AuditLine[] {
    return audit(this.ingest.book, this.#label.account)
  }

  /** Answers what it has taken, and takes nothing more. */
  async drain(): Promise<void> {
    await this.ingest.drain()
    this.fleet.close()
    await this.#desk.drain()
    await this.#client.drain()
  }

  async destroy(): Promise<void> {
    this.fleet.close()
    this.#client.destroy()
    await Promise.all([this.ingest.destroy(), this.#desk.destroy()])
  }
}
