import type { Channel } from './channel.ts'
import type { DialSecurity } from './dial-security.ts'
import type { TlsSettings } from './tls-settings.ts'

export type TransportProtocol = 'tcp' | 'websocket'

export interface ListenOptions {
  readonly protocol: TransportProtocol
  readonly host: string
  /** 0 takes any free port; read it back from `Listener.port`. */
  readonly port: number
  /** undefined: plain. `allowPlain` takes those who begin in plain too (`allow_non_tls`). */
  readonly tls?: { readonly settings: TlsSettings; readonly allowPlain: boolean } | undefined
  /** TCP only: a PROXY header, version 1 or 2, may come before anything else. */
  readonly proxyProtocol?: boolean
  readonly webSocket?: WebSocketRules
}

/** What a WebSocket listener asks and answers beside the upgrade itself. */
export interface WebSocketRules {
  /** permessage-deflate, with those who ask for it. */
  readonly isCompressed: boolean
  /** A browser's page must come from this host. */
  readonly isSameOrigin: boolean
  /** Pages that may connect, such as `https://app.example`; empty: all. */
  readonly allowedOrigins: readonly string[]
  /** Sent with the answer to an upgrade request. */
  readonly headers: Readonly<Record<string, string>>
  /** From the connection, or the end of its TLS handshake, to the end of the upgrade. */
  readonly handshakeTimeoutMs: number
  /** The longest message that is taken, and the most that one may be inflated to. */
  readonly messageBytesMax: number
  /** Cookies that are kept for the connection's life; absent: all. */
  readonly cookieNames?: readonly string[]
  /**
   * What is not served is answered with 404.
   *
   * @param isMqtt the client offers a subprotocol of MQTT
   */
  readonly serves: (path: string, isMqtt: boolean) => boolean
}

export interface DialOptions {
  readonly protocol: TransportProtocol
  readonly host: string
  readonly port: number
  /** WebSocket only: the path of the upgrade request, with its leading slash. */
  readonly path: string
  readonly timeoutMs: number
  /** undefined: plain. */
  readonly tls?: DialSecurity | undefined
  /** WebSocket only: the protocol that is asked for, `mqtt`. */
  readonly subprotocol?: string
  /** WebSocket only: asks for permessage-deflate, and not to mask what is sent (leaf links). */
  readonly isCompressed?: boolean
  readonly isUnmasked?: boolean
}

export interface Listener {
  readonly host: string
  readonly port: number
  /** Stops accepting. Channels already accepted live on. Idempotent. */
  close(): Promise<void>
}

/**
 * The network as a dependency: the simulator replaces it.
 * `listen` rejects with PETIOLE_PORT_TAKEN (names host and port) or PETIOLE_LISTEN_FAILED; `dial`
 * with PETIOLE_DIAL_FAILED or PETIOLE_DIAL_TIMEOUT.
 */
export interface Network {
  listen(options: ListenOptions, onChannel: (channel: Channel) => void): Promise<Listener>
  dial(options: DialOptions, signal: AbortSignal): Promise<Channel>
}
