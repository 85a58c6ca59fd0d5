import type { AccountConfig, AuthorizationConfig, OperatorConfig } from './account-config.ts'
import type { ClusterConfig, GatewayConfig } from './cluster-config.ts'
import type { MqttLimitsConfig } from './mqtt-config.ts'
import type { MqttRemoteConfig } from './mqtt-remote-config.ts'
import type { TlsConfig } from './tls-config.ts'

/**
 * What a role runs on: the configuration after reading, checking and defaulting. Keys are those of
 * the file, in snake_case; every value is present and exact, so nothing further in writes a default.
 * Durations are milliseconds, sizes are bytes, 0 stands for "no limit" where a limit is optional.
 */
export type Role = 'hub' | 'leaf'

/** Whoever belongs to no named account belongs to this one. */
export const ROOT_ACCOUNT = '$G'

/** The system account of a server whose file names none. */
export const SYSTEM_ACCOUNT = '$SYS'

/** Where a listener listens. Port 0 takes any free port (`-1` in a file, as in nats-server). */
export interface ListenConfig {
  readonly host: string
  readonly port: number
}

/** Keys of the store: as they are, or files that hold them; '' where there is none. */
export interface EncryptionConfig {
  readonly cipher: 'aes' | 'chacha'
  readonly key: string
  readonly key_file: string
  readonly prev_key: string
  readonly prev_key_file: string
}

export interface JetStreamConfig {
  readonly enabled: boolean
  readonly store_dir: string
  /** '' when there is none. */
  readonly domain: string
  /** Bytes that the store may take on disk; 0: what the file system has. */
  readonly max_file: number
  readonly max_mem: number
  /** Milliseconds from one look at all that is stored to the next, 0: never. */
  readonly scrub_interval: number
  readonly encryption: EncryptionConfig
  /** Distinct subjects of all streams; what is more is on disk. */
  readonly max_subjects_in_memory: number
  /** Whether requests with fields that nobody knows are refused. */
  readonly strict: boolean
  /** Milliseconds for which what is acknowledged may wait for the disk, 0: it does not. */
  readonly sync_interval: number
  /** What may wait for the disk per stream; 0: as much as the store takes. */
  readonly max_buffered_msgs: number
  readonly max_buffered_size: number
  /** Requests that are under way per account, and those among them that only ask; 0: the default. */
  readonly request_queue_limit: number
  readonly info_queue_limit: number
  /** Whether acks and flow control name domain and account where there is no domain too. */
  readonly js_ack_fc_v2: boolean
  /** What no stream or consumer may be above; 0: no limit. */
  readonly limits: {
    readonly max_ack_pending: number
    readonly max_request_batch: number
    /** Of a stream, where neither it nor its account says. */
    readonly default_max_consumers: number
    /** Milliseconds. */
    readonly duplicate_window: number
    /** Of batch publishing; 0: the default. */
    readonly batch: {
      readonly max_inflight_per_stream: number
      readonly max_inflight_total: number
      readonly max_msgs: number
      /** Milliseconds. */
      readonly timeout: number
    }
  }
}

/** One address of a hub that a leaf dials. */
export interface RemoteUrl {
  readonly protocol: 'tcp' | 'websocket'
  readonly host: string
  readonly port: number
  /** WebSocket: the path in front of `/leafnode`; '' for none. */
  readonly path: string
  /** From the URL's user part; '' when absent. A user without a password is a token. */
  readonly user: string
  readonly password: string
  /** The URL without its secrets, for logs and status. */
  readonly text: string
}

export interface RemoteConfig {
  readonly urls: readonly RemoteUrl[]
  /** The local account that this link binds; '$G' when not given. */
  readonly account: string
  /** Keeps the order of `urls` instead of shuffling them. */
  readonly no_randomize: boolean
  /** undefined: TLS only where a URL's scheme asks for it (`tls://`, `wss://`). */
  readonly tls: TlsConfig | undefined
  /** A .creds file; '' for none. */
  readonly credentials: string
  /** An nkey seed, or the file that holds one; '' for none. */
  readonly nkey: string
  /** Subjects that the hub's side may not hear of, and that it may not send here. */
  readonly deny_exports: readonly string[]
  readonly deny_imports: readonly string[]
  /** Dials as a hub does: the other end is the leaf. */
  readonly hub: boolean
  readonly is_isolated: boolean
}

export interface LeafNodesConfig {
  /** undefined: no leafnode listener over TCP. */
  readonly listen: ListenConfig | undefined
  readonly advertise: string
  /** undefined: links authenticate as clients do. */
  readonly authorization: AuthorizationConfig | undefined
  /** `authorization.timeout`, which counts without users too: ms for a login. */
  readonly auth_timeout?: number
  readonly tls: TlsConfig | undefined
  readonly remotes: readonly RemoteConfig[]
  /** The shortest time between two dials; backoff grows from it. */
  readonly reconnect: number
  readonly dial_timeout: number
}

export interface WebSocketConfig {
  readonly listen: ListenConfig
  readonly advertise: string
  readonly handshake_timeout: number
  /** undefined: `no_tls`. */
  readonly tls: TlsConfig | undefined
  readonly same_origin: boolean
  /** Empty: any, unless `same_origin`. */
  readonly allowed_origins: readonly string[]
  readonly compression: boolean
  /** Cookies that stand in for what CONNECT leaves out; '' for none. */
  readonly jwt_cookie: string
  readonly user_cookie: string
  readonly pass_cookie: string
  readonly token_cookie: string
  /** Sent with the answer to an upgrade request. */
  readonly headers: Readonly<Record<string, string>>
  readonly no_auth_user: string
  /** In place of the server's own, for connections of this listener. */
  readonly authorization: AuthorizationConfig | undefined
  /** 0: the server's own. */
  readonly ping_interval: number
}

export interface MqttConfig extends MqttLimitsConfig {
  readonly listen: ListenConfig
  /** How long a QoS 1 delivery waits for its PUBACK before it is sent again. */
  readonly ack_wait: number
  readonly tls: TlsConfig | undefined
  readonly no_auth_user: string
  readonly authorization: AuthorizationConfig | undefined
}

export interface LogConfig {
  readonly debug: boolean
  readonly trace: boolean
  readonly logtime: boolean
  readonly logtime_utc: boolean
  /** '' logs to standard error. */
  readonly log_file: string
  /** '' lets the way of starting decide: see `createLog`. */
  readonly log_format: 'text' | 'json' | 'pretty' | ''
  /** Bytes after which a log file is set aside; 0: never. */
  readonly logfile_size_limit: number
  /** Log files that are kept, the current one among them; 0: all. */
  readonly logfile_max_num: number
}

/** What hub and leaf share: the core. */
export interface CoreConfig extends LogConfig {
  /** `sha256:…` of what the file says; '' without a file. */
  readonly config_digest: string
  /** '' when not given: the role uses its server id. */
  readonly server_name: string
  readonly host: string
  readonly port: number
  /** `host:port` that INFO tells clients to use; '' for none. */
  readonly client_advertise: string
  /** Monitoring over HTTP; undefined when not configured. */
  readonly http: ListenConfig | undefined
  readonly http_base_path: string
  /** HTTPS with `tls`; undefined when not configured. */
  readonly https: ListenConfig | undefined
  readonly pid_file: string
  /** Where `<program>_<pid>.ports` is written; '' for nowhere. */
  readonly ports_file_dir: string
  readonly max_payload: number
  readonly max_control_line: number
  readonly max_connections: number
  readonly max_pending: number
  readonly max_subscriptions: number
  /** Tokens of a subscription's subject; 0: no limit. */
  readonly max_sub_tokens: number
  /** Closed connections that monitoring remembers. */
  readonly max_closed_clients: number
  readonly no_header_support: boolean
  readonly no_fast_producer_stall: boolean
  /** INFO and connections are preceded by a PROXY header, version 1 or 2. */
  readonly proxy_protocol: boolean
  readonly server_tags: readonly string[]
  readonly server_metadata: Readonly<Record<string, string>>
  readonly tls: TlsConfig | undefined
  /** With `tls`: plain connections are taken too. */
  readonly allow_non_tls: boolean
  readonly ping_interval: number
  readonly ping_max: number
  readonly write_deadline: number
  readonly lame_duck_duration: number
  readonly lame_duck_grace_period: number
  readonly authorization: AuthorizationConfig
  /** All accounts of the file, '$G' first; the system account is one of them. */
  readonly accounts: readonly AccountConfig[]
  /** Name (or id, in operator mode) of the system account; '' when the file turns it off. */
  readonly system_account: string
  readonly operator: OperatorConfig | undefined
  readonly cluster: ClusterConfig | undefined
  readonly gateway: GatewayConfig | undefined
  readonly jetstream: JetStreamConfig
  readonly leafnodes: LeafNodesConfig
  readonly websocket: WebSocketConfig | undefined
  /** undefined: no MQTT listener. */
  readonly mqtt: MqttConfig | undefined
  /** `mqtt.remotes`, which need no listener. */
  readonly mqtt_remotes: readonly MqttRemoteConfig[]
}

/** A stream that the hub makes sure of at start, and that records from leaves go to. */
export interface FleetStreamConfig {
  readonly name: string
  readonly subjects: readonly string[]
  readonly description: string
  readonly max_age: number
  readonly max_bytes: number
  readonly max_msgs: number
  readonly max_msgs_per_subject: number
  readonly max_msg_size: number
  readonly duplicate_window: number
  readonly discard: 'old' | 'new'
}

export interface FleetConfig {
  /** The hub's region; '' when not given. */
  readonly region: string
  /** Those of the default account, in the order of the file. */
  readonly streams: readonly FleetStreamConfig[]
  readonly accounts: readonly FleetAccountConfig[]
}

/** What leaves whose links are bound to another account than the default one find there. */
export interface FleetAccountConfig {
  /** In operator mode the account's id. */
  readonly name: string
  readonly streams: readonly FleetStreamConfig[]
}

/** What a leaf keeps on disk until its hub has it. */
export interface BufferConfig {
  readonly name: string
  readonly subjects: readonly string[]
  readonly max_bytes: number
  readonly max_age: number
  readonly max_msgs: number
  /** 1 is drained first, 9 last. */
  readonly priority: number
  /** The part of the link that is kept for this buffer whatever the others hold, from 0 to 1. */
  readonly share: number
  /** A full buffer drops its oldest messages, or refuses new ones. */
  readonly discard: 'old' | 'new'
  readonly order: 'fifo' | 'lifo' | 'latest'
}

export interface HubConfig extends CoreConfig {
  readonly role: 'hub'
  readonly fleet: FleetConfig
}

export interface LeafConfig extends CoreConfig {
  readonly role: 'leaf'
  /** Shown in the fleet's status; '' when not given. */
  readonly region: string
  /** In the order of the file: the first whose subjects match captures a message. */
  readonly buffers: readonly BufferConfig[]
}

/** What `startHub` and `startLeaf` take: the blocks and keys of a configuration file as an object. */
export type ConfigInput = Readonly<Record<string, unknown>>
