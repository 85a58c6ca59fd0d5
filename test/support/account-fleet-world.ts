import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import type { FleetStatus } from '../../hub/fleet/index.ts'
import { type ConfigInput, type Running, startHub, startLeaf } from '../../index.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { until } from './fleet-harness.ts'
import { freePorts } from './free-ports.ts'
import { connect, DEADLINE_MS } from './patience.ts'

/** A hub with several accounts, leaves of theirs, and clients that ask in each of them. */
export class AccountFleetWorld {
  readonly folder: string
  readonly leafPort: number
  readonly port: number
  readonly #running = new Set<Running>()
  readonly #connections: NatsConnection[] = []
  #hub: Running | undefined

  private constructor(folder: string, port: number, leafPort: number) {
    this.folder = folder
    this.port = port
    this.leafPort = leafPort
  }

  static async create(): Promise<AccountFleetWorld> {
    const folder = await mkdtemp(path.join(tmpdir(), 'petiole-accounts-'))
    const [port = 0, leafPort = 0] = await freePorts(2)
    return new AccountFleetWorld(folder, port, leafPort)
  }

  async end(): Promise<void> {
    await this.disconnect()
    await Promise.all([...this.#running].map((server) => server.destroy()))
    await rm(this.folder, { recursive: true, force: true })
  }

  get hub(): Running {
    assert.ok(this.#hub !== undefined)
    return this.#hub
  }

  hubConfig(more: ConfigInput): ConfigInput {
    return {
      server_name: 'hub',
      host: '127.0.0.1',
      port: this.port,
      leafnodes: { host: '127.0.0.1', port: this.leafPort },
      jetstream: { store_dir: path.join(this.folder, 'hub'), domain: 'hub' },
      ...more,
    }
  }

  async startHub(more: ConfigInput): Promise<Running> {
    this.#hub = await this.#keep(startHub(this.hubConfig(more)))
    return this.#hub
  }

  async reloadHub(more: ConfigInput): Promise<void> {
    await this.hub.reload(parseConfig(this.hubConfig(more), 'hub'))
  }

  async stopHub(): Promise<void> {
    this.#running.delete(this.hub)
    await this.hub.drain()
  }

  leafConfig(store: string, login: string, more: ConfigInput = {}): ConfigInput {
    return {
      server_name: 'press-7',
      host: '127.0.0.1',
      port: -1,
      http: '127.0.0.1:-1',
      jetstream: { store_dir: path.join(this.folder, store), domain: store },
      leafnodes: {
        reconnect: '100ms',
        remotes: [{ url: `nats-leaf://${login}@127.0.0.1:${this.leafPort}` }],
      },
      buffers: { telemetry: { subjects: ['plant.>'] } },
      ...more,
    }
  }

  /** @param login as in a URL: `user:password` */
  async startLeaf(store: string, login: string, more: ConfigInput = {}): Promise<Running> {
    return this.#keep(startLeaf(this.leafConfig(store, login, more)))
  }

  /** @param user its password is the same */
  async client(user: string, port = this.port): Promise<NatsConnection> {
    const options = { servers: `127.0.0.1:${port}`, user, pass: user, reconnect: false }
    const connection = await connect(options)
    this.#connections.push(connection)
    return connection
  }

  async disconnect(): Promise<void> {
    await Promise.all(this.#connections.splice(0).map((connection) => connection.close()))
  }

  async messagesOf(connection: NatsConnection, stream: string): Promise<number> {
    return (await (await jetstreamManager(connection)).streams.info(stream)).state.messages
  }

  async stored(connection: NatsConnection, stream: string, count: number): Promise<void> {
    await until(
      `${count} in ${stream}`,
      () => this.messagesOf(connection, stream),
      (it) => it === count,
      DEADLINE_MS,
    )
  }

  async statusOf(connection: NatsConnection): Promise<FleetStatus> {
    return (
      await connection.request('$FLEET.STATUS', '', { timeout: DEADLINE_MS })
    ).json<FleetStatus>()
  }

  /** `account/leaf` of all leaves that are told of, in their order. */
  async sitesOf(connection: NatsConnection): Promise<string[]> {
    const { leaves } = await this.statusOf(connection)
    return leaves.map(({ account, name }) => `${account ?? ''}/${name}`)
  }

  async #keep(starting: Promise<Running>): Promise<Running> {
    const server = await starting
    this.#running.add(server)
    return server
  }
}

/** Publishes numbered readings in the leaf, which keeps them in its buffer. */
export function publish(leaf: Running, count: number, subject = 'plant.1'): void {
  const client = leaf.client()
  for (let i = 0; i < count; i++) client.publish(subject, Buffer.from(String(i)))
}
