import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import type { NatsConnection } from '@nats-io/transport-node'
import { freePorts } from './free-ports.ts'
import { LinkProxy } from './link-proxy.ts'
import { connect } from './patience.ts'
import { PetioleProcess } from './petiole-process.ts'

export const HUBS = ['eu-1', 'eu-2', 'us-1'] as const
export type HubName = (typeof HUBS)[number]

/** Where clients log in: `$G`, in which leaves and their streams are too, and an account of its own. */
export const ACCOUNTS = ['$G', 'A'] as const
export type AccountName = (typeof ACCOUNTS)[number]

const USERS: Readonly<Record<AccountName, string>> = { $G: 'global', A: 'alice' }
const PASSWORD = 'secret'

interface HubPorts {
  readonly client: number
  readonly cluster: number
  readonly gateway: number
  readonly webSocket: number
}

/** Links that can be broken: whoever dials the hub's port, dials the proxy. */
interface HubProxies {
  readonly cluster: LinkProxy
  readonly gateway: LinkProxy
  readonly webSocket: LinkProxy
}

/**
 * Three hubs in two regions and a leaf as processes of their own, from configuration files. Each
 * port for other servers is advertised as that of a proxy, so that every link between two processes
 * can be cut without either of them being told.
 */
export class RegionProcesses {
  readonly hubs: ReadonlyMap<HubName, PetioleProcess>
  readonly leaf: PetioleProcess
  readonly proxies: ReadonlyMap<HubName, HubProxies>
  readonly #ports: ReadonlyMap<HubName, HubPorts>
  readonly #leafPorts: { readonly client: number; readonly mqtt: number }
  readonly #folder: string

  private constructor(
    folder: string,
    ports: ReadonlyMap<HubName, HubPorts>,
    proxies: ReadonlyMap<HubName, HubProxies>,
    leafPorts: { readonly client: number; readonly mqtt: number },
  ) {
    this.#folder = folder
    this.#ports = ports
    this.#leafPorts = leafPorts
    this.proxies = proxies
    this.hubs = new Map(
      HUBS.map((name) => [name, new PetioleProcess(name, ['hub', '-c', fileOf(folder, name)])]),
    )
    this.leaf = new PetioleProcess('leaf', ['leaf', '-c', fileOf(folder, 'leaf')])
  }

  static async create(): Promise<RegionProcesses> {
    const folder = await mkdtemp(path.join(tmpdir(), 'petiole-regions-'))
    const free = await freePorts(HUBS.length * 7 + 2)
    const take = (): number => free.pop() ?? 0
    const ports = new Map<HubName, HubPorts>()
    const proxies = new Map<HubName, HubProxies>()
    const advertised = new Map<HubName, HubPorts>()
    for (const name of HUBS) {
      const own = { client: take(), cluster: take(), gateway: take(), webSocket: take() }
      const told = { client: 0, cluster: take(), gateway: take(), webSocket: take() }
      ports.set(name, own)
      advertised.set(name, told)
      proxies.set(name, {
        cluster: await LinkProxy.open(told.cluster, own.cluster),
        gateway: await LinkProxy.open(told.gateway, own.gateway),
        webSocket: await LinkProxy.open(told.webSocket, own.webSocket),
      })
    }
    const leafPorts = { client: take(), mqtt: take() }
    for (const name of HUBS) {
      const text = hubConfiguration(folder, name, ports, advertised)
      await writeFile(fileOf(folder, name), text)
    }
    await writeFile(fileOf(folder, 'leaf'), leafConfiguration(folder, leafPorts, advertised))
    return new RegionProcesses(folder, ports, proxies, leafPorts)
  }

  get mqttPort(): number {
    return this.#leafPorts.mqtt
  }

  /** Of a link's proxies, all that can be broken. */
  get links(): readonly LinkProxy[] {
    return [...this.proxies.values()].flatMap((it) => [it.cluster, it.gateway, it.webSocket])
  }

  /** A client that stays with its server, however often that is killed. */
  connect(where: HubName | 'leaf', account: AccountName): Promise<NatsConnection> {
    const port = where === 'leaf' ? this.#leafPorts.client : this.#ports.get(where)?.client
    return connect({
      servers: `127.0.0.1:${port}`,
      ...(where === 'leaf' ? {} : { user: USERS[account], pass: PASSWORD }),
      reconnect: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
      reconnectJitter: 10,
      ignoreClusterUpdates: true,
      waitOnFirstConnect: true,
    })
  }

  /** What each process said last, for the message of a failed test. */
  lastWords(): string {
    return [...this.hubs.values(), this.leaf]
      .map((process) => `${process.name}:\n${process.lastWords()}`)
      .join('\n')
  }

  async destroy(): Promise<void> {
    await Promise.all([...this.hubs.values(), this.leaf].map((process) => process.kill()))
    await Promise.all(this.links.map((link) => link.close()))
    await rm(this.#folder, { recursive: true, force: true })
  }
}

function fileOf(folder: string, name: string): string {
  return path.join(folder, `${name}.conf`)
}

function hubConfiguration(
  folder: string,
  name: HubName,
  ports: ReadonlyMap<HubName, HubPorts>,
  advertised: ReadonlyMap<HubName, HubPorts>,
): string {
  const own = ports.get(name)
  const told = advertised.get(name)
  const region = name.slice(0, 2)
  const urls = (of: string, port: 'cluster' | 'gateway'): string =>
    HUBS.filter((it) => it !== name && it.startsWith(of))
      .map((it) => `"nats://127.0.0.1:${advertised.get(it)?.[port]}"`)
      .join(', ')
  return `server_name: ${name}
host: "127.0.0.1"
port: ${own?.client}
authorization { users: [ { user: ${USERS.$G}, password: ${PASSWORD} } ] }
accounts { A { users: [ { user: ${USERS.A}, password: ${PASSWORD} } ] } }
jetstream { store_dir: "${folder}/${name}", domain: "${name}" }
websocket { host: "127.0.0.1", port: ${own?.webSocket}, advertise: "127.0.0.1:${told?.webSocket}", no_tls: true }
cluster {
  name: ${region}, host: "127.0.0.1", port: ${own?.cluster}
  cluster_advertise: "127.0.0.1:${told?.cluster}", routes: [ ${urls(region, 'cluster')} ]
}
gateway {
  name: ${region}, host: "127.0.0.1", port: ${own?.gateway}, advertise: "127.0.0.1:${told?.gateway}"
  gateways: [ { name: ${region === 'eu' ? 'us' : 'eu'}, urls: [ ${urls(region === 'eu' ? 'us' : 'eu', 'gateway')} ] } ]
}
fleet { streams {
  ${region === 'eu' ? 'plant: { subjects: ["plant.>"] }' : ''}
  ${name === 'eu-2' ? '' : 'kept: { subjects: ["kept.>"] }'}
} }
`
}

function leafConfiguration(
  folder: string,
  ports: { readonly client: number; readonly mqtt: number },
  advertised: ReadonlyMap<HubName, HubPorts>,
): string {
  const urls = (['eu-1', 'eu-2'] as const)
    .map((it) => `"ws://${USERS.$G}:${PASSWORD}@127.0.0.1:${advertised.get(it)?.webSocket}"`)
    .join(', ')
  return `server_name: press
host: "127.0.0.1"
port: ${ports.client}
jetstream { store_dir: "${folder}/press", domain: "press" }
leafnodes { remotes: [ { urls: [ ${urls} ] } ] }
mqtt { host: "127.0.0.1", port: ${ports.mqtt} }
buffers { telemetry: { subjects: ["plant.>"] } }
`
}
