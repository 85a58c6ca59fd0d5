import type { AccountBook } from '../account/index.ts'
import type {
  BlockedFacts,
  GatewayFacts,
  LinkFacts,
  MonitorSources,
  RouteFacts,
} from '../monitor/index.ts'
import { accountFacts } from './account-facts.ts'
import { serverFacts } from './config-facts.ts'
import {
  closedConnections,
  openConnections,
  subscriptionFacts,
  trafficFacts,
} from './connection-facts.ts'
import { linkFacts } from './link-facts.ts'
import type { ServerCore } from './server-core.ts'
import { jetStreamFacts } from './stream-facts.ts'

/** Connections to other hubs, where the role has some. */
export interface PeerSources {
  routes(): Iterable<RouteFacts>
  gateways(): GatewayFacts | undefined
}

export const NO_PEERS: PeerSources = { routes: () => [], gateways: () => undefined }

/** What monitoring shows of a core, read when it is asked. */
export function monitorSources(
  core: ServerCore,
  book: AccountBook,
  peers: PeerSources = NO_PEERS,
  blocked: () => readonly BlockedFacts[] = () => [],
): MonitorSources {
  let roomBytes = 0
  roomOf(core).then((bytes) => {
    roomBytes = bytes
  }, noRoomKnown)
  return {
    server: () => serverFacts(core),
    traffic() {
      const { outbound = [], inbound = [] } = peers.gateways() ?? {}
      return trafficFacts(core, linkFacts(core), [...peers.routes(), ...outbound, ...inbound])
    },
    connections: (account) => openConnections(core, account),
    closedConnections: () => closedConnections(core),
    subscriptions: (account, connections) => subscriptionFacts(core, account, connections),
    *accounts() {
      const links = byAccount(linkFacts(core))
      for (const account of book.accounts()) {
        yield accountFacts(core, links.get(account.name) ?? [], account)
      }
    },
    account(name) {
      const account = book.get(name)
      if (account === undefined) return undefined
      const links = linkFacts(core).filter((link) => link.account === name)
      return accountFacts(core, links, account)
    },
    links: () => linkFacts(core),
    routes: () => peers.routes(),
    gateways: () => peers.gateways(),
    jetStream: () => core.store && jetStreamFacts(core, core.store, roomBytes),
    trouble: () => core.trouble(),
    blocked,
    doors: () =>
      core.frontDoors.flatMap(({ name, report }) =>
        report === undefined ? [] : [[name, report()]],
      ),
  }
}

function byAccount(links: readonly LinkFacts[]): ReadonlyMap<string, readonly LinkFacts[]> {
  const found = new Map<string, LinkFacts[]>()
  for (const link of links) {
    const list = found.get(link.account)
    if (list === undefined) found.set(link.account, [link])
    else list.push(link)
  }
  return found
}

/** What the store takes and what its disk had left when monitoring began. */
async function roomOf({ store, machine }: ServerCore): Promise<number> {
  if (store === undefined) return 0
  return store.stats.diskBytes + (await machine.disk.freeBytes(store.directory))
}

/** Then no limit is shown, which is 0. */
function noRoomKnown(): void {}
