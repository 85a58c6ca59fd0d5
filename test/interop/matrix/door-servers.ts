import type { NatsConnection } from '@nats-io/transport-node'
import { type Door, Doors, type Login, TRANSPORTS, type Transport } from './doors.ts'
import { MatrixServer, type ServerKind } from './matrix-server.ts'
import { WatchedClient } from './watched-client.ts'

/** One configuration behind several doors, and the clients that went in. */
export class DoorServers {
  readonly doors: Doors
  readonly #servers = new Map<Door, MatrixServer>()
  readonly #clients: NatsConnection[] = []

  constructor(doors = new Doors()) {
    this.doors = doors
  }

  async start(kind: ServerKind, doors: readonly Door[], config: string): Promise<void> {
    const starting = doors.map(async (door) => {
      const server = await MatrixServer.start(kind, this.#text(door, config))
      this.#servers.set(door, server)
    })
    await Promise.all(starting)
  }

  async reload(config: string): Promise<void> {
    const reloading = [...this.#servers].map(([door, server]) =>
      server.reload(this.#text(door, config)),
    )
    await Promise.all(reloading)
  }

  server(transport: Transport): MatrixServer {
    const server = this.#servers.get(TRANSPORTS[transport].door)
    if (server === undefined) throw new Error(`nobody listens for ${transport}`)
    return server
  }

  async connect(transport: Transport, login: Login): Promise<NatsConnection> {
    const client = await this.doors.connect(this.server(transport), transport, login)
    this.#clients.push(client)
    return client
  }

  /** A user whose password is the name. */
  async user(transport: Transport, name: string): Promise<WatchedClient> {
    return new WatchedClient(await this.connect(transport, { user: name, pass: name }))
  }

  async closeClients(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.close()))
  }

  async stop(): Promise<void> {
    await this.closeClients()
    await Promise.all([...this.#servers.values()].map((server) => server.stop()))
    this.doors.authority.remove()
  }

  #text(door: Door, config: string): string {
    return `${this.doors.config(door)}\n${config}`
  }
}
