import { once } from 'node:events'
import net from 'node:net'
import type { Authenticator } from '../../shared/account/index.ts'
import {
  BROKER_DEFAULTS,
  Broker,
  type BrokerDependencies,
  type BrokerOptions,
} from '../../shared/broker/index.ts'
import { silentLog } from '../../shared/log/index.ts'
import { type Clock, SystemClock, SystemRandom } from '../../shared/runtime/index.ts'
import { type Listener, SystemNetwork } from '../../shared/transport/index.ts'
import { DEADLINE_MS } from './patience.ts'
import { type UserDoorOptions, userDoor } from './user-door.ts'

export interface BrokerHarnessOptions {
  readonly authorization?: UserDoorOptions
  /** In place of `authorization`. */
  readonly authenticator?: Authenticator
  readonly dependencies?: Partial<BrokerDependencies>
  readonly options?: Partial<BrokerOptions>
  readonly clock?: Clock
}

/** Its first PING comes to nobody by the way: a slow test has its transcript without one, too. */
const NAMED = { serverId: 'NTEST', serverName: 'test', firstPingMs: 3_600_000 }

/** A broker on real sockets, TCP and WebSocket, and the raw clients that talk to it. */
export class BrokerHarness {
  readonly broker: Broker
  readonly #listeners: Listener[] = []
  readonly #clients: RawClient[] = []

  private constructor(broker: Broker) {
    this.broker = broker
  }

  static async start(options: BrokerHarnessOptions = {}): Promise<BrokerHarness> {
    const clock = options.clock ?? new SystemClock()
    const broker = new Broker(
      {
        clock,
        random: new SystemRandom(),
        log: silentLog,
        authenticator: options.authenticator ?? userDoor(options.authorization),
        ...options.dependencies,
      },
      { ...BROKER_DEFAULTS, ...NAMED, ...options.options },
    )
    const harness = new BrokerHarness(broker)
    const network = new SystemNetwork({ clock: new SystemClock(), onTrouble: () => {} })
    for (const protocol of ['tcp', 'websocket'] as const) {
      const where = { protocol, host: '127.0.0.1', port: 0 }
      harness.#listeners.push(await network.listen(where, (channel) => broker.accept(channel)))
    }
    return harness
  }

  get port(): number {
    return this.#listeners[0]?.port ?? 0
  }

  get webSocketPort(): number {
    return this.#listeners[1]?.port ?? 0
  }

  async connect(): Promise<RawClient> {
    const client = await RawClient.connect(this.port)
    this.#clients.push(client)
    return client
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close()
    this.broker.destroy()
    await Promise.all(this.#listeners.map((listener) => listener.close()))
  }
}

/** A NATS client that is nothing but a socket: what was sent is sent, what came is text. */
export class RawClient {
  readonly socket: net.Socket
  received = ''
  isClosed = false
  readonly #waiting = new Set<() => void>()

  private constructor(socket: net.Socket) {
    this.socket = socket
    const wake = (): void => {
      for (const check of this.#waiting) check()
    }
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      this.received += bytes.toString('latin1')
      wake()
    })
    socket.on('close', () => {
      this.isClosed = true
      wake()
    })
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = net.connect(port, '127.0.0.1')
    const client = new RawClient(socket)
    await once(socket, 'connect')
    return client
  }

  /** All but INFO lines, which are not the same for two servers. */
  get transcript(): string {
    return this.received
      .replace(/INFO \{[^\r]*"connect_info":true[^\r]*\r\n/g, '<INFO+>')
      .replace(/INFO \{[^\r]*\r\n/g, '<INFO>')
  }

  get info(): Record<string, unknown> {
    return JSON.parse(/INFO (\{[^\r]*\})/.exec(this.received)?.[1] ?? '{}')
  }

  send(text: string): this {
    this.socket.write(text, 'latin1')
    return this
  }

  async until(fact: () => boolean, what: string, deadlineMs = DEADLINE_MS): Promise<void> {
    if (fact()) return
    await new Promise<void>((resolve, reject) => {
      const finish = (error?: Error): void => {
        clearTimeout(timer)
        this.#waiting.delete(check)
        if (error === undefined) resolve()
        else reject(error)
      }
      const check = (): void => {
        if (fact()) finish()
        else if (this.isClosed) finish(new Error(`closed before ${what}: ${tail(this.received)}`))
      }
      const timer = setTimeout(
        () => finish(new Error(`no ${what} within ${deadlineMs} ms: ${tail(this.received)}`)),
        deadlineMs,
      )
      this.#waiting.add(check)
      check()
    })
  }

  async expect(text: string): Promise<void> {
    await this.until(() => this.received.includes(text), JSON.stringify(text))
  }

  async closed(): Promise<void> {
    await this.until(() => this.isClosed, 'close')
  }

  /** Sends, and returns the transcript once all of it has been answered: at the PONG, or the close. */
  async converse(input: string): Promise<string> {
    const pongs = count(input, 'PING\r\n') + 1
    this.send(`${input}PING\r\n`)
    await this.until(
      () => this.isClosed || count(this.received, 'PONG\r\n') >= pongs,
      `${pongs} PONGs`,
    )
    return this.transcript
  }

  close(): void {
    this.socket.destroy()
  }
}

function count(text: string, part: string): number {
  return text.split(part).length - 1
}

function tail(text: string): string {
  return JSON.stringify(text.slice(-300))
}
