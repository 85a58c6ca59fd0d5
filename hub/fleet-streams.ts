import { isDeepStrictEqual } from 'node:util'
import { GLOBAL_ACCOUNT } from '../shared/account/index.ts'
import type { FleetConfig, FleetStreamConfig } from '../shared/config/index.ts'
import { Tasks } from '../shared/runtime/index.ts'
import type { ServerCore } from '../shared/server/index.ts'
import type { StreamEngine } from '../shared/stream/index.ts'

const NS_PER_MS = 1_000_000

type ByAccount = ReadonlyMap<string, readonly FleetStreamConfig[]>

/**
 * The streams that the configuration wants for what leaves bring, in each account that it names. An operator's
 * account may not be known yet: it gets them when it is.
 */
export class FleetStreams {
  readonly #core: ServerCore
  readonly #tasks: Tasks
  /** Those that have what was wanted when they started. */
  readonly #served = new WeakSet<StreamEngine>()
  #wanted: ByAccount
  #stopFollowing: () => void = () => {}

  constructor(core: ServerCore, fleet: FleetConfig) {
    this.#core = core
    this.#wanted = byAccount(fleet)
    const what = 'streams of the fleet could not be made'
    this.#tasks = new Tasks((name, error) => core.log.error({ name, err: error }, what))
  }

  /** Rejects when an account that is known cannot have its streams. */
  async start(): Promise<void> {
    for (const account of this.#wanted.keys()) await this.#serve(account)
    this.#stopFollowing = this.#core.accounts.book.onChange((after) => {
      if (after === undefined || !this.#wanted.has(after.name)) return
      this.#tasks.run(`fleet-streams ${after.name}`, () => this.#serve(after.name))
    })
  }

  /**
   * Goes on with those of another configuration. All are judged before the first is touched: only a failing disk
   * leaves some of them. Streams that are as they were before are left alone: somebody may have changed them since.
   * What the configuration has no longer stays: it may hold what nobody else has.
   */
  async exchange(fleet: FleetConfig): Promise<void> {
    const before = this.#wanted
    const after = byAccount(fleet)
    const changes: { engine: StreamEngine; requests: ReturnType<typeof streamRequest>[] }[] = []
    for (const [account, streams] of after) {
      const engine = await this.#core.settledEngine(account)
      const known = before.get(account) ?? []
      const changed = streams.filter((it) => !known.some((other) => isDeepStrictEqual(it, other)))
      if (engine !== undefined) changes.push({ engine, requests: changed.map(streamRequest) })
    }
    for (const { engine, requests } of changes) engine.judgeAll(requests)
    for (const { engine, requests } of changes) {
      await engine.ensureAll(requests)
      this.#served.add(engine)
    }
    this.#wanted = after
  }

  async drain(): Promise<void> {
    this.#stopFollowing()
    await this.#tasks.drain()
  }

  async destroy(): Promise<void> {
    this.#stopFollowing()
    await this.#tasks.destroy()
  }

  async #serve(account: string): Promise<void> {
    const engine = await this.#core.settledEngine(account)
    if (engine === undefined || this.#served.has(engine)) return
    await engine.ensureAll((this.#wanted.get(account) ?? []).map(streamRequest))
    this.#served.add(engine)
  }
}

function byAccount({ streams, accounts }: FleetConfig): ByAccount {
  const named = accounts.map((account) => [account.name, account.streams] as const)
  return new Map([[GLOBAL_ACCOUNT, streams], ...named])
}

/** JetStream's keys and units: nanoseconds, and -1 for no limit. */
function streamRequest(config: FleetStreamConfig) {
  return {
    name: config.name,
    description: config.description,
    subjects: [...config.subjects],
    max_age: config.max_age * NS_PER_MS,
    max_bytes: config.max_bytes || -1,
    max_msgs: config.max_msgs || -1,
    max_msgs_per_subject: config.max_msgs_per_subject || -1,
    max_msg_size: config.max_msg_size || -1,
    duplicate_window: config.duplicate_window * NS_PER_MS,
    discard: config.discard,
  }
}
