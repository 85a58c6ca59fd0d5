import type { Accounts } from '../account/index.ts'
import type { Broker } from '../broker/index.ts'
import type { CoreConfig, ListenConfig, WebSocketConfig } from '../config/index.ts'
import type { LinkAcceptor } from '../link/index.ts'
import type { Log } from '../log/index.ts'
import {
  type Channel,
  type HttpHandler,
  type Listener,
  listenHttp,
  WEBSOCKET_MESSAGE_BYTES_MAX,
} from '../transport/index.ts'
import type { FrontDoor, Machine } from './core.ts'
import type { ServerTls, TlsListener } from './server-tls.ts'

/** The ports that were taken; undefined where nothing listens. */
export interface Ports {
  readonly client: ListenConfig
  readonly webSocket: ListenConfig | undefined
  readonly leafNodes: ListenConfig | undefined
  readonly http: ListenConfig | undefined
  readonly https: ListenConfig | undefined
}

/** The same, and the ports of the front doors by their names (`mqtt`). */
export interface ServerPorts extends Ports {
  readonly frontDoors: Readonly<Record<string, number>>
  /** Where other hubs of the region link, where the role has such a port. */
  readonly cluster?: ListenConfig | undefined
}

export interface ListenersParts {
  readonly config: CoreConfig
  readonly machine: Machine
  readonly log: Log
  readonly tls: ServerTls
  readonly accounts: Accounts
  readonly broker: Broker
  readonly acceptor: LinkAcceptor
  readonly frontDoors: readonly FrontDoor[]
  readonly monitor: HttpHandler
}

const LEAF_PATH = /\/leafnode$/
/** nats-server's bound on what one WebSocket message may be inflated to. */
const MESSAGE_PAYLOADS = 8

/** The core's listeners: NATS clients over TCP and WebSocket, leaf links over both, monitoring. */
export class Listeners {
  readonly #listeners: Listener[] = []
  readonly #monitors: Listener[] = []

  /** All or none: when one port cannot be taken, those that were taken are closed again. */
  async open(parts: ListenersParts): Promise<Ports> {
    try {
      const client = await this.#clients(parts)
      const webSocket = await this.#webSockets(parts)
      const leafNodes = await this.#leafNodes(parts)
      const http = await this.#monitor(parts, parts.config.http, false)
      const https = await this.#monitor(parts, parts.config.https, true)
      return { client, webSocket, leafNodes, http, https }
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /** Stops accepting; what was accepted lives on. Idempotent. */
  async close(): Promise<void> {
    await this.closeClients()
    await Promise.all(this.#monitors.splice(0).map((listener) => listener.close()))
  }

  /** The same, but monitoring goes on. */
  async closeClients(): Promise<void> {
    await Promise.all(this.#listeners.splice(0).map((listener) => listener.close()))
  }

  async #clients(parts: ListenersParts): Promise<ListenConfig> {
    const { config, machine, log, broker } = parts
    const { host, port, allow_non_tls, proxy_protocol: proxyProtocol } = config
    const tls = tlsOf(parts, 'client', allow_non_tls)
    const options = { protocol: 'tcp', host, port, tls, proxyProtocol } as const
    const door = { isProxied: proxyProtocol }
    const at = this.#kept(
      await machine.network.listen(options, (channel) => broker.accept(channel, door)),
    )
    // Where clients are sent elsewhere by `client_advertise`, that is what INFO goes on to say.
    if (config.client_advertise === '') broker.announce({ port: at.port })
    log.info({}, `Listening for client connections on ${at.host}:${at.port}`)
    if (tls !== undefined) log.info({}, 'TLS required for client connections')
    return at
  }

  async #webSockets(parts: ListenersParts): Promise<ListenConfig | undefined> {
    const { config, machine, log } = parts
    const { websocket } = config
    if (websocket === undefined) return undefined
    const { host, port } = websocket.listen
    const doors = parts.frontDoors.filter((door) => door.accept !== undefined)
    const door = clientDoor(parts, websocket)
    const options = {
      protocol: 'websocket',
      host,
      port,
      tls: tlsOf(parts, 'websocket', false),
      webSocket: {
        isCompressed: websocket.compression,
        isSameOrigin: websocket.same_origin,
        allowedOrigins: websocket.allowed_origins,
        headers: websocket.headers,
        handshakeTimeoutMs: websocket.handshake_timeout,
        messageBytesMax: Math.min(
          config.max_payload * MESSAGE_PAYLOADS,
          WEBSOCKET_MESSAGE_BYTES_MAX,
        ),
        cookieNames: [
          websocket.jwt_cookie,
          websocket.user_cookie,
          websocket.pass_cookie,
          websocket.token_cookie,
        ].filter((name) => name !== ''),
        // Who says that he speaks MQTT would find NATS on all other paths.
        serves: (path: string, isMqtt: boolean) =>
          !(isMqtt || isDoorPath(path)) || doors.some((it) => isPathOf(it, path)),
      },
    } as const
    const listener = await machine.network.listen(options, (channel: Channel) => {
      const front = doors.find((it) => isPathOf(it, channel.path))
      if (front !== undefined) front.accept?.(channel)
      else if (LEAF_PATH.test(channel.path)) {
        parts.acceptor.accept(channel, options.tls?.settings.asksForCertificate)
      } else parts.broker.accept(channel, door)
    })
    const at = this.#kept(listener)
    const scheme = options.tls === undefined ? 'ws' : 'wss'
    log.info({}, `Listening for websocket clients on ${scheme}://${at.host}:${at.port}`)
    if (options.tls === undefined) {
      log.warn({}, 'Websocket not configured with TLS. DO NOT USE IN PRODUCTION!')
    }
    return at
  }

  async #leafNodes(parts: ListenersParts): Promise<ListenConfig | undefined> {
    const { config, machine, log, acceptor } = parts
    if (config.leafnodes.listen === undefined) return undefined
    const tls = tlsOf(parts, 'leafnodes', false)
    const options = { protocol: 'tcp', ...config.leafnodes.listen, tls } as const
    const verifiesTls = tls?.settings.asksForCertificate ?? false
    const listener = await machine.network.listen(options, (channel) =>
      acceptor.accept(channel, verifiesTls),
    )
    const at = this.#kept(listener)
    log.info({}, `Listening for leafnode connections on ${at.host}:${at.port}`)
    return at
  }

  async #monitor(
    parts: ListenersParts,
    listen: ListenConfig | undefined,
    isSecure: boolean,
  ): Promise<ListenConfig | undefined> {
    const { machine, log, monitor } = parts
    if (listen === undefined) return undefined
    const options = {
      ...listen,
      clock: machine.clock,
      onTrouble: (error: Error) => log.warn({ err: error }, 'monitoring request failed'),
      ...(isSecure ? { tls: parts.tls.of('client') } : {}),
    }
    const at = this.#kept(await listenHttp(options, monitor), this.#monitors)
    log.info({}, `Starting ${isSecure ? 'https' : 'http'} monitor on ${at.host}:${at.port}`)
    return at
  }

  #kept(listener: Listener, among = this.#listeners): ListenConfig {
    among.push(listener)
    return { host: listener.host, port: listener.port }
  }
}

function tlsOf({ tls }: ListenersParts, listener: TlsListener, allowPlain: boolean) {
  const settings = tls.of(listener)
  return settings && { settings, allowPlain }
}

/** What is different for clients that come by WebSocket. */
function clientDoor({ accounts }: ListenersParts, websocket: WebSocketConfig) {
  const { authorization, ping_interval: pingIntervalMs, listen } = websocket
  return {
    authenticator: accounts.at('websocket'),
    ...(authorization === undefined ? {} : { authTimeoutMs: authorization.timeout }),
    ...(pingIntervalMs === 0 ? {} : { pingIntervalMs }),
    ...listen,
  }
}

/** `/mqtt` is MQTT's, wherever a proxy has put it; 404 when there is no such front door. */
const DOOR_PATH = /\/(mqtt)$/

function isDoorPath(path: string): boolean {
  return DOOR_PATH.test(path)
}

function isPathOf(door: FrontDoor, path: string): boolean {
  return DOOR_PATH.exec(path)?.[1] === door.name
}
