import { SystemClock } from '../../shared/runtime/index.ts'
import {
  type Channel,
  fastestRoads,
  type Listener,
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

  async open(): Promise<void> {
    this.#listener = await this.network.listen(
      { protocol: this.#protocol, host: '127.0.0.1', port: 0 },
      (channel) => this.#accepted.shift()?.(channel),
    )
  }

  close(): Promise<void> {
    return this.#listener?.close() ?? Promise.resolve()
  }

  /** The next channel that is accepted, whoever dials. */
  accept(): Promise<Channel> {
    return new Promise((resolve) => this.#accepted.push(resolve))
  }

  async pair(path = '/'): Promise<{ dialled: Channel; accepted: Channel }> {
    const accepting = this.accept()
    const dialled = await this.network.dial(
      { protocol: this.#protocol, host: '127.0.0.1', port: this.port, path, timeoutMs: 5_000 },
      new AbortController().signal,
    )
    return { dialled, accepted: await accepting }
  }
}
