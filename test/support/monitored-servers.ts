import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { type Running, startHub } from '../../index.ts'
import { freePort } from './free-ports.ts'
import { eventually } from './link-node.ts'
import { NatsServerPeer } from './nats-server-peer.ts'
import { connect } from './patience.ts'

/** One server under watch, ours or nats-server: how to ask it, and clients that give it something to show. */
export class MonitoredServer {
  readonly port: number
  readonly leafPort: number
  readonly #http: string
  readonly #stop: () => Promise<void>
  readonly #clients: NatsConnection[] = []
  readonly #leaf: NatsServerPeer[] = []

  private constructor(
    ports: { port: number; http: number; leaf: number },
    stop: () => Promise<void>,
  ) {
    this.port = ports.port
    this.leafPort = ports.leaf
    this.#http = `http://127.0.0.1:${ports.http}`
    this.#stop = stop
  }

  static async startReal(): Promise<MonitoredServer> {
    const [http, leaf, webSocket] = [await freePort(), await freePort(), await freePort()]
    const config = configOf('%DIR%/js', { http, leaf, webSocket })
    const text = Object.entries(config).map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
    const peer = await NatsServerPeer.start(text.join('\n'))
    return new MonitoredServer({ port: peer.port, http, leaf }, () => peer.stop())
  }

  static async startOurs(): Promise<MonitoredServer> {
    const directory = mkdtempSync(path.join(tmpdir(), 'petiole-monitored-'))
    const config = configOf(directory, { http: -1, leaf: -1, webSocket: -1 })
    const hub: Running = await startHub({ ...config, listen: '127.0.0.1:-1' })
    const { client, http, leafNodes } = hub.ports
    const ports = { port: client.port, http: http?.port ?? 0, leaf: leafNodes?.port ?? 0 }
    return new MonitoredServer(ports, async () => {
      await hub.drain()
      rmSync(directory, { recursive: true, force: true })
    })
  }

  /** The same for every server: streams, consumers, subscriptions, traffic, a leaf, one who left. */
  async populate(): Promise<void> {
    const client = await this.client('a', 'worker')
    const manager = await jetstreamManager(client)
    await manager.streams.add({ name: 'S', subjects: ['stored.>'] })
    await manager.consumers.add('S', {
      durable_name: 'C',
      description: 'one',
      ack_policy: 'explicit',
    })
    for (let i = 0; i < 3; i++) await jetstream(client).publish(`stored.${i}`, `reading ${i}`)
    const message = await (await jetstream(client).consumers.get('S', 'C')).next()
    await message?.ackAck()
    client.subscribe('plant.>')
    client.subscribe('work', { queue: 'q', max: 5 })
    client.subscribe('echo', { callback: (_error, request) => void request.respond('yes') })
    for (let i = 0; i < 3; i++) await client.request('echo', 'payload')
    const leaver = await this.client('a', 'leaver')
    leaver.subscribe('gone')
    await leaver.flush()
    await leaver.close()
    await this.#attachLeaf()
  }

  async client(user: string, name: string): Promise<NatsConnection> {
    const servers = `127.0.0.1:${this.port}`
    const client = await connect({ servers, user, pass: user, name, reconnect: false })
    this.#clients.push(client)
    return client
  }

  // biome-ignore lint/suspicious/noExplicitAny: whatever the endpoint answers
  async get(target: string): Promise<any> {
    const response = await fetch(`${this.#http}${target}`)
    return await response.json()
  }

  async text(target: string): Promise<readonly [status: number, text: string]> {
    const response = await fetch(`${this.#http}${target}`)
    return [response.status, await response.text()]
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) await client.close()
    for (const leaf of this.#leaf) await leaf.stop()
    await this.#stop()
  }

  async #attachLeaf(): Promise<void> {
    const url = `nats-leaf://a:a@127.0.0.1:${this.leafPort}`
    const remotes = JSON.stringify([{ url }])
    const leaf = await NatsServerPeer.start(
      `server_name: "leaf-of-${this.port}"\nleafnodes: { remotes: ${remotes} }`,
    )
    this.#leaf.push(leaf)
    await eventually(() => leaf.output.includes('Leafnode connection created'), 'leaf attached')
    const client = await leaf.client()
    client.subscribe('from.leaf')
    await client.flush()
  }
}

function configOf(directory: string, ports: { http: number; leaf: number; webSocket: number }) {
  return {
    server_name: 'watched',
    server_tags: ['eu'],
    server_metadata: { site: 'north' },
    http: `127.0.0.1:${ports.http}`,
    jetstream: { store_dir: directory, domain: 'hub' },
    leafnodes: { listen: `127.0.0.1:${ports.leaf}` },
    websocket: { listen: `127.0.0.1:${ports.webSocket}`, no_tls: true },
    accounts: {
      A: {
        jetstream: 'enabled',
        users: [{ user: 'a', password: 'a', permissions: { publish: { deny: 'secret' } } }],
        exports: [{ service: 'help' }, { stream: 'news.>', accounts: ['B'] }],
        mappings: { old: 'new' },
      },
      B: {
        users: [{ user: 'b', password: 'b' }],
        imports: [
          { service: { account: 'A', subject: 'help' } },
          { stream: { account: 'A', subject: 'news.>' }, prefix: 'a' },
        ],
      },
      SYS: { users: [{ user: 'sys', password: 'sys' }] },
    },
    system_account: 'SYS',
  }
}
