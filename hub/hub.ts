import { isDeepStrictEqual } from 'node:util'
import type { FleetStreamConfig, HubConfig } from '../shared/config/index.ts'
import type { LeafHello } from '../shared/link/index.ts'
import type { Log } from '../shared/log/index.ts'
import { jsonResponse } from '../shared/monitor/index.ts'
import {
  type DurableOptions,
  type FrontDoor,
  type Machine,
  ServerCore,
  type ServerPorts,
} from '../shared/server/index.ts'
import type { Store } from '../shared/store/index.ts'
import { isFromLeaf } from '../shared/sync/index.ts'
import {
  type AuditLine,
  audit,
  Fleet,
  type FleetStatus,
  fleetMetrics,
  Registry,
} from './fleet/index.ts'
import { Ingest } from './ingest/index.ts'
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

/** The fleet's services and streams live in the account that leaves attach to by default. */
const FLEET_ACCOUNT = '$G'
const NS_PER_MS = 1_000_000

/** What a hub adds to the core when it has a store: ingest, and the fleet's registry and status. */
interface FleetParts {
  readonly ingest: Ingest
  readonly fleet: Fleet
}

/**
 * The hub: the core, the streams that leaves' records go to, ingest, and the fleet. Without a store
 * it is a messaging server only, and says so.
 */
export class Hub {
  readonly core: ServerCore
  readonly #parts: FleetParts | undefined
  readonly #mesh: PeerMesh | undefined
  #streams: readonly FleetStreamConfig[]

  private constructor(
    core: ServerCore,
    { fleet }: HubConfig,
    parts: FleetParts | undefined,
    mesh: PeerMesh | undefined,
  ) {
    this.core = core
    this.#streams = fleet.streams
    this.#parts = parts
    this.#mesh = mesh
  }

  /** Resolves when every port is open. Whatever fails, nothing is left open. */
  static async start(options: HubOptions): Promise<Hub> {
    const { config, log } = options
    // The registry lives in the store, which the core opens; links come after both.
    let registry: Registry | undefined
    let fleet: Fleet | undefined
    let mesh: PeerMesh | undefined
    const core = await ServerCore.open({
      ...options,
      role: 'hub',
      isConfined: isConfinedToHub,
      peers: peerSources(() => mesh),
      admit: (leaf) => admission(registry, leaf),
      onAttached: (leaf) => {
        registry?.heard(leaf.hello.name)
        if (leaf.hello.isVerified) mesh?.leafAttached(leaf.hello)
      },
      onDetached: (leaf) => fleet?.left(leaf.hello.name),
      // What a leaf brought here itself, live interest must not take back there.
      withhold: (leaf, { headers }) => leaf.isPetiole && isFromLeaf(headers, leaf.name),
      // What is known, without asking the leaves: scrapes come often.
      metrics: [() => (fleet === undefined ? [] : fleetMetrics(fleet.status()))],
      monitorRoutes: new Map([
        [
          '/fleetz',
          {
            title: 'Fleet',
            handler: async (request) =>
              jsonResponse(request, 200, (await fleet?.freshStatus()) ?? { leaves: [] }),
          },
        ],
      ]),
    })
    try {
      if (core.store !== undefined) registry = new Registry(core.store.marks, core.machine.clock)
      const parts = await startFleet(core, config, core.store, registry)
      fleet = parts?.fleet
      if (parts === undefined) log.warn({}, 'no store: leaves cannot sync here, see jetstream')
      mesh = makeMesh(core, config)
      core.onLameDuck(() => mesh?.lameDuck())
      const ports = await core.listen()
      await mesh?.start()
      mesh?.tell(urlsOf(config, ports))
      return new Hub(core, config, parts, mesh)
    } catch (error) {
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
    return this.#parts?.fleet.freshStatus()
  }

  /** The ledger added up, line by line: what must balance. */
  audit(): readonly AuditLine[] {
    return this.#parts === undefined ? [] : audit(this.#parts.ingest.book)
  }

  /** See `ServerCore.prepareReload`; certificates between hubs are read again, routes and the fleet's streams exchanged. */
  async reload(config: HubConfig): Promise<void> {
    const mesh = this.#mesh?.prepareReload(config)
    const core = await this.core.prepareReload(config)
    try {
      // The last that may be refused: a stream's subjects may be those of one that somebody has made.
      // All streams are judged before the first is touched; only a failing disk leaves some of them.
      await ensureStreams(this.core, config.fleet.streams, this.#streams)
    } catch (error) {
      await core.cancel()
      throw error
    }
    await core.commit()
    this.#streams = config.fleet.streams
    mesh?.()
  }

  async drain(): Promise<void> {
    await this.#parts?.ingest.drain()
    await this.#parts?.fleet.drain()
    this.#mesh?.lameDuck()
    await this.core.drain()
    // The last messages of clients still reach other hubs.
    await this.#mesh?.drain()
  }

  async destroy(): Promise<void> {
    await this.#parts?.ingest.destroy()
    await this.#parts?.fleet.destroy()
    await this.#mesh?.destroy()
    await this.core.destroy()
  }
}

async function startFleet(
  core: ServerCore,
  config: HubConfig,
  store: Store | undefined,
  registry: Registry | undefined,
): Promise<FleetParts | undefined> {
  if (store === undefined || registry === undefined) return undefined
  const { clock } = core.machine
  const streams = core.engine(FLEET_ACCOUNT)
  await ensureStreams(core, config.fleet.streams)
  const client = core.client(FLEET_ACCOUNT)
  const ingest = new Ingest(
    { home: config.jetstream.domain || core.serverName, payloadBytesMax: core.linkPayloadBytesMax },
    { client, store, streams, admission: registry, clock, log: core.log.child({ part: 'ingest' }) },
  )
  const fleet = new Fleet({
    client,
    registry,
    ledger: ingest,
    clock,
    log: core.log.child({ part: 'fleet' }),
  })
  ingest.start()
  fleet.start()
  return { ingest, fleet }
}

/**
 * Streams that are as they were before are left alone: somebody may have changed them since. What the
 * configuration has no longer stays: it may hold what nobody else has.
 */
async function ensureStreams(
  core: ServerCore,
  streams: readonly FleetStreamConfig[],
  before: readonly FleetStreamConfig[] = [],
): Promise<void> {
  if (core.store === undefined) return
  const changed = streams.filter((stream) => !before.some((it) => isDeepStrictEqual(it, stream)))
  await core.engine(FLEET_ACCOUNT).ensureAll(changed.map(streamRequest))
}

function admission(registry: Registry | undefined, leaf: LeafHello): string | undefined {
  if (!leaf.isPetiole || registry === undefined) return undefined
  const admitted = registry.admit(leaf)
  return admitted.isAdmitted ? undefined : admitted.reason
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
