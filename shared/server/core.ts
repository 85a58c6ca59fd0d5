import type { Authenticator } from '../account/index.ts'
import type { SubjectSpace } from '../broker/index.ts'
import type { Log } from '../log/index.ts'
import type { Clock, Disk, Random } from '../runtime/index.ts'
import type { Network } from '../transport/index.ts'

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
  readonly authenticator: Authenticator
  readonly payloadBytesMax: number
  space(account: string): SubjectSpace
  /** Ids for peers of any kind: one sequence for the whole process. */
  nextPeerId(): number
}

/** A protocol's listener that a role opens when its core is up, and closes before it. */
export interface FrontDoor {
  readonly name: string
  /** The port that was taken; 0 while nothing listens. */
  readonly port: number
  /** Rejects with PETIOLE_PORT_TAKEN or PETIOLE_LISTEN_FAILED. */
  start(core: Core): Promise<void>
  /** Stops accepting, finishes what is in hand. Idempotent, as `destroy`, which does not finish it. */
  drain(): Promise<void>
  destroy(): Promise<void>
}
