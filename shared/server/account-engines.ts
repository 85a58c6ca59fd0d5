import type { AccountSpace } from '../broker/index.ts'
import type { CoreConfig } from '../config/index.ts'
import type { Log } from '../log/index.ts'
import { PetioleError } from '../runtime/index.ts'
import type { Store } from '../store/index.ts'
import { StreamEngine, UNLIMITED } from '../stream/index.ts'
import { SERVER_VERSION } from '../wire/index.ts'
import type { Machine } from './core.ts'
import { SpaceStreamPort } from './space-stream-port.ts'

export interface AccountEnginesParts {
  readonly machine: Machine
  readonly log: Log
  readonly serverName: string
  /** undefined: JetStream is off. */
  readonly store: Store | undefined
  readonly space: (account: string) => AccountSpace
  readonly nextPeerId: () => number
}

/** The streams of each account that may have some. */
export class AccountEngines {
  readonly #parts: AccountEnginesParts
  readonly #engines = new Map<string, StreamEngine>()

  constructor(parts: AccountEnginesParts) {
    this.#parts = parts
  }

  get all(): ReadonlyMap<string, StreamEngine> {
    return this.#engines
  }

  /** Throws PETIOLE_NO_STORE when JetStream is off: for parts that cannot do without. */
  of(account: string): StreamEngine {
    const engine = this.#engines.get(account)
    if (engine !== undefined) return engine
    throw new PetioleError(
      'PETIOLE_NO_STORE',
      this.#parts.store === undefined
        ? 'this needs a store: add `jetstream { store_dir: "…" }` to the configuration'
        : `there is no account ${account} with JetStream in the configuration`,
    )
  }

  /** Recovers the streams of the accounts that have none at work yet: at the start, and after a reload. */
  async start(config: CoreConfig): Promise<void> {
    const { store } = this.#parts
    if (store === undefined) return
    for (const { name, jetstream } of config.accounts) {
      if (!jetstream || this.#engines.has(name)) continue
      const engine = this.#make(name, store, config)
      this.#engines.set(name, engine)
      await engine.start()
    }
  }

  async drain(): Promise<void> {
    await Promise.all([...this.#engines.values()].map((engine) => engine.drain()))
  }

  async destroy(): Promise<void> {
    await Promise.all([...this.#engines.values()].map((engine) => engine.destroy()))
  }

  #make(account: string, store: Store, { jetstream }: CoreConfig): StreamEngine {
    const { machine, log, serverName, space, nextPeerId } = this.#parts
    return new StreamEngine({
      account,
      store,
      port: new SpaceStreamPort(space(account), nextPeerId()),
      clock: machine.clock,
      random: machine.random,
      log: log.child({ part: 'streams', account }),
      domain: jetstream.domain,
      serverName,
      serverVersion: SERVER_VERSION,
      limits: { ...UNLIMITED, storageBytesMax: jetstream.max_file },
    })
  }
}
