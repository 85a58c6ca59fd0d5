import type { RemoteUrl } from './config.ts'
import type { TlsConfig } from './tls-config.ts'

/** Topics that cross to or from a broker, and what they are called at either end. */
export interface BridgedTopicsConfig {
  /** `plant/#`; of what is subscribed to `$share/group/plant/#` too. The prefixes are in front of it. */
  readonly filter: string
  readonly qos: 0 | 1
  /** In front of the topic here, and at the broker; '' for nothing. */
  readonly prefix: string
  readonly remote_prefix: string
}

/** A broker that this server is a client of. */
export interface MqttRemoteConfig {
  /** Its queue on disk, its session and its figures go by it. */
  readonly name: string
  /** One at least; several are one broker's, tried in turn. */
  readonly urls: readonly RemoteUrl[]
  /** '' for one that is made of the names of server and remote. */
  readonly client_id: string
  readonly user: string
  readonly password: string
  readonly account: string
  readonly subscribe: readonly BridgedTopicsConfig[]
  readonly publish: readonly BridgedTopicsConfig[]
  readonly tls: TlsConfig | undefined
  /** Milliseconds, whole seconds. */
  readonly keep_alive: number
  /** `auto`: MQTT 5, and 3.1.1 with a broker that refuses it. */
  readonly version: 'auto' | '5' | '3.1.1'
  /** Milliseconds that an MQTT 5 broker keeps the session of a client that is away; 0: for ever. */
  readonly session_expiry: number
  /** Who has the same are bridges to one broker; '' for one that is made of the names of server and remote. */
  readonly via: string
  /** Of the queue; 0 for no limit. */
  readonly max_bytes: number
  readonly max_msgs: number
  readonly max_age: number
  readonly discard: 'old' | 'new'
  readonly max_inflight: number
  readonly reconnect: number
  readonly dial_timeout: number
}
