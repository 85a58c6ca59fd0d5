import type { AccountSpace, ConnectionFacts } from '../broker/index.ts'
import { factsOf } from '../broker/index.ts'
import type { LinkStats } from '../link/index.ts'
import type {
  JetStreamFacts,
  LinkFacts,
  ConnectionFacts as MonitorConnection,
  MonitorSources,
  ServerFacts,
  StreamFacts,
  SubscriptionFacts,
} from '../monitor/index.ts'
import type { Store } from '../store/index.ts'
import type { Stream } from '../stream/index.ts'
import { SERVER_VERSION } from '../wire/index.ts'
import type { ServerCore } from './server-core.ts'

/** What monitoring shows of a core, read when it is asked. */
export function monitorSources(core: ServerCore): MonitorSources {
  const { broker } = core
  return {
    server: () => serverFacts(core),
    traffic() {
      const links = linkFacts(core)
      return { ...broker.totals, links: links.length, staleConnections: staleConnections(core) }
    },
    connections: () => [...broker.connections.values()].map((it) => connectionFacts(factsOf(it))),
    closedConnections: () =>
      broker.closedConnections.map((closed) => ({
        ...connectionFacts(closed),
        stoppedMs: closed.closedMs,
        reason: closed.reason,
      })),
    subscriptions: () => [...broker.spaces.values()].flatMap(subscriptionFacts),
    links: () => linkFacts(core),
    jetStream: () => (core.store === undefined ? undefined : jetStreamFacts(core, core.store)),
    trouble: () => core.trouble(),
  }
}

function serverFacts(core: ServerCore): ServerFacts {
  const { config, ports } = core
  return {
    id: core.identity.id,
    name: core.serverName,
    version: SERVER_VERSION,
    host: config.host,
    port: ports?.client.port ?? config.port,
    isAuthRequired: core.authenticator.isRequired,
    authTimeoutMs: config.authorization.timeout,
    payloadBytesMax: config.max_payload,
    controlLineBytesMax: config.max_control_line,
    pendingBytesMax: config.max_pending,
    connectionsMax: config.max_connections,
    pingIntervalMs: config.ping_interval,
    pingsMax: config.ping_max,
    writeDeadlineMs: config.write_deadline,
    startedMs: core.startedMs,
    leafNodes: ports?.leafNodes,
    webSocket: ports?.webSocket,
    mqtt: config.mqtt?.listen,
    remotes: config.leafnodes.remotes.map(({ account, urls }) => ({
      account,
      urls: urls.map(({ text }) => text),
    })),
  }
}

function staleConnections({ broker }: ServerCore): number {
  return broker.closedConnections.filter(({ reason }) => reason === 'Stale Connection').length
}

function connectionFacts(facts: ConnectionFacts): MonitorConnection {
  const { kind, address, ...rest } = facts
  return { ...rest, type: kind === 'websocket' ? 'websocket' : 'nats', ip: address }
}

function subscriptionFacts(space: AccountSpace): SubscriptionFacts[] {
  return [...space.subscriptions()].map(({ subject, queue, sid, peer }) => ({
    account: space.account,
    subject,
    queue,
    sid,
    messages: 0,
    connectionId: peer.id,
  }))
}

function linkFacts(core: ServerCore): LinkFacts[] {
  const attached = core.acceptor.leaves.map(({ hello, stats }, index) => ({
    ...traffic(stats),
    id: index + 1,
    name: hello.name,
    isSpoke: false,
    account: hello.account,
    ip: hello.remoteAddress,
    port: hello.remotePort,
    roundTripMs: undefined,
    subjects: [],
  }))
  const dialled = core.uplinks.flatMap((uplink, index) => {
    const { state, stats } = uplink
    if (state.name !== 'up' || stats === undefined) return []
    const remote = core.config.leafnodes.remotes[index]
    const url = remote?.urls.find(({ text }) => text === state.url)
    return [
      {
        ...traffic(stats),
        id: attached.length + index + 1,
        name: state.hub.name,
        isSpoke: true,
        account: remote?.account ?? '',
        ip: url?.host ?? '',
        port: url?.port ?? 0,
        roundTripMs: undefined,
        subjects: [],
      },
    ]
  })
  return [...attached, ...dialled]
}

function traffic(stats: LinkStats) {
  return {
    inMessages: stats.messagesIn,
    inBytes: stats.bytesIn,
    outMessages: stats.messagesOut,
    outBytes: stats.bytesOut,
  }
}

function jetStreamFacts(core: ServerCore, store: Store): JetStreamFacts {
  const { jetstream } = core.config
  return {
    storeDirectory: store.directory,
    domain: jetstream.domain,
    storageBytesMax: jetstream.max_file,
    storageBytes: store.stats.diskBytes,
    apiRequests: 0,
    apiErrors: 0,
    *streams() {
      for (const [account, engine] of core.engines) {
        for (const stream of engine.streams()) yield streamFacts(account, stream)
      }
    },
  }
}

function streamFacts(account: string, stream: Stream): StreamFacts {
  const { state } = stream.store
  return {
    account,
    name: stream.name,
    createdMs: stream.store.createdMs,
    messages: state.messages,
    bytes: state.bytes,
    consumers: stream.consumers.size,
    config: () => stream.config,
    state: () => ({
      messages: state.messages,
      bytes: state.bytes,
      first_seq: state.firstSeq,
      last_seq: state.lastSeq,
      num_subjects: state.subjects,
      consumer_count: stream.consumers.size,
    }),
    consumerDetails: () => [],
  }
}
