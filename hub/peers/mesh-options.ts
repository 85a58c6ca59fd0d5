import type { Authenticator } from '../../shared/account/index.ts'
import type {
  AuthorizationConfig,
  ClusterConfig,
  GatewayConfig,
} from '../../shared/config/index.ts'
import type { LinkAccounts, ServerIdentity } from '../../shared/link/index.ts'
import type { Log } from '../../shared/log/index.ts'
import type { Clock, Random } from '../../shared/runtime/index.ts'
import type { Network } from '../../shared/transport/index.ts'
import type { PeerLimits } from './limits.ts'
import type { HubUrls } from './peer-card.ts'
import type { MovedLeaf } from './peer-hello.ts'

export interface PeerMeshOptions {
  readonly cluster: ClusterConfig | undefined
  readonly gateway: GatewayConfig | undefined
  readonly identity: ServerIdentity
  readonly serverName: string
  /** JetStream domain; '' for none. */
  readonly domain: string
  /** Petiole's own version. */
  readonly version: string
  /** New at each start. */
  readonly boot: string
  readonly limits: PeerLimits
}

/** What the mesh needs of the core. */
export interface PeerMeshPorts {
  readonly clock: Clock
  readonly random: Random
  readonly network: Network
  readonly log: Log
  readonly nextPeerId: () => number
  /** The registry of interest that leaf links use as well. */
  readonly accounts: LinkAccounts
  /** Accounts that have a subject space now. */
  readonly accountNames: () => Iterable<string>
  /** Called when an account has got its subject space. */
  readonly onAccount: (listener: (account: string) => void) => () => void
  /** Of a block with `authorization`. */
  readonly authenticatorOf: (config: AuthorizationConfig) => Authenticator
  /** Where clients and leaves of this region can go has changed; `client` and the others hold our own too. */
  readonly announce: (urls: HubUrls) => void
  /** A leaf has attached to another hub, by its name: a link that it had here is half-open. */
  readonly leafMoved?: (hub: string, leaf: MovedLeaf) => void
}
