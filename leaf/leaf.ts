import type { LeafConfig } from '../shared/config/index.ts'
import type { Log } from '../shared/log/index.ts'
import {
  type DurableOptions,
  type FrontDoor,
  type Machine,
  ServerCore,
  type ServerPorts,
  type UplinkRules,
} from '../shared/server/index.ts'
import type { Store } from '../shared/store/index.ts'
import { isFromLeaf } from '../shared/sync/index.ts'
import { Buffers } from './buffers/index.ts'
import { HubTaughtClock } from './hub-taught-clock.ts'
import { FleetReporter, Outbox } from './outbox/index.ts'

export interface LeafOptions extends DurableOptions {
  readonly config: LeafConfig
  readonly machine: Machine
  readonly log: Log
  readonly version: string
  readonly frontDoors: readonly FrontDoor[]
  /** See `ServerCoreOptions`. */
  readonly reload?: () => Promise<void>
}

const DEFAULT_ACCOUNT = '$G'
/** A leaf whose clock is further off than this is told so: its records carry that time. */
const CLOCK_OFF_MAX_MS = 60_000

/** What a leaf adds to the core when it has a store: buffers, and what brings them to their hub. */
interface SyncParts {
  readonly buffers: Buffers
  readonly outbox: Outbox
  readonly reporter: FleetReporter
}

/**
 * The leaf: the core, its buffers, the uplinks to its hub, and the outbox that drains the buffers over
 * them. The link may be down for as long as it likes: nothing here waits for it.
 */
export class Leaf {
  readonly core: ServerCore
  readonly #parts: SyncParts | undefined

  private constructor(core: ServerCore, parts: SyncParts | undefined) {
    this.core = core
    this.#parts = parts
  }

  /** Resolves when every port is open, whether or not a hub is in sight. Whatever fails, nothing is left open. */
  static async start(options: LeafOptions): Promise<Leaf> {
    const { config } = options
    let parts: SyncParts | undefined
    const clock = new HubTaughtClock(options.machine.clock)
    const core = await ServerCore.open({
      ...options,
      machine: { ...options.machine, clock },
      role: 'leaf',
      blocked: () => parts?.outbox.blocked ?? [],
      isConfined: (subscription) => parts?.buffers.owns(subscription) ?? false,
      beforeStreams: (opened) => {
        parts = makeSync(opened, config, opened.store, clock)
      },
    })
    try {
      await parts?.buffers.start()
      const rules = uplinkRules(core, parts)
      for (const remote of config.leafnodes.remotes) core.uplink(remote, rules)
      await core.listen()
      parts?.outbox.start()
      parts?.reporter.start()
      for (const uplink of core.uplinks) uplink.start()
      return new Leaf(core, parts)
    } catch (error) {
      await core.destroy()
      throw error
    }
  }

  get ports(): ServerPorts | undefined {
    return this.core.ports
  }

  /** Messages of all buffers that no hub is known to have yet. */
  get backlogMessages(): number {
    const buffers = this.#parts?.buffers.all ?? []
    return buffers.reduce((sum, buffer) => sum + buffer.backlogMessages, 0)
  }

  /** See `ServerCore.prepareReload`; remotes that are new are dialled, links to those that are gone end. */
  async reload(config: LeafConfig): Promise<void> {
    const core = await this.core.prepareReload(config)
    await core.commit()
    const rules = uplinkRules(this.core, this.#parts)
    await this.core.links.exchangeRemotes(config.leafnodes.remotes, rules)
  }

  /** Stays with what is on disk: the backlog goes to the hub after the next start. */
  async drain(): Promise<void> {
    await this.#parts?.outbox.drain()
    await this.#parts?.reporter.drain()
    await this.core.drain()
    await this.#parts?.buffers.drain()
  }

  async destroy(): Promise<void> {
    await this.#parts?.outbox.destroy()
    await this.#parts?.reporter.destroy()
    await this.core.destroy()
  }
}

function uplinkRules(core: ServerCore, parts: SyncParts | undefined): UplinkRules {
  return {
    withhold: (subject) => parts?.buffers.isBuffered(subject) ?? false,
    // What comes back under our own name, our subscribers have had already.
    acceptsInbound: ({ headers }) => !isFromLeaf(headers, core.serverName),
  }
}

function makeSync(
  core: ServerCore,
  config: LeafConfig,
  store: Store | undefined,
  clock: HubTaughtClock,
): SyncParts | undefined {
  if (store === undefined) return undefined
  const { random } = core.machine
  const log = core.log.child({ part: 'sync' })
  // Buffers and links belong together: a buffer drains over the link of its account.
  const account = config.leafnodes.remotes[0]?.account ?? DEFAULT_ACCOUNT
  const buffers = new Buffers(
    { configs: config.buffers, payloadBytesMax: core.linkPayloadBytesMax },
    {
      engine: {
        ensure: (request, mode) =>
          core.engine(account).ensure({ ...request, subjects: [...request.subjects] }, mode),
        // An operator's account may have no streams, and a leaf without buffers needs none.
        streams: () => core.engines.get(account)?.streams() ?? [],
        remove: (name) => core.engine(account).remove(name),
      },
      store,
      space: core.space(account),
      peerId: core.nextPeerId(),
      clock,
      random,
      log,
    },
  )
  const identity = {
    name: core.serverName,
    id: core.identity.id,
    boot: core.boot,
    version: core.version,
    region: config.region,
  }
  const client = core.client(account)
  const outbox = new Outbox(identity, {
    client,
    store,
    buffers,
    clock,
    random,
    log,
    onHubTime: (wallMs) => warnOfClock(clock.learn(wallMs), log),
  })
  const reporter = new FleetReporter(identity, { client, outbox, buffers, store, clock, log })
  return { buffers, outbox, reporter }
}

function warnOfClock(offMs: number, log: Log): void {
  if (Math.abs(offMs) < CLOCK_OFF_MAX_MS) return
  const offS = Math.round(offMs / 1_000)
  log.warn({ offS }, "this clock is off the hub's: records carry the time of this clock")
}
