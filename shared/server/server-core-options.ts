import type { CoreConfig, Role } from '../config/index.ts'
import type { Log } from '../log/index.ts'
import type { BlockedFacts, MetricSource, MonitorRoute } from '../monitor/index.ts'
import type { FrontDoor, Machine } from './core.ts'
import type { DurableOptions } from './durable-parts.ts'
import type { PeerSources } from './monitor-sources.ts'
import type { ServerCore } from './server-core.ts'
import type { LinkRules } from './server-links.ts'

/** What a role adds to the core, and what it decides for it. */
export interface ServerCoreOptions extends LinkRules, DurableOptions {
  readonly role: Role
  readonly config: CoreConfig
  readonly machine: Machine
  readonly log: Log
  /** Petiole's own version. */
  readonly version: string
  readonly frontDoors: readonly FrontDoor[]
  readonly monitorRoutes?: ReadonlyMap<string, MonitorRoute>
  /** What the role adds to `/metrics`. */
  readonly metrics?: readonly MetricSource[]
  /** Links with other hubs, where the role has some. */
  readonly peers?: PeerSources
  /** What stands still, for `/healthz`. */
  readonly blocked?: () => readonly BlockedFacts[]
  /** Reads the configuration again and goes on with it; asked for over the system account. */
  readonly reload?: () => Promise<void>
  /** Called when the store is open and its streams are not yet recovered: what it found is told once. */
  readonly beforeStreams?: (core: ServerCore) => void
}
