import { SystemClock } from '../../shared/runtime/index.ts'
import {
  type Channel,
  type DialOptions,
  fastestRoads,
  type Listener,
  type ListenOptions,
  SystemNetwork,
  type TcpRoads,
  type TransportProtocol,
} from '../../shared/transport/index.ts'

/** A listener on a free port, and channels dialled to it. */
export class ChannelPairs {
  readonly network: SystemNetwork
  readonly troubles: Error[] = []
  readonly #protocol: TransportProtocol
  readonly #accepted: ((channel: Channel) => void)[] = []
  /** Of either end, also those that no test asked for: nobody else ends them. */
  readonly #channels: Channel[] = []
  #listener: Listener | undefined

  constructor(protocol: TransportProtocol, roads: TcpRoads = fastestRoads) {
    this.#protocol = protocol
    this.network = new SystemNetwork({
      clock: new SystemClock(),
      onTrouble: (error) => this.troubles.push(error),
      roads,
    })
  }

  get port(): number {
    return this.#listener?.port ?? 0
  }

  async open(options: Partial<ListenOptions> = {}): Promise<void> {
    this.#listener = await this.network.listen(
      { protocol: this.#protocol, host: '127.0.0.1', port: 0, ...options },
      (channel) => {
        this.#channels.push(channel)
        this.#accepted.shift()?.(channel)
      },
    )
  }

  async close(): Promise<void> {
    for (const channel of this.#channels.splice(0)) channel.destroy()
    await this.#listener?.close()
  }

  /** The next channel that is accepted, whoever dials. */
  accept(): Promise<Channel> {
    return new Promise((resolve) => this.#accepted.push(resolve))
  }

  async pair(
    path = '/',
    options: Partial<DialOptions> = {},
  ): Promise<{ dialled: Channel; accepted: Channel }> {
    const accepting = this.accept()
    const dialled = await this.dial({ path, ...options })
    return { dialled, accepted: await accepting }
  }

  async dial(options: Partial<DialOptions> = {}): Promise<Channel> {
    const { port } = this
    const where = { protocol: this.#protocol, host: '127.0.0.1', port, path: '/', timeoutMs: 5_000 }
    const channel = await this.network.dial({ ...where, ...options }, new AbortController().signal)
    this.#channels.push(channel)
    return channel
  }
}
