import { received, sent } from './accstatz.ts'
import type { MonitorSources, PeerTraffic, ProcessFacts } from './facts.ts'
import { given } from './given.ts'
import { timeText } from './text.ts'
import { jetStreamVarz, sumOf } from './varz.ts'

/** The `statsz` of a server: what `nats server list` shows, sent each ten seconds to who listens. */
export function statsz(sources: MonitorSources, process: ProcessFacts): object {
  const facts = sources.traffic()
  const { clients, slowConsumers, staleConnections } = facts
  const all = together(clients, facts.servers)
  const routes = [...sources.routes()]
  return {
    start: timeText(sources.server().startedMs),
    mem: process.memoryBytes,
    cores: process.cores,
    cpu: process.cpuPercent,
    connections: facts.connections,
    total_connections: facts.connectionsEver,
    active_accounts: activeAccounts(sources),
    subscriptions: facts.subscriptions,
    sent: sent(all),
    sent_to_clients: sent(clients),
    received: received(all),
    received_from_clients: received(clients),
    slow_consumers: sumOf(slowConsumers),
    ...given({
      slow_consumer_stats: sumOf(slowConsumers) === 0 ? undefined : slowConsumers,
      stale_connections: sumOf(staleConnections),
      stale_connection_stats: sumOf(staleConnections) === 0 ? undefined : staleConnections,
      stalled_clients: facts.stalls,
      routes: routes.map((route) => ({
        rid: route.id,
        ...given({ name: route.remoteName }),
        sent: sent(route),
        received: received(route),
        pending: route.pendingBytes,
      })),
      gateways: gatewayStats(sources),
    }),
    active_servers: 1 + new Set(routes.map(({ remoteId }) => remoteId)).size,
    ...jetStream(sources),
    gomaxprocs: process.cores,
  }
}

function activeAccounts(sources: MonitorSources): number {
  let active = 0
  for (const { connections, leafNodes } of sources.accounts()) {
    if (connections + leafNodes > 0) active++
  }
  return active
}

function gatewayStats(sources: MonitorSources): object[] {
  const facts = sources.gateways()
  if (facts === undefined) return []
  return facts.outbound.map((out) => {
    const inbound = facts.inbound.filter(({ gateway }) => gateway === out.gateway)
    return {
      gwid: out.id,
      name: out.gateway,
      sent: sent(out),
      received: received(inbound.reduce<PeerTraffic>(together, NO_TRAFFIC)),
      inbound_connections: inbound.length,
    }
  })
}

function jetStream(sources: MonitorSources): object {
  const { config, ...rest } = jetStreamVarz(sources)
  return config === undefined
    ? {}
    : { jetstream: { config: { ...config, store_dir: undefined }, ...rest } }
}

const NO_TRAFFIC: PeerTraffic = { inMessages: 0, inBytes: 0, outMessages: 0, outBytes: 0 }

function together(a: PeerTraffic, b: PeerTraffic): PeerTraffic {
  return {
    inMessages: a.inMessages + b.inMessages,
    inBytes: a.inBytes + b.inBytes,
    outMessages: a.outMessages + b.outMessages,
    outBytes: a.outBytes + b.outBytes,
  }
}
