import type { HubConfig } from '../shared/config/index.ts'
import type { Log } from '../shared/log/index.ts'
import { jsonResponse } from '../shared/monitor/index.ts'
import {
  type DurableOptions,
  type FrontDoor,
  type Machine,
  ServerCore,
  type ServerPorts,
} from '../shared/server/index.ts'
import { isFromLeaf } from '../shared/sync/index.ts'
import { AccountFleets } from './account-fleets.ts'
import { type AuditLine, type FleetStatus, fleetMetrics } from './fleet/index.ts'
import { FleetStreams } from './fleet-streams.ts'
import { isConfinedToHub, type PeerMesh } from './peers/index.ts'
import { makeMesh, peerSources, urlsOf } from './supercluster.ts'

export interface HubOptions extends DurableOptions {
  readonly config: HubConfig
  readonly machine: Machine
  readonly log: Log
  readonly version: string
  readonly frontDoors: readonly FrontDoor[]
  /** See `ServerCoreOptions`. */
  readonly reload?: () => Promise<void>
}

/** What a hub adds to the core when it has a store: the fleet's services, and the streams of its leaves' records. */
interface FleetParts {
  readonly fleets: AccountFleets
  readonly streams: FleetStreams
}

/**
 * The hub: the core, the streams that leaves' records go to, ingest, and the fleet. Without a store
 * it is a messaging server only, and says so.
 */
export class Hub {
  readonly core: ServerCore
  readonly #parts: FleetParts | undefined
  readonly #mesh: PeerMesh | undefined

  private constructor(core: ServerCore, parts: FleetParts | undefined, mesh: PeerMesh | undefined) {
    this.core = core
    this.#parts = parts
    this.#mesh = mesh
  }

  /** Resolves when every port is open. Whatever fails, nothing is left open. */
  static async start(options: HubOptions): Promise<Hub> {
    const { config, log } = options
    // They live in the store, which the core opens; links come after both.
    let parts: FleetParts | undefined
    let mesh: PeerMesh | undefined
    const core = await ServerCore.open({
      ...options,
      role: 'hub',
      isConfined: isConfinedToHub,
      peers: peerSources(() => mesh),
      admit: (leaf) => parts?.fleets.admit(leaf),
      onAttached: (leaf) => {
        parts?.fleets.attached(leaf)
        if (leaf.hello.isVerified) mesh?.leafAttached(leaf.hello)
      },
      onDetached: (leaf) => parts?.fleets.detached(leaf),
      // What a leaf brought here itself, live interest must not take back there.
      withhold: (leaf, { headers }) => leaf.isPetiole && isFromLeaf(headers, leaf.name),
      // What is known, without asking the leaves: scrapes come often.
      metrics: [() => (parts === undefined ? [] : fleetMetrics(parts.fleets.status()))],
      monitorRoutes: new Map([
        [
          '/fleetz',
          {
            title: 'Fleet',
            handler: async (request) =>
              jsonResponse(request, 200, (await parts?.fleets.freshStatus()) ?? { leaves: [] }),
          },
        ],
      ]),
    })
    try {
      parts = await startFleet(core, config)
      if (parts === undefined) log.warn({}, 'no store: leaves cannot sync here, see jetstream')
      mesh = makeMesh(core, config)
      core.onLameDuck(() => mesh?.lameDuck())
      const ports = await core.listen()
      await mesh?.start()
      mesh?.tell(urlsOf(config, ports))
      return new Hub(core, parts, mesh)
    } catch (error) {
      await parts?.streams.destroy()
      await parts?.fleets.destroy()
      await mesh?.destroy()
      await core.destroy()
      throw error
    }
  }

  get ports(): ServerPorts | undefined {
    const { ports } = this.core
    return ports && { ...ports, cluster: this.#mesh?.clusterAddress }
  }

  /** What `petiole fleet status` shows; undefined on a hub without a store. */
  async status(): Promise<FleetStatus | undefined> {
    return this.#parts?.fleets.freshStatus()
  }

  /** The ledger added up, line by line: what must balance. */
  audit(): readonly AuditLine[] {
    return this.#parts?.fleets.audit() ?? []
  }

  /** See `ServerCore.prepareReload`; certificates between hubs are read again, routes and the fleet's streams exchanged. */
  async reload(config: HubConfig): Promise<void> {
    const mesh = this.#mesh?.prepareReload(config)
    const core = await this.core.prepareReload(config)
    try {
      // The last that may be refused: a stream's subjects may be those of one that somebody has made.
      await this.#parts?.streams.exchange(config.fleet)
    } catch (error) {
      await core.cancel()
      throw error
    }
    await core.commit()
    mesh?.()
  }

  async drain(): Promise<void> {
    await this.#parts?.streams.drain()
    await this.#parts?.fleets.drain()
    this.#mesh?.lameDuck()
    await this.core.drain()
    // The last messages of clients still reach other hubs.
    await this.#mesh?.drain()
  }

  async destroy(): Promise<void> {
    await this.#parts?.streams.destroy()
    await this.#parts?.fleets.destroy()
    await this.#mesh?.destroy()
    await this.core.destroy()
  }
}

async function startFleet(core: ServerCore, config: HubConfig): Promise<FleetParts | undefined> {
  if (core.store === undefined) return undefined
  const streams = new FleetStreams(core, config.fleet)
  await streams.start()
  const fleets = new AccountFleets(core, core.store, config.jetstream.domain || core.serverName)
  await fleets.start()
  return { fleets, streams }
}
