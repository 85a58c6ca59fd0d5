/**
 * What a role runs on: the configuration after reading, checking and defaulting. Keys are those of
 * the file, in snake_case; every value is present and exact, so nothing further in writes a default.
 * Durations are milliseconds, sizes are bytes, 0 stands for "no limit" where a limit is optional.
 */
export type Role = 'hub' | 'leaf'

/** Whoever belongs to no named account belongs to this one. */
export const ROOT_ACCOUNT = '$G'

/** Where a listener listens. Port 0 takes any free port (`-1` in a file, as in nats-server). */
export interface ListenConfig {
  readonly host: string
  readonly port: number
}

export interface UserConfig {
  readonly user: string
  readonly password: string
  /** '$G' when the user belongs to no named account. */
  readonly account: string
}

export interface AuthorizationConfig {
  /** Users of `authorization` and of all `accounts`, in the order of the file. */
  readonly users: readonly UserConfig[]
  /** '' when there is none. */
  readonly token: string
  /** How long a connection may take to present credentials. */
  readonly timeout: number
  /** The user that a connection without credentials becomes; '' refuses it when users are configured. */
  readonly no_auth_user: string
}

export interface JetStreamConfig {
  readonly enabled: boolean
  readonly store_dir: string
  /** '' when there is none. */
  readonly domain: string
  /** Bytes that the store may take on disk; 0: what the file system has. */
  readonly max_file: number
  readonly max_mem: number
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
}

export interface LeafNodesConfig {
  /** undefined: no leafnode listener over TCP. */
  readonly listen: ListenConfig | undefined
  readonly advertise: string
  /** undefined: links authenticate as clients do. */
  readonly authorization: AuthorizationConfig | undefined
  readonly remotes: readonly RemoteConfig[]
  /** The shortest time between two dials; backoff grows from it. */
  readonly reconnect: number
  readonly dial_timeout: number
}

export interface WebSocketConfig {
  readonly listen: ListenConfig
  readonly advertise: string
  readonly handshake_timeout: number
}

export interface MqttConfig {
  readonly listen: ListenConfig
  /** How long a QoS 1 delivery waits for its PUBACK before it is sent again. */
  readonly ack_wait: number
  /** Unacknowledged QoS 1 deliveries per session. */
  readonly max_ack_pending: number
}

export interface LogConfig {
  readonly debug: boolean
  readonly trace: boolean
  readonly logtime: boolean
  /** '' logs to standard output. */
  readonly log_file: string
}

/** What hub and leaf share: the core. */
export interface CoreConfig extends LogConfig {
  /** '' when not given: the role uses its server id. */
  readonly server_name: string
  readonly host: string
  readonly port: number
  /** `host:port` that INFO tells clients to use; '' for none. */
  readonly client_advertise: string
  /** Monitoring over HTTP; undefined when not configured. */
  readonly http: ListenConfig | undefined
  readonly http_base_path: string
  readonly pid_file: string
  readonly max_payload: number
  readonly max_control_line: number
  readonly max_connections: number
  readonly max_pending: number
  readonly max_subscriptions: number
  readonly ping_interval: number
  readonly ping_max: number
  readonly write_deadline: number
  readonly lame_duck_duration: number
  readonly lame_duck_grace_period: number
  readonly authorization: AuthorizationConfig
  /** Names of the accounts, '$G' first. */
  readonly accounts: readonly string[]
  readonly jetstream: JetStreamConfig
  readonly leafnodes: LeafNodesConfig
  readonly websocket: WebSocketConfig | undefined
  readonly mqtt: MqttConfig | undefined
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
  /** In the order of the file. */
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
