import type { AuthorizationConfig } from './account-config.ts'
import type { TlsConfig } from './tls-config.ts'

/** `cluster`: the hubs of a region, a full mesh. */
export interface ClusterConfig {
  readonly name: string
  readonly listen: { readonly host: string; readonly port: number }
  /** `host:port` that other hubs are told; '' for the listener's own. */
  readonly advertise: string
  readonly no_advertise: boolean
  /** undefined: anyone who reaches the port. */
  readonly authorization: AuthorizationConfig | undefined
  /** `authorization.timeout`, which counts without users too: ms for a login. */
  readonly auth_timeout?: number
  readonly routes: readonly PeerUrl[]
  readonly tls: TlsConfig | undefined
  readonly connect_retries: number
}

/** `gateway`: other regions. */
export interface GatewayConfig {
  readonly name: string
  readonly listen: { readonly host: string; readonly port: number }
  readonly advertise: string
  readonly authorization: AuthorizationConfig | undefined
  /** As in `cluster`. */
  readonly auth_timeout?: number
  readonly gateways: readonly { readonly name: string; readonly urls: readonly PeerUrl[] }[]
  readonly tls: TlsConfig | undefined
  readonly reject_unknown_cluster: boolean
}

export interface PeerUrl {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly text: string
}
