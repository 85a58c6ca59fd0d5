import type { Account } from '../../shared/account/index.ts'
import { parseConfig } from '../../shared/config/index.ts'
import type {
  AccountFacts,
  ConnectionFacts,
  MonitorSources,
  RouterFacts,
} from '../../shared/monitor/index.ts'

const START_MS = Date.UTC(2026, 10, 21, 6, 0, 0)

/** Facts of a server with three connections, a leaf, and one stream; `changes` replace some. */
export function monitorSources(changes: Partial<MonitorSources> = {}): MonitorSources {
  return {
    server: () => ({
      id: 'NABC',
      name: 'hub-eu',
      version: '2.15.2',
      petioleVersion: '0.1.0',
      config: parseConfig(
        { host: '127.0.0.1', websocket: { port: 8443, no_tls: true }, server_tags: ['eu'] },
        'hub',
      ),
      client: { host: '127.0.0.1', port: 4222 },
      isAuthRequired: true,
      startedMs: START_MS,
      configLoadedMs: START_MS,
      configDigest: '',
      connectUrls: [],
      webSocketUrls: [],
      certificateEndsMs: () => undefined,
      leafNodes: { host: '0.0.0.0', port: 7422 },
      webSocket: { host: '0.0.0.0', port: 8443 },
      mqtt: undefined,
    }),
    traffic: () => ({
      connections: 3,
      connectionsEver: 9,
      links: 1,
      subscriptions: 3,
      clients: { inMessages: 90, inBytes: 900, outMessages: 180, outBytes: 1_800 },
      servers: { inMessages: 10, inBytes: 100, outMessages: 20, outBytes: 200 },
      slowConsumers: { clients: 1, routes: 0, gateways: 0, leafs: 0 },
      staleConnections: { clients: 0, routes: 0, gateways: 0, leafs: 0 },
      stalls: 0,
    }),
    accounts: () => [accountFacts('$G', 3), accountFacts('B', 0)],
    account: (name) => (name === '$G' || name === 'B' ? accountFacts(name, 3) : undefined),
    routes: () => [],
    gateways: () => undefined,
    connections: (account) =>
      [connection(3, 'a', 5), connection(1, 'b', 50), connection(2, 'a', 500)].filter(
        (one) => account === undefined || one.account === account,
      ),
    closedConnections: () => [
      { ...connection(9, 'c', 0), stoppedMs: START_MS + 10_000, reason: 'Client Closed' },
    ],
    subscriptions: (account, connections) =>
      [
        subscription('$G', 'plant.>', '', 1),
        subscription('$G', 'plant.*', 'q', 1),
        subscription('B', 'other', '', 2),
      ]
        .filter((one) => account === undefined || one.account === account)
        .filter((one) => connections?.has(one.connectionId) ?? true),
    links: () => [
      {
        ...traffic(7),
        id: 4,
        name: 'press-7',
        isSpoke: false,
        isIsolated: false,
        account: '$G',
        ip: '10.0.0.1',
        port: 5000,
        roundTripMs: 1.5,
        subscriptions: 1,
        subjects: () => ['plant.>'],
      },
    ],
    jetStream: () => ({
      storeDirectory: './data/hub-eu',
      syncEveryMs: 0,
      domain: 'hub-eu',
      storageBytesMax: 0,
      storageBytes: 300,
      memoryBytesMax: 4096,
      reservedBytes: { memory: 2048, file: 1_000_000 },
      apiRequests: 5,
      apiErrors: 1,
      apiLevel: 5,
      apiInflight: 0,
      messageIdsRefused: 3,
      store: {
        commits: 7,
        syncs: 7,
        bytesWritten: 900,
        segments: 1,
        diskBytes: 300,
        savedBytes: 120,
        condition: 'open',
        freeBytes: 1_000_000,
        damagedRecords: 0,
        mendedFiles: 0,
        indexBytesWritten: 0,
        rewriteBytesWritten: 0,
        everWritten: { journal: 0, all: 0 },
        scrub: { passes: 0, bytes: 0, lastPassMs: 0 },
        quarantineFiles: 0,
        quarantineBytes: 0,
        quarantineDroppedBytes: 0,
        tornBytes: 0,
      },
      accounts: () => [{ name: '$G', apiRequests: 5, apiErrors: 1 }],
      streams: () => [
        {
          account: '$G',
          name: 'plant',
          createdMs: START_MS,
          messages: 10,
          bytes: 300,
          isInMemory: false,
          consumers: 2,
          config: () => ({ name: 'plant', subjects: ['plant.>'], max_bytes: -1, max_msgs: 100 }),
          state: () => ({ messages: 10, bytes: 300, first_seq: 1, last_seq: 10 }),
          consumerDetails: () => [consumer('c1'), consumer('c2')],
          hasConsumer: (name) => name === 'c1' || name === 'c2',
        },
      ],
    }),
    trouble: () => undefined,
    ...changes,
  }
}

function connection(id: number, user: string, messages: number): ConnectionFacts {
  return {
    ...traffic(messages),
    id,
    kind: 'Client',
    type: 'nats',
    stalls: 0,
    ip: '127.0.0.1',
    port: 40_000 + id,
    startedMs: START_MS + id * 1_000,
    lastActivityMs: START_MS + 5_000,
    roundTripMs: id === 2 ? undefined : 0.25,
    pendingBytes: 0,
    subscriptions: id === 1 ? 2 : 0,
    name: `client-${id}`,
    lang: 'nats.js',
    version: '3.3.1',
    user,
    account: '$G',
  }
}

function consumer(name: string): object {
  return {
    name,
    config: { description: 'for plants' },
    delivered: { consumer_seq: 4, stream_seq: 5, last_active: '2026-11-21T06:00:00.000Z' },
    ack_floor: { consumer_seq: 2, stream_seq: 3 },
    num_ack_pending: 2,
    num_redelivered: 0,
    num_waiting: 1,
    num_pending: 5,
    ts: '2026-11-21T06:00:03.000Z',
  }
}

function subscription(account: string, subject: string, queue: string, connectionId: number) {
  const sid = queue === '' ? '1' : '2'
  const messages = queue === '' ? 4 : 0
  return {
    account,
    subject,
    queue,
    sid,
    messages,
    messagesMax: 0,
    connectionId,
    peer: 'client',
  } as const
}

export function accountFacts(name: string, connections: number): AccountFacts {
  const config = parseConfig({}, 'hub').accounts.find((one) => one.name === '$G')
  if (config === undefined) throw new Error('no $G')
  const account: Account = {
    name,
    displayName: name,
    config: { ...config, name },
    isSystem: false,
    jwt: '',
    issuerKey: '',
    tags: [],
    updatedMs: START_MS,
    expiresMs: undefined,
  }
  const none = { inMessages: 0, inBytes: 0, outMessages: 0, outBytes: 0 }
  return {
    account,
    hasJetStream: name === '$G',
    connections,
    leafNodes: 0,
    subscriptions: 2,
    traffic: { all: traffic(30), gateways: none, routes: none, leafs: none, slowConsumers: 0 },
    router: () => router,
  }
}

const router: RouterFacts = {
  subscriptions: 2,
  cached: 4,
  inserts: 3,
  removes: 1,
  matches: 10,
  cacheHits: 9,
  fanoutSum: 6,
  fanoutMax: 3,
}

function traffic(messages: number) {
  return { inMessages: messages, inBytes: messages * 10, outMessages: 0, outBytes: 0 }
}
