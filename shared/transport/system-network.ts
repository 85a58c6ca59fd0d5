import type { Clock, PetioleError } from '../runtime/index.ts'
import type { Channel } from './channel.ts'
import { dialTcp, dialWebSocket, settleDial } from './dial.ts'
import { FlushQueue } from './flush-queue.ts'
import { listenTcp } from './listening.ts'
import type { DialOptions, Listener, ListenOptions, Network } from './network.ts'
import { fastestRoads, type TcpRoads } from './tcp-wire.ts'
import { listenWebSocket } from './websocket-listener.ts'
import type { Wire } from './wire.ts'
import { WiredChannel } from './wired-channel.ts'

export interface SystemNetworkOptions {
  readonly clock: Clock
  /** Told of what concerns no channel: a connection that could not be accepted. */
  readonly onTrouble: (error: PetioleError) => void
  /** The fastest that the platform has, unless a test wants others. */
  readonly roads?: TcpRoads
}

/** The sockets of this machine. */
export class SystemNetwork implements Network {
  readonly #clock: Clock
  readonly #onTrouble: (error: PetioleError) => void
  readonly #roads: TcpRoads
  readonly #queue: FlushQueue

  constructor({ clock, onTrouble, roads = fastestRoads }: SystemNetworkOptions) {
    this.#clock = clock
    this.#onTrouble = onTrouble
    this.#roads = roads
    this.#queue = new FlushQueue((flush) => clock.soon(flush))
  }

  listen(options: ListenOptions, onChannel: (channel: Channel) => void): Promise<Listener> {
    const accepting = {
      options,
      clock: this.#clock,
      onWire: (wire: Wire) => onChannel(this.#channel(wire)),
      onTrouble: this.#onTrouble,
    }
    return options.protocol === 'tcp'
      ? listenTcp(accepting, this.#roads)
      : listenWebSocket(accepting)
  }

  async dial(options: DialOptions, signal: AbortSignal): Promise<Channel> {
    const dialling =
      options.protocol === 'tcp'
        ? dialTcp(options, this.#roads, this.#clock)
        : dialWebSocket(options, this.#clock)
    return this.#channel(await settleDial(dialling, options, this.#clock, signal))
  }

  #channel(wire: Wire): Channel {
    return new WiredChannel(wire, this.#queue, this.#clock)
  }
}
