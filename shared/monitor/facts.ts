/**
 * What monitoring shows, as plain facts. A role fills `MonitorSources` from its broker, links and
 * streams; this folder knows none of them. Times are wall milliseconds since the epoch, durations are
 * milliseconds, and what is not known is undefined.
 */
export interface MonitorSources {
  server(): ServerFacts
  /** Called for each /varz: everything that moves. */
  traffic(): TrafficFacts
  /** Clients of all protocols, open ones. Leaf links are not among them. */
  connections(): Iterable<ConnectionFacts>
  /** The last ones that were closed, as many as are kept. */
  closedConnections(): Iterable<ConnectionFacts>
  subscriptions(): Iterable<SubscriptionFacts>
  links(): Iterable<LinkFacts>
  /** undefined: JetStream is off. */
  jetStream(): JetStreamFacts | undefined
  /** Why the server does not do its work, for people; undefined when it does. */
  trouble(): string | undefined
}

export interface ListenFacts {
  readonly host: string
  readonly port: number
}

export interface ServerFacts {
  readonly id: string
  readonly name: string
  /** The nats-server version whose features we have, as in INFO. */
  readonly version: string
  readonly host: string
  readonly port: number
  readonly isAuthRequired: boolean
  readonly authTimeoutMs: number
  readonly payloadBytesMax: number
  readonly controlLineBytesMax: number
  readonly pendingBytesMax: number
  readonly connectionsMax: number
  readonly pingIntervalMs: number
  readonly pingsMax: number
  readonly writeDeadlineMs: number
  readonly startedMs: number
  readonly leafNodes: ListenFacts | undefined
  readonly webSocket: ListenFacts | undefined
  readonly mqtt: ListenFacts | undefined
  /** Hubs that this server dials, as URLs without secrets. */
  readonly remotes: readonly { readonly account: string; readonly urls: readonly string[] }[]
}

export interface TrafficFacts {
  readonly connections: number
  readonly connectionsEver: number
  readonly links: number
  readonly subscriptions: number
  readonly inMessages: number
  readonly inBytes: number
  readonly outMessages: number
  readonly outBytes: number
  readonly slowConsumers: number
  readonly staleConnections: number
}

export interface PeerTraffic {
  readonly inMessages: number
  readonly inBytes: number
  readonly outMessages: number
  readonly outBytes: number
}

export interface ConnectionFacts extends PeerTraffic {
  readonly id: number
  readonly type: 'nats' | 'websocket' | 'mqtt'
  readonly ip: string
  readonly port: number
  readonly startedMs: number
  readonly lastActivityMs: number
  /** Of a closed connection. */
  readonly stoppedMs?: number | undefined
  readonly reason?: string | undefined
  readonly roundTripMs: number | undefined
  readonly pendingBytes: number
  readonly subscriptions: number
  readonly name: string
  readonly lang: string
  readonly version: string
  readonly user: string
  readonly account: string
  readonly mqttClient?: string | undefined
}

export interface SubscriptionFacts {
  readonly account: string
  readonly subject: string
  readonly queue: string
  readonly sid: string
  readonly messages: number
  readonly connectionId: number
}

export interface LinkFacts extends PeerTraffic {
  readonly id: number
  readonly name: string
  /** This end dialled: the other one is its hub. */
  readonly isSpoke: boolean
  readonly account: string
  readonly ip: string
  readonly port: number
  readonly roundTripMs: number | undefined
  readonly subjects: readonly string[]
}

export interface JetStreamFacts {
  readonly storeDirectory: string
  readonly domain: string
  /** 0: what the file system has. */
  readonly storageBytesMax: number
  readonly storageBytes: number
  readonly apiRequests: number
  readonly apiErrors: number
  streams(): Iterable<StreamFacts>
}

export interface StreamFacts {
  readonly account: string
  readonly name: string
  readonly createdMs: number
  readonly messages: number
  readonly bytes: number
  readonly consumers: number
  /** As STREAM.INFO gives them: `config`, `state` and each consumer's info. */
  config(): object
  state(): object
  consumerDetails(): readonly object[]
}

/** What the process takes of the machine. */
export interface ProcessFacts {
  readonly memoryBytes: number
  readonly cores: number
  /** Percent of one core since the last look. */
  readonly cpuPercent: number
}
