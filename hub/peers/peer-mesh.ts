import type { ClusterConfig, GatewayConfig, PeerUrl } from '../../shared/config/index.ts'
import type { Log } from '../../shared/log/index.ts'
import { Tasks } from '../../shared/runtime/index.ts'
import type { Channel, Listener } from '../../shared/transport/index.ts'
import { AcceptedPeer, type HandshakeContext } from './accepted-peer.ts'
import type { DialledPeer } from './dialled-peer.ts'
import { HANDSHAKES_MAX } from './limits.ts'
import type { PeerMeshOptions, PeerMeshPorts } from './mesh-options.ts'
import { OwnCard } from './own-card.ts'
import {
  type Address,
  addressText,
  type HubUrls,
  NO_URLS,
  type PeerCard,
  type PeerLinkKind,
} from './peer-card.ts'
import type { PeerConnection } from './peer-connection.ts'
import { AUTHORIZATION_VIOLATION } from './peer-errors.ts'
import { infoLine, leafLine, type MovedLeaf, peerLine } from './peer-hello.ts'
import { PeerLink, type PeerLinkFacts } from './peer-link.ts'
import { PeerSecurity } from './peer-security.ts'
import { PeerTable } from './peer-table.ts'
import { PeerTarget } from './peer-target.ts'
import { PeerTargets } from './peer-targets.ts'
import { isSameUrls, regionUrls } from './region-urls.ts'

/**
 * The links of this hub with all other hubs: of its region over the cluster port (`route`), of other
 * regions over the gateway port (`gateway`). One link per pair makes one hop enough, so that no message
 * loops or comes twice; see docs/decisions/0006.
 */
export class PeerMesh {
  readonly #options: PeerMeshOptions
  readonly #ports: PeerMeshPorts
  readonly #own: OwnCard
  readonly #security: PeerSecurity
  readonly #table: PeerTable
  readonly #targets: PeerTargets
  readonly #tasks: Tasks
  readonly #handshakes = new Set<AcceptedPeer>()
  readonly #listeners: Listener[] = []
  #toldUrls = NO_URLS
  #isStopping = false
  #stopWatching: () => void = () => {}

  /** Throws PETIOLE_PEERS_CONFIG for names, and PETIOLE_TLS_INVALID for a `tls` block that does not hold. */
  constructor(options: PeerMeshOptions, ports: PeerMeshPorts) {
    const { cluster, gateway, identity } = options
    this.#options = options
    this.#own = new OwnCard(options)
    this.#ports = ports
    this.#security = new PeerSecurity(options, ports.authenticatorOf)
    this.#table = new PeerTable(identity.id)
    this.#tasks = new Tasks((name, error) => ports.log.error({ err: error }, `${name} failed`))
    this.#targets = new PeerTargets({
      ownId: identity.id,
      ownRegion: this.region,
      has: (kind) => (kind === 'route' ? cluster : gateway) !== undefined,
      knowsRegion: (region) => this.#knowsRegion(region),
      retriesMax: cluster?.connect_retries ?? 0,
      loginOf: (kind, region) => this.#security.loginOf(kind, region),
      makeTarget: (kind, url, wanted, isConfigured) =>
        this.#makeTarget(kind, url, wanted, isConfigured),
    })
  }

  /** `cluster.name`, or that of the gateway: one name for a region. */
  get region(): string {
    return this.#own.region
  }

  get routes(): readonly PeerLinkFacts[] {
    return this.#factsOf('route')
  }

  get gateways(): readonly PeerLinkFacts[] {
    return this.#factsOf('gateway')
  }

  /** Where other hubs reach this one; undefined while nothing listens. */
  get clusterAddress(): Address | undefined {
    return this.#own.address('route')
  }

  get gatewayAddress(): Address | undefined {
    return this.#own.address('gateway')
  }

  /** What clients and leaves of this region are told. */
  get urls(): HubUrls {
    return regionUrls(this.#own.urls, this.#table.links)
  }

  /** Opens the ports and begins to dial. When a port cannot be taken nothing is left open. */
  async start(): Promise<void> {
    const { cluster, gateway } = this.#options
    const { accounts, log, onAccount } = this.#ports
    const stops = [
      onAccount((account) => {
        for (const link of this.#table.links) link.openAccount(account)
      }),
      accounts.onRelease((account) => {
        for (const link of this.#table.links) link.closeAccount(account)
      }),
    ]
    this.#stopWatching = () => {
      for (const stop of stops) stop()
    }
    try {
      if (cluster !== undefined) {
        log.info({}, `Cluster name is ${this.region}`)
        const at = await this.#listen('route', cluster)
        log.info({}, `Listening for route connections on ${addressText(at)}`)
      }
      if (gateway !== undefined) {
        log.info({}, `Gateway name is ${this.region}`)
        const at = await this.#listen('gateway', gateway)
        log.info({}, `Listening for gateways connections on ${addressText(at)}`)
      }
    } catch (error) {
      await this.destroy()
      throw error
    }
    // Whoever came meanwhile has not heard of both ports.
    this.#tellCard()
    this.#targets.configure('route', this.region, cluster?.routes ?? [])
    for (const { name, urls } of gateway?.gateways ?? []) {
      // A region's configuration may be the same everywhere, itself included.
      if (name !== this.region) this.#targets.configure('gateway', name, urls)
    }
  }

  /** Where clients and leaves connect to this hub: told to the others, and to them by the others. */
  tell(urls: HubUrls): void {
    this.#own.urls = urls
    this.#tellCard()
    this.#announce()
  }

  /** A leaf has attached here and proven who it is: the hub it was at before lets go of it. */
  leafAttached(leaf: MovedLeaf): void {
    for (const link of this.#table.links) link.send(leafLine(leaf))
  }

  /** This hub is about to stop: the others send no client here any more. */
  lameDuck(): void {
    if (this.#own.isLameDuck) return
    this.#own.isLameDuck = true
    this.#tellCard()
    this.#announce()
  }

  /**
   * Reads the certificates of both blocks again, for new connections, and goes on with other routes; links
   * whose certificate is pinned no longer end. Throws PETIOLE_TLS_INVALID, and then changes nothing.
   */
  prepareReload(blocks: Pick<PeerMeshOptions, 'cluster' | 'gateway'>): () => void {
    const certificates = this.#security.prepare(blocks)
    return () => {
      certificates()
      for (const { kind, connection } of [...this.#table.links]) {
        if (!this.#security.isUnpinned(kind, connection.channel.tls)) continue
        connection.fail(AUTHORIZATION_VIOLATION, 'its certificate is pinned no longer')
      }
      this.#targets.configure('route', this.region, blocks.cluster?.routes ?? [])
    }
  }

  /** Sends what waits, says goodbye, closes. Idempotent, as `destroy`. */
  async drain(): Promise<void> {
    this.lameDuck()
    await this.#stop((connection) => connection.close('this server stops'))
  }

  async destroy(): Promise<void> {
    await this.#stop((connection) => connection.destroy('this server stops'))
  }

  async #stop(end: (connection: PeerConnection) => void): Promise<void> {
    this.#isStopping = true
    this.#stopWatching()
    this.#targets.stop()
    for (const { connection } of [...this.#handshakes]) end(connection)
    for (const { connection } of [...this.#table.links]) end(connection)
    await Promise.all(this.#listeners.splice(0).map((listener) => listener.close()))
    await this.#tasks.destroy()
  }

  async #listen(kind: PeerLinkKind, block: ClusterConfig | GatewayConfig): Promise<Address> {
    const { network } = this.#ports
    const listener = await network.listen(
      { protocol: 'tcp', ...block.listen, tls: this.#security.ofListener(kind) },
      (channel) => this.#accept(kind, channel),
    )
    this.#listeners.push(listener)
    const at = { host: listener.host, port: listener.port }
    this.#own.listens(kind, at)
    return at
  }

  #accept(kind: PeerLinkKind, channel: Channel): void {
    if (this.#isStopping || this.#handshakes.size >= HANDSHAKES_MAX) {
      channel.destroy()
      return
    }
    const handshake = new AcceptedPeer({
      ...this.#context(),
      channel,
      kind,
      authTimeoutMs: this.#security.authTimeoutMs(kind),
      knowsRegion: (region) => this.#knowsRegion(region),
      authenticate: (user, password) => this.#security.isAllowed(kind, user, password),
      onHello: (peer, it) => this.#decide(peer, it),
      onEnded: (it, reason) => this.#handshakeFailed(it, reason),
    })
    this.#handshakes.add(handshake)
    handshake.start()
  }

  #decide(peer: PeerCard, handshake: AcceptedPeer): void {
    const { connection, kind } = handshake
    const refusal = this.#unpinned(handshake) ?? this.#table.refusalOfDialler(peer)
    if (refusal !== undefined) {
      connection.fail(refusal)
      return
    }
    this.#handshakes.delete(handshake)
    this.#table.makeWay(peer)
    handshake.confirm(peer.id)
    this.#link(peer, connection, kind, undefined)
  }

  #dialled(peer: PeerCard, handshake: DialledPeer, target: PeerTarget): void {
    this.#table.release(peer.id, handshake)
    const refusal = this.#unpinned(handshake) ?? this.#table.refusalOf(peer)
    if (refusal !== undefined) {
      handshake.connection.fail(refusal)
      return
    }
    this.#table.makeWay(peer)
    this.#link(peer, handshake.connection, handshake.kind, target)
  }

  /** A reload may come between the certificate and the link. */
  #unpinned({ kind, connection }: AcceptedPeer | DialledPeer): string | undefined {
    return this.#security.isUnpinned(kind, connection.channel.tls)
      ? AUTHORIZATION_VIOLATION
      : undefined
  }

  #link(
    card: PeerCard,
    connection: PeerConnection,
    kind: PeerLinkKind,
    target: PeerTarget | undefined,
  ): void {
    const { nextPeerId, clock, log, accounts, accountNames } = this.#ports
    const linkLog = log.child({ peer: card.name, kind, region: card.region })
    const link = new PeerLink({
      id: nextPeerId(),
      kind,
      card,
      connection,
      isSolicited: target !== undefined,
      isConfigured: target?.options.isConfigured ?? false,
      startedMs: clock.wallMs(),
      accounts,
      limits: this.#options.limits,
      log: linkLog,
      onCard: (it) => this.#cardChanged(it),
      onPeer: (it) => this.#targets.heardOf(it, this.#table.isKnown(it.id)),
      onLeaf: (leaf) => this.#ports.leafMoved?.(card.name, leaf),
      onEnded: (it, reason) => this.#ended(it, reason, linkLog),
    })
    for (const other of this.#table.links) {
      link.send(peerLine(other.card))
      other.send(peerLine(card))
    }
    this.#table.add(link)
    const address = addressText({ host: connection.host, port: connection.channel.remotePort })
    linkLog.info({ address, id: card.id }, 'linked with a hub')
    if (card.domain !== '' && card.domain === this.#options.domain) {
      linkLog.warn({ domain: card.domain, advice: DOMAIN_ADVICE }, 'two servers with one domain')
    }
    link.attach([...accountNames()])
    this.#targets.heardOf(card, true)
    this.#targets.linked(card.id)
    this.#announce()
  }

  #cardChanged(link: PeerLink): void {
    for (const other of this.#table.links) if (other !== link) other.send(peerLine(link.card))
    this.#targets.heardOf(link.card, true)
    this.#announce()
  }

  #ended(link: PeerLink, reason: string, log: Log): void {
    // One that has been replaced has gone from the table before.
    if (!this.#table.remove(link)) return
    if (this.#isStopping) return
    log.warn({ reason }, 'link with a hub lost')
    this.#targets.lost(link.card.id)
    this.#announce()
  }

  #handshakeFailed(handshake: AcceptedPeer, reason: string): void {
    if (!this.#handshakes.delete(handshake) || this.#isStopping) return
    const { host, channel } = handshake.connection
    const address = addressText({ host, port: channel.remotePort })
    this.#ports.log.info({ kind: handshake.kind, address, reason }, 'hub not linked')
  }

  #makeTarget(
    kind: PeerLinkKind,
    url: Pick<PeerUrl, 'host' | 'port' | 'user' | 'password'>,
    wanted: { readonly region: string; readonly id: string },
    isConfigured: boolean,
  ): PeerTarget {
    const { host, port, user, password } = url
    const login = user === '' ? this.#security.loginOf(kind, wanted.region) : { user, password }
    return new PeerTarget({
      kind,
      address: { host, port },
      ...login,
      wantedRegion: wanted.region,
      wantedId: wanted.id,
      isConfigured,
      security: this.#security.ofDial(kind, host),
      context: this.#context(),
      network: this.#ports.network,
      tasks: this.#tasks,
      log: this.#ports.log,
      claim: (peer, handshake) => this.#table.claim(peer, handshake),
      onAccepted: (peer, handshake, target) => this.#dialled(peer, handshake, target),
      onFailed: (target, handshake) => this.#dialFailed(target, handshake),
    })
  }

  /** Others that left it to this dial to reach the hub try themselves. */
  #dialFailed(target: PeerTarget, handshake: DialledPeer | undefined): void {
    const wasClaimed = this.#table.release(target.knownId, handshake)
    if (this.#isStopping) return
    if (wasClaimed && !this.#table.isKnown(target.knownId)) this.#targets.lost(target.knownId)
    this.#targets.failed(target)
  }

  #announce(): void {
    const { urls } = this
    if (isSameUrls(urls, this.#toldUrls)) return
    this.#toldUrls = urls
    this.#ports.announce(urls)
  }

  #tellCard(): void {
    for (const link of this.#table.links) link.send(infoLine(this.#own.card(), link.kind))
  }

  #context(): HandshakeContext {
    const { clock, random } = this.#ports
    const { limits, identity } = this.#options
    return { clock, random, limits, identity, card: () => this.#own.card() }
  }

  #knowsRegion(region: string): boolean {
    const { gateway } = this.#options
    if (gateway === undefined) return false
    return !gateway.reject_unknown_cluster || gateway.gateways.some(({ name }) => name === region)
  }

  #factsOf(kind: PeerLinkKind): readonly PeerLinkFacts[] {
    return [...this.#table.links].filter((link) => link.kind === kind).map((link) => link.facts)
  }
}

const DOMAIN_ADVICE =
  'requests to $JS.<domain>.API may be answered by the wrong one: give each server its own domain'
