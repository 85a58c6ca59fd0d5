import type { ConnectionFacts, MonitorSources } from '../../shared/monitor/index.ts'

const START_MS = Date.UTC(2026, 10, 21, 6, 0, 0)

/** Facts of a server with three connections, a leaf, and one stream; `changes` replace some. */
export function monitorSources(changes: Partial<MonitorSources> = {}): MonitorSources {
  return {
    server: () => ({
      id: 'NABC',
      name: 'hub-eu',
      version: '2.12.0',
      host: '0.0.0.0',
      port: 4222,
      isAuthRequired: true,
      authTimeoutMs: 2_000,
      payloadBytesMax: 1_048_576,
      controlLineBytesMax: 4_096,
      pendingBytesMax: 67_108_864,
      connectionsMax: 65_536,
      pingIntervalMs: 120_000,
      pingsMax: 2,
      writeDeadlineMs: 10_000,
      startedMs: START_MS,
      leafNodes: { host: '0.0.0.0', port: 7422 },
      webSocket: { host: '0.0.0.0', port: 8443 },
      mqtt: undefined,
      remotes: [],
    }),
    traffic: () => ({
      connections: 3,
      connectionsEver: 9,
      links: 1,
      subscriptions: 3,
      inMessages: 100,
      inBytes: 1_000,
      outMessages: 200,
      outBytes: 2_000,
      slowConsumers: 1,
      staleConnections: 0,
    }),
    connections: () => [connection(3, 'a', 5), connection(1, 'b', 50), connection(2, 'a', 500)],
    closedConnections: () => [
      { ...connection(9, 'c', 0), stoppedMs: START_MS + 10_000, reason: 'Client Closed' },
    ],
    subscriptions: () => [
      { account: '$G', subject: 'plant.>', queue: '', sid: '1', messages: 4, connectionId: 1 },
      { account: '$G', subject: 'plant.*', queue: 'q', sid: '2', messages: 0, connectionId: 1 },
      { account: 'B', subject: 'other', queue: '', sid: '1', messages: 0, connectionId: 2 },
    ],
    links: () => [
      {
        ...traffic(7),
        id: 4,
        name: 'press-7',
        isSpoke: false,
        account: '$G',
        ip: '10.0.0.1',
        port: 5000,
        roundTripMs: 1.5,
        subjects: ['plant.>'],
      },
    ],
    jetStream: () => ({
      storeDirectory: './data/hub-eu',
      domain: 'hub-eu',
      storageBytesMax: 0,
      storageBytes: 300,
      apiRequests: 5,
      apiErrors: 1,
      streams: () => [
        {
          account: '$G',
          name: 'plant',
          createdMs: START_MS,
          messages: 10,
          bytes: 300,
          consumers: 2,
          config: () => ({ name: 'plant', subjects: ['plant.>'] }),
          state: () => ({ messages: 10, bytes: 300, first_seq: 1, last_seq: 10 }),
          consumerDetails: () => [{ name: 'c1' }, { name: 'c2' }],
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
    type: 'nats',
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

function traffic(messages: number) {
  return { inMessages: messages, inBytes: messages * 10, outMessages: 0, outBytes: 0 }
}
