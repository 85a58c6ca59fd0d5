import type { Account } from '../account/index.ts'
import type { CoreConfig } from '../config/index.ts'

/**
 * What monitoring shows, as plain facts. A role fills `MonitorSources` from its broker, links and
 * streams; this folder knows none of them. Times are wall milliseconds since the epoch, durations are
 * milliseconds, and what is not known is undefined.
 */
export interface MonitorSources {
  server(): ServerFacts
  /** Everything that moves, summed up when it is asked for. */
  traffic(): TrafficFacts
  /** Clients of all protocols, open ones, and leaf links whose beginning is known: of one account, or of all. */
  connections(account?: string): Iterable<ConnectionFacts>
  /** The last ones that were closed, as many as are kept. */
  closedConnections(): Iterable<ConnectionFacts>
  /** Of one account, or of all, or of these connections alone; there may be very many, so they are made as they are read. */
  subscriptions(account?: string, connections?: ReadonlySet<number>): Iterable<SubscriptionFacts>
  accounts(): Iterable<AccountFacts>
  account(name: string): AccountFacts | undefined
  links(): Iterable<LinkFacts>
  routes(): Iterable<RouteFacts>
  /** undefined: this server belongs to no supercluster. */
  gateways(): GatewayFacts | undefined
  /** undefined: JetStream is off. */
  jetStream(): JetStreamFacts | undefined
  /** Why the server does not do its work, for people; undefined when it does. */
  trouble(): string | undefined
  /** Work that stands still until somebody mends something elsewhere: no reason to restart this server. */
  blocked?(): readonly BlockedFacts[]
  /** What protocols other than NATS tell of themselves, by their names. */
  doors?(): readonly (readonly [name: string, report: object])[]
}

/** A buffer whose next record the hub does not take. */
export interface BlockedFacts {
  readonly buffer: string
  /** '' when it is not about one subject. */
  readonly subject: string
  readonly reason: string
}

export interface ListenFacts {
  readonly host: string
  readonly port: number
}

export type SecureListener = 'client' | 'websocket' | 'leafnodes' | 'mqtt' | 'cluster' | 'gateway'

export interface ServerFacts {
  readonly id: string
  readonly name: string
  /** The nats-server version whose features we have, as in INFO. */
  readonly version: string
  /** Petiole's own. */
  readonly petioleVersion: string
  readonly config: CoreConfig
  /** What was taken, where the configuration left the choice open. */
  readonly client: ListenFacts
  readonly leafNodes: ListenFacts | undefined
  readonly webSocket: ListenFacts | undefined
  readonly mqtt: ListenFacts | undefined
  readonly isAuthRequired: boolean
  readonly startedMs: number
  readonly configLoadedMs: number
  /** `sha256:<hex>` of the configuration; '' when it came from no file. */
  readonly configDigest: string
  readonly connectUrls: readonly string[]
  readonly webSocketUrls: readonly string[]
  /** When the certificate of a listener ends; undefined without one. */
  readonly certificateEndsMs: (listener: SecureListener) => number | undefined
}

export interface KindCounts {
  readonly clients: number
  readonly routes: number
  readonly gateways: number
  readonly leafs: number
}

export interface TrafficFacts {
  readonly connections: number
  readonly connectionsEver: number
  readonly links: number
  readonly subscriptions: number
  /** From and to clients of all protocols. */
  readonly clients: PeerTraffic
  /** From and to other servers. */
  readonly servers: PeerTraffic
  readonly slowConsumers: KindCounts
  readonly staleConnections: KindCounts
  /** How often publishers had to wait for receivers. */
  readonly stalls: number
}

/** `in` is what came from the other side. */
export interface PeerTraffic {
  readonly inMessages: number
  readonly inBytes: number
  readonly outMessages: number
  readonly outBytes: number
}

export interface TlsConnectionFacts {
  /** `1.2` or `1.3`. */
  readonly version: string
  readonly cipherSuite: string
  readonly isFirst: boolean
  /** What the other side showed, read when it is asked for. */
  certificates(): readonly {
    readonly subject: string
    /** SHA-256 of the public key info and of the certificate, lower case hex. */
    readonly keyDigest: string
    readonly digest: string
  }[]
}

/** What an MQTT client has agreed with the server. */
export interface MqttConnectionFacts {
  /** `3.1`, `3.1.1` or `5.0`. */
  readonly version: string
  /** How long its session outlives the connection, in seconds. */
  readonly sessionExpirySeconds: number
  /** Messages of QoS 1 and 2 under way to it. */
  readonly inflight: number
  /** Those among its subscriptions that it shares with others. */
  readonly sharedSubscriptions: number
  /** Those that are its session's, whether the client is there or not; the account's other ones do not show them as its. */
  readonly subscriptionsOfSession: () => readonly {
    readonly subject: string
    readonly queue: string
  }[]
}

export interface ConnectionFacts extends PeerTraffic {
  readonly id: number
  readonly kind: 'Client' | 'Leafnode' | 'Gateway'
  /** '' for what is no client. */
  readonly type: 'nats' | 'websocket' | 'mqtt' | ''
  readonly ip: string
  readonly port: number
  readonly startedMs: number
  readonly lastActivityMs: number
  /** Of a closed connection. */
  readonly stoppedMs?: number | undefined
  readonly reason?: string | undefined
  /** What a closed connection was subscribed to, as far as it is remembered. */
  readonly subjects?: readonly string[] | undefined
  readonly roundTripMs: number | undefined
  readonly pendingBytes: number
  readonly stalls: number
  readonly subscriptions: number
  readonly name: string
  readonly lang: string
  readonly version: string
  readonly user: string
  readonly account: string
  readonly mqttClient?: string | undefined
  readonly mqtt?: MqttConnectionFacts | undefined
  readonly tls?: TlsConnectionFacts | undefined
  readonly jwt?: string | undefined
  readonly issuerKey?: string | undefined
  /** What the account is called, where that is not its name. */
  readonly nameTag?: string | undefined
  readonly tags?: readonly string[] | undefined
  readonly proxyKey?: string | undefined
}

export interface SubscriptionFacts {
  readonly account: string
  readonly subject: string
  readonly queue: string
  readonly sid: string
  readonly messages: number
  /** It ends after so many messages; 0: never. */
  readonly messagesMax: number
  readonly connectionId: number
  /** Who has it; other servers' are counted with those of leaf links. */
  readonly peer: 'client' | 'leaf' | 'other'
}

export interface AccountFacts {
  readonly account: Account
  readonly hasJetStream: boolean
  readonly connections: number
  readonly leafNodes: number
  readonly subscriptions: number
  readonly traffic: AccountTraffic
  /** Counted when it is asked for: it looks at each cached subject. */
  router(): RouterFacts
}

/** `in` is what the account's peers of each kind have sent. `all` holds the other three too. */
export interface AccountTraffic {
  readonly all: PeerTraffic
  readonly gateways: PeerTraffic
  readonly routes: PeerTraffic
  readonly leafs: PeerTraffic
  readonly slowConsumers: number
}

/** The router of one account, as nats-server's sublist counts it. */
export interface RouterFacts {
  readonly subscriptions: number
  readonly cached: number
  readonly inserts: number
  readonly removes: number
  readonly matches: number
  readonly cacheHits: number
  /** Receivers of the cached subjects: of all together, and of the one that has most. */
  readonly fanoutSum: number
  readonly fanoutMax: number
}

export interface LinkFacts extends PeerTraffic {
  readonly id: number
  readonly name: string
  /** This end dialled: the other one is its hub. */
  readonly isSpoke: boolean
  readonly isIsolated: boolean
  readonly account: string
  readonly ip: string
  readonly port: number
  readonly roundTripMs: number | undefined
  /** Subscriptions of the other side. */
  readonly subscriptions: number
  /** Named when they are asked for. */
  subjects(): readonly string[]
}

/** A connection to another hub. */
export interface PeerLinkFacts extends PeerTraffic {
  readonly id: number
  readonly remoteId: string
  readonly remoteName: string
  readonly isSolicited: boolean
  readonly isConfigured: boolean
  readonly ip: string
  readonly port: number
  readonly startedMs: number
  readonly lastActivityMs: number
  readonly roundTripMs: number | undefined
  readonly pendingBytes: number
  readonly subscriptions: number
  subscriptionList(): readonly SubscriptionFacts[]
}

export interface RouteFacts extends PeerLinkFacts {
  /** '' for a connection that serves all accounts. */
  readonly account: string
}

export interface GatewayLinkFacts extends PeerLinkFacts {
  /** The region on the other end. */
  readonly gateway: string
  accounts(): readonly {
    readonly name: string
    readonly subscriptions: number
    readonly queueSubscriptions: number
  }[]
}

export interface GatewayFacts {
  readonly name: string
  readonly listen: ListenFacts
  readonly outbound: readonly GatewayLinkFacts[]
  readonly inbound: readonly GatewayLinkFacts[]
}

export interface JetStreamFacts {
  readonly storeDirectory: string
  readonly domain: string
  /** Where the configuration sets no limit, what the disk had room for at the start; 0: not known. */
  readonly storageBytesMax: number
  readonly storageBytes: number
  /** 0: as much as there is. */
  readonly memoryBytesMax: number
  /** What streams of each storage say they may grow to. */
  readonly reservedBytes: { readonly memory: number; readonly file: number }
  /** How long acknowledged messages may wait for the disk, for streams that do not say; 0: not at all. */
  readonly syncEveryMs: number
  /** Level of the API that is answered. */
  readonly apiLevel: number
  readonly apiRequests: number
  readonly apiErrors: number
  readonly apiInflight: number
  /** Publishes since the start whose message ids no duplicate window had room for. */
  readonly messageIdsRefused: number
  readonly store: StoreFacts
  /** Accounts that may have streams. */
  accounts(): Iterable<JetStreamAccountFacts>
  streams(): Iterable<StreamFacts>
}

export interface StoreFacts {
  readonly condition: 'open' | 'full' | 'failed'
  readonly commits: number
  readonly syncs: number
  readonly bytesWritten: number
  readonly segments: number
  readonly diskBytes: number
  /** By which segments are smaller than without compression. */
  readonly savedBytes: number
  /** What it can still grow by; Infinity when that is not known. */
  readonly freeBytes: number
  readonly indexBytesWritten: number
  readonly rewriteBytesWritten: number
  /** Since the store was made. */
  readonly everWritten: { readonly journal: number; readonly all: number }
  readonly damagedRecords: number
  /** Other files that were damaged and written again since the start. */
  readonly mendedFiles: number
  readonly scrub: { readonly passes: number; readonly bytes: number; readonly lastPassMs: number }
  /** Not yet of the configured key; undefined: nothing is encrypted. */
  readonly encryption?:
    | {
        readonly isOn: boolean
        readonly cipher: string
        readonly segmentsLeft: number
        readonly bytesLeft: number
      }
    | undefined
  readonly quarantineFiles: number
  readonly quarantineBytes: number
  readonly quarantineDroppedBytes: number
  readonly tornBytes: number
}

export interface JetStreamAccountFacts {
  readonly name: string
  readonly apiRequests: number
  readonly apiErrors: number
}

export interface StreamFacts {
  readonly account: string
  readonly name: string
  readonly createdMs: number
  readonly messages: number
  readonly bytes: number
  readonly isInMemory: boolean
  readonly consumers: number
  /** As STREAM.INFO gives them: `config`, `state` and each consumer's info. */
  config(): object
  state(): object
  consumerDetails(): readonly object[]
  hasConsumer(name: string): boolean
}

/** What the process takes of the machine. */
export interface ProcessFacts {
  readonly memoryBytes: number
  readonly cores: number
  /** Percent of one core since the last look. */
  readonly cpuPercent: number
  /** Seconds of CPU since the start. */
  readonly cpuSeconds: number
  readonly heapBytes: number
}
