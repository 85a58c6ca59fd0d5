import type { Channel } from './channel.ts'

export type TransportProtocol = 'tcp' | 'websocket'

export interface ListenOptions {
  readonly protocol: TransportProtocol
  readonly host: string
  /** 0 takes any free port; read it back from `Listener.port`. */
  readonly port: number
}

export interface DialOptions {
  readonly protocol: TransportProtocol
  readonly host: string
  readonly port: number
  /** WebSocket only: the path of the upgrade request, with its leading slash. */
  readonly path: string
  readonly timeoutMs: number
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
