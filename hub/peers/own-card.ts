import type { ClusterConfig, GatewayConfig } from '../../shared/config/index.ts'
import { PetioleError } from '../../shared/runtime/index.ts'
import type { PeerMeshOptions } from './mesh-options.ts'
import {
  type Address,
  addressText,
  type HubUrls,
  NO_URLS,
  type PeerCard,
  type PeerLinkKind,
} from './peer-card.ts'

/** What this hub says of itself, as it is at the moment. */
export class OwnCard {
  /** `cluster.name`, or that of the gateway: one name for a region. */
  readonly region: string
  readonly #options: PeerMeshOptions
  readonly #addresses = new Map<PeerLinkKind, Address>()
  #urls = NO_URLS
  isLameDuck = false

  /** Throws PETIOLE_PEERS_CONFIG. */
  constructor(options: PeerMeshOptions) {
    this.region = regionOf(options.cluster, options.gateway)
    this.#options = options
  }

  /** Where this hub's clients and leaves are welcome: nowhere, when it is about to stop. */
  get urls(): HubUrls {
    return this.isLameDuck ? NO_URLS : this.#urls
  }

  set urls(urls: HubUrls) {
    this.#urls = urls
  }

  /** Where its listeners listen; undefined while they do not. */
  address(kind: PeerLinkKind): Address | undefined {
    return this.#addresses.get(kind)
  }

  listens(kind: PeerLinkKind, at: Address): void {
    this.#addresses.set(kind, at)
  }

  card(): PeerCard {
    const { identity, serverName, domain, version, boot, cluster, gateway, limits } = this.#options
    return {
      id: identity.id,
      name: serverName,
      region: this.region,
      boot,
      version,
      domain,
      routeAddress: advertised(cluster?.advertise, this.address('route')),
      gatewayAddress: advertised(gateway?.advertise, this.address('gateway')),
      urls: cluster?.no_advertise === true ? NO_URLS : this.urls,
      isLameDuck: this.isLameDuck,
      payloadBytesMax: limits.payloadBytesMax,
    }
  }
}

function regionOf(cluster: ClusterConfig | undefined, gateway: GatewayConfig | undefined): string {
  const names = [cluster?.name, gateway?.name].filter((name) => name !== undefined && name !== '')
  if (new Set(names).size > 1) {
    throw new PetioleError(
      'PETIOLE_PEERS_CONFIG',
      'cluster name conflicts between cluster and gateway definitions',
    )
  }
  const [name = ''] = names
  if (/\s/.test(name)) {
    throw new PetioleError('PETIOLE_PEERS_CONFIG', 'cluster name cannot contain spaces')
  }
  return name
}

function advertised(text: string | undefined, at: Address | undefined): string {
  if (at === undefined) return ''
  if (text === undefined || text === '') return addressText(at)
  return text.includes(':') ? text : addressText({ host: text, port: at.port })
}
