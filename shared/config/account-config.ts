import type { TlsConfig } from './tls-config.ts'

/** What `users`, `accounts` and the operator's keys come to. Source: nats-server's server/opts.go. */

/** By its name in `allowed_connection_types`. */
export type ConnectionType =
  | 'STANDARD'
  | 'WEBSOCKET'
  | 'LEAFNODE'
  | 'LEAFNODE_WS'
  | 'MQTT'
  | 'MQTT_WS'
  | 'IN_PROCESS'

/** `allow` undefined: everything that `deny` does not name. Entries of `subscribe` may be `subject queue`. */
export interface SubjectPermissionConfig {
  readonly allow: readonly string[] | undefined
  readonly deny: readonly string[]
}

export interface PermissionsConfig {
  readonly publish: SubjectPermissionConfig
  readonly subscribe: SubjectPermissionConfig
  /** Publishing to the reply subject of what was delivered: how often (-1: no limit) and how long (0: for ever). */
  readonly allow_responses: { readonly max: number; readonly expires: number } | undefined
}

/** A user with a password, or one with an nkey; exactly one of `user` and `nkey` is not ''. */
export interface UserConfig {
  readonly user: string
  /** Plain, a bcrypt hash, or a SCRAM verifier. */
  readonly password: string
  /** Public user nkey, `U…`. */
  readonly nkey: string
  /** '$G' when the user belongs to no named account. */
  readonly account: string
  /** undefined: the account's default, else everything. */
  readonly permissions: PermissionsConfig | undefined
  /** Empty: all. */
  readonly connection_types: readonly ConnectionType[]
  readonly proxy_required: boolean
}

export interface AuthCalloutConfig {
  /** Account nkey that signs the answers. */
  readonly issuer: string
  /** Where the service listens; '$G' by default. */
  readonly account: string
  /** Users (names or nkeys) who log in by the file: the service itself. */
  readonly auth_users: readonly string[]
  /** Public curve key `X…` that requests are sealed for; '' for none. */
  readonly xkey: string
  /** Accounts that answers may name; empty: all. */
  readonly allowed_accounts: readonly string[]
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
  /** For users of `authorization` without their own. */
  readonly default_permissions: PermissionsConfig | undefined
  readonly auth_callout: AuthCalloutConfig | undefined
  readonly proxy_required: boolean
  /** Public nkeys of proxies that may vouch for clients. */
  readonly trusted_proxies: readonly string[]
}

export interface ExportConfig {
  readonly kind: 'stream' | 'service'
  readonly subject: string
  /** Accounts that may import it; undefined: all. */
  readonly accounts: readonly string[] | undefined
  /** 1-based token that must be the importing account's name; 0 for none. */
  readonly account_token_position: number
  /** Importers need an activation token (`accounts: []` in a JWT's `token_req`). */
  readonly token_required: boolean
  readonly response_type: 'single' | 'stream' | 'chunked'
  readonly response_threshold: number
  /** `sampling` in percent, 0 for "by the request's header"; undefined for no latency tracking. */
  readonly latency: { readonly sampling: number; readonly subject: string } | undefined
  readonly allow_trace: boolean
}

export interface ImportConfig {
  readonly kind: 'stream' | 'service'
  /** The exporting account. */
  readonly account: string
  /** In the exporting account. */
  readonly subject: string
  /** In the importing account: `to`, `prefix.subject`, or the same subject. May hold `$1` or `{{wildcard(1)}}`. */
  readonly to: string
  /** Service: requests carry who asks. */
  readonly share: boolean
  readonly allow_trace: boolean
  /** Activation token (JWT); '' for none. */
  readonly token: string
}

/** `subject` becomes one of `destinations`, chosen by weight (percent); what is left over keeps its subject. */
export interface MappingConfig {
  readonly subject: string
  readonly destinations: readonly {
    readonly subject: string
    readonly weight: number
    /** Only in this cluster; '' for all. */
    readonly cluster: string
  }[]
}

/** -1: no limit. */
export interface AccountLimitsConfig {
  readonly max_connections: number
  readonly max_subscriptions: number
  readonly max_payload: number
  readonly max_leafnodes: number
}

/** Of one account's streams; -1: no limit. */
export interface JetStreamLimitsConfig {
  readonly max_memory: number
  readonly max_store: number
  readonly max_streams: number
  readonly max_consumers: number
  readonly max_bytes_required: boolean
  readonly mem_max_stream_bytes: number
  readonly disk_max_stream_bytes: number
  readonly max_ack_pending: number
}

export interface AccountConfig {
  readonly name: string
  readonly nkey: string
  readonly exports: readonly ExportConfig[]
  readonly imports: readonly ImportConfig[]
  readonly mappings: readonly MappingConfig[]
  readonly default_permissions: PermissionsConfig | undefined
  readonly limits: AccountLimitsConfig
  /** false only when the file says `jetstream: disabled` (or nothing, in an account other than $G). */
  readonly jetstream: boolean
  /** What its streams may take together; absent: no limits. */
  readonly jetstream_limits?: JetStreamLimitsConfig
  /** Where messages with a sampled `traceparent` are traced to; sampling in percent. */
  readonly msg_trace: { readonly dest: string; readonly sampling: number } | undefined
}

export type ResolverConfig =
  | { readonly type: 'memory' }
  | { readonly type: 'url'; readonly url: string; readonly tls: TlsConfig | undefined }
  | {
      readonly type: 'full' | 'cache'
      readonly dir: string
      readonly allow_delete: boolean
      /** Files; 0 for no limit. */
      readonly limit: number
      /** Between two looks at what other servers have. */
      readonly interval: number
      /** cache: how long an entry is believed. */
      readonly ttl: number
      readonly timeout: number
    }

/** Operator mode: accounts and users come as JWTs, and none may be in the file. */
export interface OperatorConfig {
  /** Operator JWTs, read from their files. */
  readonly jwts: readonly string[]
  /** Public operator keys, in place of JWTs. */
  readonly trusted_keys: readonly string[]
  readonly resolver: ResolverConfig
  /** Account id to JWT. */
  readonly resolver_preload: Readonly<Record<string, string>>
  readonly resolver_pinned_accounts: readonly string[]
  /** A user JWT for those who present nothing; '' for none. */
  readonly default_sentinel: string
}
