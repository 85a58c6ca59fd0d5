import type { AccountBook, Authenticator } from '../account/index.ts'
import type { AccountLimits, LameDuckOptions, Seats, SubjectSpace } from '../broker/index.ts'
import type { CoreConfig } from '../config/index.ts'
import type { Log } from '../log/index.ts'
import type { ConnectionFacts, MetricSource, PeerTraffic } from '../monitor/index.ts'
import type { Clock, Disk, Random } from '../runtime/index.ts'
import type { Store } from '../store/index.ts'
import type { Channel, Network, TlsSettings } from '../transport/index.ts'
import type { TlsListener } from './server-tls.ts'

/** Everything that touches the world. The simulator brings its own. */
export interface Machine {
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  readonly network: Network
}

/** The core's public door, for protocols other than NATS. */
export interface Core {
  readonly machine: Machine
  readonly log: Log
  readonly serverName: string
  /** Petiole's own version. */
  readonly version: string
  readonly identity: { readonly id: string }
  readonly accounts: { readonly book: AccountBook }
  readonly authenticator: Authenticator
  readonly payloadBytesMax: number
  /** undefined: nothing is kept. */
  readonly store: Store | undefined
  /** Certificates of the listeners that have some. */
  readonly tls: { of(listener: TlsListener): TlsSettings | undefined }
  space(account: string): SubjectSpace
  /** What an account allows its connections at the moment. */
  limitsOf(account: string): AccountLimits
  /** Places among the connections of accounts. */
  readonly seats: Seats
  /** Ids for peers of any kind: one sequence for the whole process. */
  nextPeerId(): number
}

export interface DoorTraffic extends PeerTraffic {
  readonly connections: number
  readonly connectionsEver: number
}

/** A protocol's listener that a role opens when its core is up, and closes before it. */
export interface FrontDoor {
  readonly name: string
  /** The port that was taken; 0 while nothing listens. */
  readonly port: number
  /** Who is connected, for monitoring. */
  connections?(): Iterable<ConnectionFacts>
  /** Sums since the start, those that left included. */
  readonly traffic?: DoorTraffic
  /** What it adds to `/metrics`. */
  readonly metrics?: MetricSource
  /** What it adds to the block `petiole` of `/varz`, under its name. */
  readonly report?: () => object
  /** Looks again at who may stay: accounts or users have changed. */
  recheck?(account?: string): void
  /** Forgets what it keeps for an account: all of that is removed. */
  purge?(account: string): Promise<void>
  /** Throws what keeps a reload from being taken; nothing has changed then. */
  judge?(config: CoreConfig): void
  /** Goes on with another configuration; the listener stays as it is. */
  reload?(config: CoreConfig): void
  /** Takes a channel that came by WebSocket on the path of the door's name (`/mqtt`). */
  accept?(channel: Channel): void
  /** Brings back what it keeps in the store, before any port is open: what is published from then on reaches that. */
  open?(core: Core): Promise<void>
  /** Rejects with PETIOLE_PORT_TAKEN or PETIOLE_LISTEN_FAILED. */
  start(core: Core): Promise<void>
  /** Lame duck: takes nobody more and sends away who is here, one after the other; resolves when all are told. */
  leave?(options: LameDuckOptions): Promise<void>
  /** Stops accepting, finishes what is in hand. Idempotent, as `destroy`, which does not finish it. */
  drain(): Promise<void>
  destroy(): Promise<void>
}
