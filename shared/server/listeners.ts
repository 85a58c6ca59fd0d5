import type { Broker } from '../broker/index.ts'
import type { CoreConfig, ListenConfig } from '../config/index.ts'
import type { LinkAcceptor } from '../link/index.ts'
import type { Log } from '../log/index.ts'
import { type HttpHandler, type Listener, listenHttp } from '../transport/index.ts'
import type { Machine } from './core.ts'

/** The ports that were taken; undefined where nothing listens. */
export interface Ports {
  readonly client: ListenConfig
  readonly webSocket: ListenConfig | undefined
  readonly leafNodes: ListenConfig | undefined
  readonly http: ListenConfig | undefined
}

/** The same, and the ports of the front doors by their names (`mqtt`). */
export interface ServerPorts extends Ports {
  readonly frontDoors: Readonly<Record<string, number>>
}

export interface ListenersParts {
  readonly config: CoreConfig
  readonly machine: Machine
  readonly log: Log
  readonly broker: Broker
  readonly acceptor: LinkAcceptor
  readonly monitor: HttpHandler
}

const LEAF_PATH = /\/leafnode$/

/** The core's listeners: NATS clients over TCP and WebSocket, leaf links over both, monitoring. */
export class Listeners {
  readonly #listeners: Listener[] = []

  /** All or none: when one port cannot be taken, those that were taken are closed again. */
  async open(parts: ListenersParts): Promise<Ports> {
    try {
      const client = await this.#clients(parts)
      const webSocket = await this.#webSockets(parts)
      const leafNodes = await this.#leafNodes(parts)
      const http = await this.#http(parts)
      return { client, webSocket, leafNodes, http }
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /** Stops accepting; what was accepted lives on. Idempotent. */
  async close(): Promise<void> {
    await Promise.all(this.#listeners.splice(0).map((listener) => listener.close()))
  }

  async #clients({ config, machine, log, broker }: ListenersParts): Promise<ListenConfig> {
    const { host, port } = config
    const options = { protocol: 'tcp', host, port } as const
    const at = this.#kept(
      await machine.network.listen(options, (channel) => broker.accept(channel)),
    )
    broker.announce({ port: at.port })
    log.info({}, `Listening for client connections on ${at.host}:${at.port}`)
    return at
  }

  async #webSockets(parts: ListenersParts): Promise<ListenConfig | undefined> {
    const { config, machine, log, broker, acceptor } = parts
    if (config.websocket === undefined) return undefined
    const options = { protocol: 'websocket', ...config.websocket.listen } as const
    const listener = await machine.network.listen(options, (channel) => {
      if (LEAF_PATH.test(channel.path)) acceptor.accept(channel)
      else broker.accept(channel)
    })
    const at = this.#kept(listener)
    log.info({}, `Listening for websocket clients on ws://${at.host}:${at.port}`)
    return at
  }

  async #leafNodes(parts: ListenersParts): Promise<ListenConfig | undefined> {
    const { config, machine, log, acceptor } = parts
    if (config.leafnodes.listen === undefined) return undefined
    const options = { protocol: 'tcp', ...config.leafnodes.listen } as const
    const listener = await machine.network.listen(options, (channel) => acceptor.accept(channel))
    const at = this.#kept(listener)
    log.info({}, `Listening for leafnode connections on ${at.host}:${at.port}`)
    return at
  }

  async #http({
    config,
    machine,
    log,
    monitor,
  }: ListenersParts): Promise<ListenConfig | undefined> {
    if (config.http === undefined) return undefined
    const options = {
      ...config.http,
      clock: machine.clock,
      onTrouble: (error: Error) => log.warn({ err: error }, 'monitoring request failed'),
    }
    const at = this.#kept(await listenHttp(options, monitor))
    log.info({}, `Starting http monitor on ${at.host}:${at.port}`)
    return at
  }

  #kept(listener: Listener): ListenConfig {
    this.#listeners.push(listener)
    return { host: listener.host, port: listener.port }
  }
}
