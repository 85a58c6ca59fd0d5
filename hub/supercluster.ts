import { createAuthenticator } from '../shared/account/index.ts'
import type { HubConfig, ListenConfig } from '../shared/config/index.ts'
import type { GatewayFacts, GatewayLinkFacts, RouteFacts } from '../shared/monitor/index.ts'
import { BcryptThread } from '../shared/runtime/index.ts'
import type { PeerSources, ServerCore, ServerPorts } from '../shared/server/index.ts'
import { STAMP_BYTES_MAX } from '../shared/sync/index.ts'
import { type HubUrls, PEER_LIMITS, type PeerLinkFacts, PeerMesh } from './peers/index.ts'

/**
 * A hub among hubs: what `cluster` and `gateway` add to the core. Without either block nothing of this
 * exists.
 */
export function makeMesh(core: ServerCore, config: HubConfig): PeerMesh | undefined {
  const { cluster, gateway } = config
  if (cluster === undefined && gateway === undefined) return undefined
  const { machine, broker, links } = core
  // Its thread is there while a password is compared, and for a moment after.
  const passwords = new BcryptThread(machine.clock)
  return new PeerMesh(
    {
      cluster,
      gateway,
      identity: core.identity,
      serverName: core.serverName,
      domain: core.store === undefined ? '' : config.jetstream.domain,
      version: core.version,
      boot: core.boot,
      limits: { ...PEER_LIMITS, payloadBytesMax: core.linkPayloadBytesMax + STAMP_BYTES_MAX },
    },
    {
      clock: machine.clock,
      random: machine.random,
      network: machine.network,
      log: core.log.child({ part: 'peers' }),
      nextPeerId: () => core.nextPeerId(),
      accounts: links.accounts,
      accountNames: () => broker.spaces.keys(),
      onAccount: (listener) => broker.onSpace(listener),
      authenticatorOf: (authorization) => createAuthenticator(authorization, passwords),
      announce: (urls) => announce(core, config, urls),
      leafMoved: (hub, leaf) => core.links.acceptor.leftFor(hub, leaf),
    },
  )
}

/** What this hub's clients and leaves are told of others, and the others of it. */
export function urlsOf(config: HubConfig, ports: ServerPorts): HubUrls {
  const { client_advertise, websocket, leafnodes } = config
  return {
    client: one(client_advertise, ports.client),
    webSocket: one(websocket?.advertise ?? '', ports.webSocket),
    leafnode: one(leafnodes.advertise, ports.leafNodes),
  }
}

/** The mesh as `/routez` and `/gatewayz` show it. */
export function peerSources(mesh: () => PeerMesh | undefined): PeerSources {
  return {
    routes: () => (mesh()?.routes ?? []).map((facts) => routeFacts(facts)),
    gateways: () => gatewayFacts(mesh()),
  }
}

/** An address that says "all of mine" means something to other servers, but nothing to a client. */
function announce(core: ServerCore, { cluster }: HubConfig, urls: HubUrls): void {
  if (cluster?.no_advertise === true) return
  const told = (list: readonly string[]): readonly string[] =>
    list.filter((url) => !/^(0\.0\.0\.0|\[::\]|):/.test(url))
  const webSocket = told(urls.webSocket)
  core.broker.announce({ connectUrls: told(urls.client), webSocketUrls: webSocket })
  core.links.acceptor.announce({ leafnode: told(urls.leafnode), webSocket })
}

function one(advertised: string, listen: ListenConfig | undefined): readonly string[] {
  if (advertised !== '') {
    const hasPort = /:\d+$/.test(advertised)
    return [hasPort || listen === undefined ? advertised : `${advertised}:${listen.port}`]
  }
  if (listen === undefined) return []
  const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host
  return [`${host}:${listen.port}`]
}

function routeFacts(facts: PeerLinkFacts): RouteFacts {
  return { ...linkFacts(facts), account: '' }
}

function gatewayFacts(mesh: PeerMesh | undefined): GatewayFacts | undefined {
  const listen = mesh?.gatewayAddress
  if (mesh === undefined || listen === undefined) return undefined
  const links = mesh.gateways.map(shown)
  // One link carries both directions: it is shown once each way, as tools expect them.
  return {
    name: mesh.region,
    listen,
    outbound: links,
    inbound: links,
  }
}

function shown(facts: PeerLinkFacts): GatewayLinkFacts {
  return {
    ...linkFacts(facts),
    gateway: facts.region,
    accounts: () => facts.accounts(),
  }
}

function linkFacts(facts: PeerLinkFacts) {
  return {
    ...facts,
    subscriptionList: () =>
      facts.subscriptionList().map((it) => ({
        ...it,
        sid: '',
        messages: 0,
        messagesMax: 0,
        connectionId: facts.id,
        peer: 'other' as const,
      })),
  }
}
