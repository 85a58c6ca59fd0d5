import {
  type HubUrls,
  isConfinedToHub,
  type MovedLeaf,
  PEER_LIMITS,
  type PeerLimits,
  PeerMesh,
} from '../../hub/peers/index.ts'
import { createAuthenticator } from '../../shared/account/index.ts'
import { AccountSpace } from '../../shared/broker/index.ts'
import type {
  AuthorizationConfig,
  ClusterConfig,
  GatewayConfig,
  PeerUrl,
  TlsConfig,
} from '../../shared/config/index.ts'
import { LinkAccounts, ServerIdentity } from '../../shared/link/index.ts'
import type { Machine } from '../../shared/server/index.ts'
import { FakeHashes } from '../unit/account/setup.ts'
import { RecordingLog } from './link-node.ts'
import { RecordingPeer } from './recording-peer.ts'

export interface PeerHubOptions {
  readonly machine: Machine
  readonly name: string
  readonly region: string
  /** Of other hubs' cluster ports; undefined: no `cluster` block. */
  readonly routes?: readonly string[] | undefined
  /** Region to gateway ports; undefined: no `gateway` block. */
  readonly gateways?: Readonly<Record<string, readonly string[]>> | undefined
  readonly host?: string
  /** 0 takes any. */
  readonly ports?: { readonly cluster: number; readonly gateway: number }
  readonly identity?: ServerIdentity
  readonly boot?: string
  readonly limits?: Partial<PeerLimits>
  readonly cluster?: Partial<ClusterConfig>
  readonly gateway?: Partial<GatewayConfig>
  readonly leafMoved?: (hub: string, leaf: MovedLeaf) => void
}

/** A hub reduced to its mesh: subject spaces, in which tests publish and subscribe, and the links. */
export class PeerHub {
  readonly name: string
  readonly region: string
  readonly log = new RecordingLog()
  readonly accounts: LinkAccounts
  readonly mesh: PeerMesh
  readonly announced: HubUrls[] = []
  readonly #options: PeerHubOptions
  readonly #machine: Machine
  readonly #spaces = new Map<string, AccountSpace>()
  readonly #listeners = new Set<(account: string) => void>()
  #peerIds = 0

  constructor(options: PeerHubOptions) {
    const { machine, name, region, limits, boot = `${name}-boot` } = options
    this.#options = options
    this.name = name
    this.region = region
    this.#machine = machine
    this.accounts = new LinkAccounts({
      space: (account) => this.space(account),
      random: machine.random,
      clock: machine.clock,
      isConfined: isConfinedToHub,
    })
    this.mesh = new PeerMesh(
      {
        cluster: clusterOf(options),
        gateway: gatewayOf(options),
        identity: options.identity ?? ServerIdentity.create(machine.random),
        serverName: name,
        domain: '',
        version: '0.1.0',
        boot,
        limits: { ...PEER_LIMITS, ...limits },
      },
      {
        clock: machine.clock,
        random: machine.random,
        network: machine.network,
        log: this.log,
        nextPeerId: () => ++this.#peerIds,
        accounts: this.accounts,
        accountNames: () => this.#spaces.keys(),
        onAccount: (listener) => {
          this.#listeners.add(listener)
          return () => this.#listeners.delete(listener)
        },
        authenticatorOf: (authorization) => createAuthenticator(authorization, new FakeHashes()),
        announce: (urls) => this.announced.push(urls),
        leafMoved: (hub, leaf) => options.leafMoved?.(hub, leaf),
      },
    )
  }

  /** Reads the configuration again, with another `tls` block of the cluster. */
  reload(tls: TlsConfig | undefined): void {
    const options = { ...this.#options, cluster: { ...this.#options.cluster, tls } }
    this.mesh.prepareReload({ cluster: clusterOf(options), gateway: gatewayOf(options) })()
  }

  space(account: string): AccountSpace {
    const known = this.#spaces.get(account)
    if (known !== undefined) return known
    const space = new AccountSpace(this.#machine.random, account)
    this.#spaces.set(account, space)
    for (const listener of this.#listeners) listener(account)
    return space
  }

  get spaces(): ReadonlyMap<string, AccountSpace> {
    return this.#spaces
  }

  /** A client with one subscription. */
  subscriber(subject: string, queue = '', account = '$G'): RecordingPeer {
    const peer = new RecordingPeer('mqtt')
    this.space(account).subscribe(peer, { subject, queue })
    return peer
  }

  /** A stream's capture. */
  capture(subject: string, account = '$G'): RecordingPeer {
    const peer = new RecordingPeer('local')
    this.space(account).subscribe(peer, { subject, isCapture: true })
    return peer
  }

  /** Returns how many took it. */
  publish(subject: string, payload: string, account = '$G', reply = ''): number {
    return this.space(account).publish(new RecordingPeer('mqtt'), {
      subject: Buffer.from(subject),
      reply: Buffer.from(reply),
      headers: new Uint8Array(0),
      payload: Buffer.from(payload),
    })
  }

  /** The names of the hubs that it is linked with, in order. */
  get peers(): readonly string[] {
    return [...this.mesh.routes, ...this.mesh.gateways].map((it) => it.remoteName).sort()
  }

  /** What other hubs ask for here, as `account subject queue` lines; `stream` for a capture. */
  interestOfPeers(): readonly string[] {
    return [...this.mesh.routes, ...this.mesh.gateways]
      .flatMap((link) => link.subscriptionList())
      .map((it) => `${it.account} ${it.subject} ${it.isCapture ? 'stream' : it.queue}`)
      .sort()
  }
}

export function authorization(user: string, password: string): AuthorizationConfig {
  const config = {
    user,
    password,
    nkey: '',
    account: '$G',
    permissions: undefined,
    connection_types: [],
    proxy_required: false,
  }
  return {
    users: [config],
    token: '',
    timeout: 2_000,
    no_auth_user: '',
    default_permissions: undefined,
    auth_callout: undefined,
    proxy_required: false,
    trusted_proxies: [],
  }
}

/** `[user:password@]host:port` */
export function peerUrl(text: string): PeerUrl {
  const url = new URL(`nats://${text}`)
  const { hostname, port, username, password } = url
  return { host: hostname, port: Number(port), user: username, password, text }
}

function clusterOf(options: PeerHubOptions): ClusterConfig | undefined {
  const { routes, region, host = options.name, ports, cluster } = options
  if (routes === undefined) return undefined
  return {
    name: region,
    listen: { host, port: ports?.cluster ?? 6222 },
    advertise: '',
    no_advertise: false,
    authorization: undefined,
    routes: routes.map(peerUrl),
    tls: undefined,
    connect_retries: 0,
    ...cluster,
  }
}

function gatewayOf(options: PeerHubOptions): GatewayConfig | undefined {
  const { gateways, region, host = options.name, ports, gateway } = options
  if (gateways === undefined) return undefined
  return {
    name: region,
    listen: { host, port: ports?.gateway ?? 7222 },
    advertise: '',
    authorization: undefined,
    gateways: Object.entries(gateways).map(([name, urls]) => ({ name, urls: urls.map(peerUrl) })),
    tls: undefined,
    reject_unknown_cluster: false,
    ...gateway,
  }
}
