import type { Random } from '../../shared/runtime/index.ts'
import { settleDial } from '../../shared/transport/dial.ts'
import {
  type Channel,
  type DialOptions,
  FlushQueue,
  type Listener,
  type ListenOptions,
  type Network,
  WiredChannel,
} from '../../shared/transport/index.ts'
import type { SimClock } from './sim-clock.ts'
import type { SimFabric } from './sim-fabric.ts'
import type { SimWire } from './sim-wire.ts'

/** How long a dialler waits before it knocks again where nobody answered. */
const KNOCK_AGAIN_MS = 1_000

/** One incarnation's view of the network. Hosts are named as the world's nodes; ports are numbers. */
export class SimNetwork implements Network {
  readonly #fabric: SimFabric
  readonly #host: string
  readonly #clock: SimClock
  readonly #random: Random
  readonly #queue: FlushQueue
  readonly #channels = new Set<WiredChannel>()
  #isDead = false

  constructor(fabric: SimFabric, host: string, clock: SimClock, random: Random) {
    this.#fabric = fabric
    this.#host = host
    this.#clock = clock
    this.#random = random
    this.#queue = new FlushQueue((flush) => clock.soon(flush))
  }

  listen(options: ListenOptions, onChannel: (channel: Channel) => void): Promise<Listener> {
    if (this.#isDead) return new Promise(() => {})
    return new Promise((resolve) => {
      const port = options.port === 0 ? this.#fabric.freePort() : options.port
      const close = this.#fabric.listen(this.#host, { ...options, port }, (wire) =>
        onChannel(this.#channel(wire)),
      )
      resolve({ host: options.host, port, close: async () => close() })
    })
  }

  async dial(options: DialOptions, signal: AbortSignal): Promise<Channel> {
    if (this.#isDead) return new Promise(() => {})
    let isGivenUp = false
    const wire = new Promise<SimWire>((resolve, reject) => {
      const to = isLoopback(options.host) ? this.#host : options.host
      const knock = (): void => {
        if (isGivenUp) return
        const answer = this.#fabric.connect(this.#host, to, options)
        if (answer === 'silence') this.#clock.after(KNOCK_AGAIN_MS, knock)
        else if ('error' in answer) reject(new Error(answer.error))
        else this.#clock.after(this.#delayMs(to), () => resolve(answer.wire))
      }
      this.#clock.after(this.#delayMs(to), knock)
    })
    const abandon = (): void => {
      isGivenUp = true
      wire.then(
        (late) => late.abort(),
        () => {},
      )
    }
    const settled = await settleDial({ wire, abandon }, options, this.#clock, signal)
    return this.#channel(settled as SimWire)
  }

  /** Frees what the incarnation held in the arena. Its handlers are not called any more. */
  die(): void {
    this.#isDead = true
    for (const { output } of this.#channels) {
      output.close()
      output.sent()
    }
    this.#channels.clear()
  }

  #channel(wire: SimWire): Channel {
    const channel = new WiredChannel(wire, this.#queue, this.#clock)
    for (const other of this.#channels)
      if (other.isClosed && other.pendingBytes === 0) this.#channels.delete(other)
    this.#channels.add(channel)
    return channel
  }

  #delayMs(to: string): number {
    return this.#fabric.link(this.#host, to).delayMs(this.#random)
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '0.0.0.0' || host.startsWith('127.')
}
