import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { freePorts } from './free-ports.ts'
import { LinkProxy } from './link-proxy.ts'
import { connect } from './patience.ts'
import { PetioleProcess } from './petiole-process.ts'

const POLL_MS = 25

export interface BufferFacts {
  readonly name: string
  readonly backlog_msgs: number | null
  readonly synced_seq: number | null
  readonly last_seq: number | null
  readonly evicted_msgs: number | null
  readonly duplicates_dropped: number | null
  readonly lost_msgs: number | null
}

export interface FleetFacts {
  readonly leaves: readonly {
    readonly name: string
    readonly state: string
    readonly buffers: readonly BufferFacts[]
  }[]
}

/** A hub and a leaf as two processes, with a breakable link between them, in a folder of their own. */
export class FleetHarness {
  readonly hub: PetioleProcess
  readonly leaf: PetioleProcess
  readonly link: LinkProxy
  readonly ports: Readonly<Record<'hub' | 'leaf' | 'mqtt' | 'hubHttp', number>>
  readonly #folder: string
  readonly #account: string

  private constructor(
    folder: string,
    ports: FleetHarness['ports'],
    link: LinkProxy,
    options: { hubConf: string; leafConf: string; account: string },
  ) {
    this.#folder = folder
    this.#account = options.account
    this.ports = ports
    this.link = link
    this.hub = new PetioleProcess('hub', ['hub', '-c', options.hubConf])
    this.leaf = new PetioleProcess('leaf', ['leaf', '-c', options.leafConf])
  }

  /** @param account what the leaf's link is bound to; default: the default one */
  static async create(account = ''): Promise<FleetHarness> {
    const folder = await mkdtemp(path.join(tmpdir(), 'petiole-fleet-'))
    const [hub, hubHttp, websocket, leaf, mqtt, proxy] = (await freePorts(6)) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ]
    const hubConf = path.join(folder, 'hub.conf')
    const leafConf = path.join(folder, 'leaf.conf')
    await writeFile(hubConf, hubConfiguration(folder, { hub, hubHttp, websocket }, account))
    await writeFile(leafConf, leafConfiguration(folder, { leaf, mqtt, proxy }, account))
    const link = await LinkProxy.open(proxy, websocket)
    return new FleetHarness(folder, { hub, hubHttp, leaf, mqtt }, link, {
      ...{ hubConf, leafConf, account },
    })
  }

  async destroy(): Promise<void> {
    await Promise.all([this.hub.kill(), this.leaf.kill()])
    await this.link.close()
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** The leaf comes back with an empty disk: another identity under the same name. */
  async exchangeLeafStore(): Promise<void> {
    await rm(path.join(this.#folder, 'leaf'), { recursive: true, force: true })
  }

  connectHub(): Promise<NatsConnection> {
    const login = this.#account === '' ? {} : { user: this.#account, pass: this.#account }
    return connect({ servers: `127.0.0.1:${this.ports.hub}`, reconnect: false, ...login })
  }

  async status(): Promise<FleetFacts> {
    const connection = await this.connectHub()
    try {
      return (await connection.request('$FLEET.STATUS', '', { timeout: 5_000 })).json<FleetFacts>()
    } finally {
      await connection.close()
    }
  }

  /** Every message of a hub stream in its order, as an independent consumer sees it. */
  async readStream(stream: string): Promise<{ subject: string; text: string }[]> {
    const connection = await this.connectHub()
    try {
      const info = await (await jetstreamManager(connection)).streams.info(stream)
      const total = info.state.messages
      const read: { subject: string; text: string }[] = []
      if (total === 0) return read
      const consumer = await jetstream(connection).consumers.get(stream)
      const messages = await consumer.consume({ max_messages: 1_000 })
      for await (const message of messages) {
        read.push({ subject: message.subject, text: message.string() })
        if (read.length === total) break
      }
      return read
    } finally {
      await connection.close()
    }
  }
}

/** Asks again until the fact holds; fails with its last value when the deadline has passed. */
export async function until<T>(
  what: string,
  ask: () => Promise<T> | T,
  holds: (value: T) => boolean,
  deadlineMs: number,
): Promise<T> {
  const end = performance.now() + deadlineMs
  let last: unknown
  for (;;) {
    try {
      const value = await ask()
      if (holds(value)) return value
      last = value
    } catch (error) {
      last = error
    }
    if (performance.now() > end)
      throw new Error(`no ${what} in ${deadlineMs} ms: ${describe(last)}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

function describe(value: unknown): string {
  return value instanceof Error ? value.message : JSON.stringify(value)
}

function hubConfiguration(
  folder: string,
  ports: { hub: number; hubHttp: number; websocket: number },
  account: string,
): string {
  const streams = 'streams { plant: { subjects: ["plant.>"] } }'
  const fleet =
    account === ''
      ? `fleet { ${streams} }`
      : `accounts { ${account}: { jetstream: enabled, users: [ { user: ${account}, password: ${account} } ] } }
fleet { accounts { ${account}: { ${streams} } } }`
  return `server_name: hub-test
host: "127.0.0.1"
port: ${ports.hub}
http: "127.0.0.1:${ports.hubHttp}"
jetstream { store_dir: "${folder}/hub", domain: "hub-test" }
websocket { host: "127.0.0.1", port: ${ports.websocket}, no_tls: true }
${fleet}
`
}

function leafConfiguration(
  folder: string,
  ports: { leaf: number; mqtt: number; proxy: number },
  account: string,
): string {
  const login = account === '' ? '' : `${account}:${account}@`
  return `server_name: leaf-test
host: "127.0.0.1"
port: ${ports.leaf}
jetstream { store_dir: "${folder}/leaf", domain: "leaf-test" }
leafnodes { remotes: [ { url: "ws://${login}127.0.0.1:${ports.proxy}" } ] }
mqtt { host: "127.0.0.1", port: ${ports.mqtt} }
buffers { telemetry: { subjects: ["plant.>"] } }
`
}
