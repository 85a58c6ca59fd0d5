import { createServer, type Server, type Socket } from 'node:net'
import { Aedes, type AedesOptions } from 'aedes'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'

/**
 * The broker that a plant has already: aedes, on a port that stays the same. `cut` is the broker restarted with
 * its sessions on disk, as far as those who are connected can tell.
 */
export class AedesPlant {
  readonly aedes: Aedes
  readonly #sockets = new Set<Socket>()
  readonly #clients: MqttClient[] = []
  #server: Server
  #port = 0

  private constructor(aedes: Aedes) {
    this.aedes = aedes
    this.#server = this.#makeServer()
  }

  static async start(options: AedesOptions = {}): Promise<AedesPlant> {
    const plant = new AedesPlant(await Aedes.createBroker(options))
    await plant.back()
    return plant
  }

  get port(): number {
    return this.#port
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.#port}`
  }

  /** Ends all connections; nobody is let in. */
  async cut(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async back(): Promise<void> {
    this.#server = this.#makeServer()
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.#port, '127.0.0.1', () => resolve())
    })
    const address = this.#server.address()
    this.#port = typeof address === 'object' && address !== null ? address.port : 0
  }

  /** A device of the plant; closed with it. */
  async client(options: IClientOptions = {}): Promise<MqttClient> {
    const client = await connectAsync(this.url, { reconnectPeriod: 50, ...options })
    this.#clients.push(client)
    return client
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.end(true)
    await this.cut().catch(() => {})
    await new Promise<void>((resolve) => this.aedes.close(() => resolve()))
  }

  #makeServer(): Server {
    return createServer({ noDelay: true }, (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      this.aedes.handle(socket)
    })
  }
}
