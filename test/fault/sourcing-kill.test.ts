/**
 * A stream of a hub that a leaf mirrors and sources, and one of the leaf that the hub sources, as real
 * processes: whatever is killed or cut, at whatever moment, each copy ends as its origin is, with no
 * message missing and none twice.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { freePorts } from '../support/free-ports.ts'
import { LinkProxy } from '../support/link-proxy.ts'
import { connect } from '../support/patience.ts'
import { PetioleProcess } from '../support/petiole-process.ts'
import { until } from '../support/sourcing-world.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const ROUNDS = Number(process.env['ROUNDS'] ?? 8)
/** Published to each origin while a round's fault goes on. */
const ROUND_MESSAGES = 300
/** What is not acknowledged by then came into a fault: no round waits longer for it. */
const ACK_MS = 500

type Fault = (fleet: Fleet, load: () => Promise<void>) => Promise<void>

const FAULTS: Readonly<Record<string, Fault>> = {
  async killDestination({ leaf }) {
    await leaf.kill()
    await leaf.start()
  },
  async killOrigin({ hub }) {
    await hub.kill()
    await hub.start()
  },
  async killBoth({ hub, leaf }) {
    await Promise.all([hub.kill(), leaf.kill()])
    await hub.start()
    await leaf.start()
  },
  async cutLink({ link }, load) {
    link.cut()
    await load()
    link.heal()
  },
  async halfOpenLink({ link }, load) {
    link.halfOpen()
    await load()
  },
  async killWhileCut({ link, leaf }, load) {
    link.cut()
    await load()
    await leaf.kill()
    link.heal()
    await leaf.start()
  },
}

class Fleet {
  readonly hub: PetioleProcess
  readonly leaf: PetioleProcess
  readonly link: LinkProxy
  readonly ports: { readonly hub: number; readonly leaf: number }
  readonly #directory: string

  private constructor(directory: string, ports: readonly number[], link: LinkProxy) {
    const [hub = 0, leaf = 0, listen = 0, near = 0] = ports
    this.#directory = directory
    this.ports = { hub, leaf }
    this.link = link
    this.hub = this.#process('hub', hub, `listen: "127.0.0.1:${listen}"`)
    const remote = `{ url: "nats-leaf://127.0.0.1:${near}" }`
    this.leaf = this.#process('leaf', leaf, `reconnect: 1, remotes: [ ${remote} ]`)
  }

  static async start(): Promise<Fleet> {
    const directory = mkdtempSync(path.join(tmpdir(), 'petiole-sourcing-kill-'))
    const ports = await freePorts(4)
    const link = await LinkProxy.open(ports[3] ?? 0, ports[2] ?? 0)
    const fleet = new Fleet(directory, ports, link)
    await fleet.hub.start()
    await fleet.leaf.start()
    return fleet
  }

  async stop(): Promise<void> {
    await this.leaf.kill()
    await this.link.close()
    await this.hub.kill()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #process(role: 'hub' | 'leaf', port: number, link: string): PetioleProcess {
    const directory = path.join(this.#directory, role)
    mkdirSync(directory)
    const file = path.join(directory, 'petiole.conf')
    writeFileSync(
      file,
      `server_name: ${role}\nlisten: "127.0.0.1:${port}"
      jetstream { store_dir: "${directory}/store", domain: ${role} }
      leafnodes { ${link} }\n`,
    )
    return new PetioleProcess(role, [role, '--config', file])
  }
}

describe('copies of streams, whatever is killed', function () {
  this.timeout(10 * 60_000)
  let fleet: Fleet
  let clients: Record<'hub' | 'leaf', NatsConnection>

  before(async () => {
    fleet = await Fleet.start()
    clients = await connected()
  })

  after(async () => {
    for (const client of Object.values(clients)) await client.close()
    await fleet.stop()
  })

  async function connected(): Promise<typeof clients> {
    const client = (role: 'hub' | 'leaf') =>
      connect({
        servers: `127.0.0.1:${fleet.ports[role]}`,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 100,
      })
    return { hub: await client('hub'), leaf: await client('leaf') }
  }

  /** What of it is acknowledged does not matter: copies are held against their origin. */
  async function load(role: 'hub' | 'leaf', subject: string): Promise<void> {
    const js = jetstream(clients[role], { timeout: ACK_MS })
    const sent = Array.from({ length: ROUND_MESSAGES }, (_, i) =>
      js.publish(subject, `${i}`, { retries: 0 }).catch(() => undefined),
    )
    await Promise.all(sent)
  }

  const manager = (role: 'hub' | 'leaf') => jetstreamManager(clients[role])

  async function contents(role: 'hub' | 'leaf', stream: string): Promise<[number, string][]> {
    const jsm = await manager(role)
    const { state } = await jsm.streams.info(stream)
    const all: [number, string][] = []
    if (state.messages === 0) return all
    const consumer = await jetstream(clients[role]).consumers.get(stream, {})
    for await (const message of await consumer.consume()) {
      const source = message.headers?.get('Nats-Stream-Source').split(' ')[1]
      all.push([Number(source ?? message.seq), message.string()])
      if (all.length >= state.messages) break
    }
    return all
  }

  async function lastSourced(jsm: JetStreamManager, stream: string): Promise<number> {
    const info = await jsm.streams.info(stream)
    if (info.mirror !== undefined) return info.state.last_seq
    const message = await jsm.streams.getMessage(stream, { seq: info.state.last_seq })
    return Number(message?.header.get('Nats-Stream-Source').split(' ')[1])
  }

  const COPIES = [
    ['leaf', 'MIRROR', 'hub', 'ORDERS'],
    ['leaf', 'SOURCE', 'hub', 'ORDERS'],
    ['hub', 'READINGS_COPY', 'leaf', 'READINGS'],
  ] as const

  async function assertCopied(note: string): Promise<void> {
    for (const [at, stream, from, origin] of COPIES) {
      const [there, here] = [await manager(from), await manager(at)]
      const { state } = await there.streams.info(origin)
      const isThere = async () => (await lastSourced(here, stream)) >= state.last_seq
      await until(isThere, `${stream} has all of ${origin}, ${note}`)
      assert.deepEqual(await contents(at, stream), await contents(from, origin), note)
    }
  }

  it('ends as its origin is', async () => {
    const random = new SeededRandom(SEED)
    const leaf = await manager('leaf')
    const hub = await manager('hub')
    await hub.streams.add({ name: 'ORDERS', subjects: ['orders.>'] })
    await leaf.streams.add({ name: 'READINGS', subjects: ['readings.>'] })
    const of = (name: string, domain: string) => ({
      name,
      external: { api: `$JS.${domain}.API`, deliver: '' },
    })
    await leaf.streams.add({ name: 'MIRROR', mirror: of('ORDERS', 'hub') })
    await leaf.streams.add({ name: 'SOURCE', sources: [of('ORDERS', 'hub')] })
    await hub.streams.add({ name: 'READINGS_COPY', sources: [of('READINGS', 'leaf')] })
    await load('hub', 'orders.a')
    await load('leaf', 'readings.a')
    await assertCopied(`seed=${SEED}, before any fault`)
    const faults = Object.entries(FAULTS)
    for (let round = 1; round <= ROUNDS; round++) {
      const [name, fault] = faults[random.below(faults.length)] ?? faults[0] ?? assert.fail()
      const both = () => Promise.all([load('hub', 'orders.a'), load('leaf', 'readings.a')])
      const loading = both()
      await until(() => Promise.resolve(random.below(400) === 0), 'some moment')
      await fault(fleet, async () => void (await both()))
      await loading
      // Those that saw the fault notice in their own time that their server is back.
      for (const client of Object.values(clients)) await client.close()
      clients = await connected()
      await assertCopied(`seed=${SEED}, round ${round}: ${name}`)
    }
  })
})
