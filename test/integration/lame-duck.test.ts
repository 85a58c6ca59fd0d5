import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import type { NatsConnection } from '@nats-io/transport-node'
import { until } from '../support/fleet-harness.ts'
import { freePorts } from '../support/free-ports.ts'
import { connect, DEADLINE_MS } from '../support/patience.ts'
import { PetioleProcess } from '../support/petiole-process.ts'

/** A hub that leaves as a lame duck: whoever is at it goes elsewhere before it ends. */

const GRACE_MS = 500

interface Ports {
  readonly client: number
  readonly cluster: number
  readonly leaf: number
}

describe('lame duck', function () {
  this.timeout(60_000)
  let folder: string
  let started: PetioleProcess[] = []
  let connections: NatsConnection[] = []

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'petiole-lame-duck-'))
  })

  afterEach(async () => {
    await Promise.all(connections.map((connection) => connection.close()))
    await Promise.all(started.map((each) => each.kill()))
    started = []
    connections = []
    await rm(folder, { recursive: true, force: true })
  })

  async function start(name: string, text: string): Promise<PetioleProcess> {
    const file = path.join(folder, `${name}.conf`)
    const head = `server_name: ${name}\nlame_duck_grace_period: "${GRACE_MS}ms"\nlame_duck_duration: 30s\n`
    await writeFile(file, head + text)
    const server = new PetioleProcess(name, ['nats-server', '-c', file])
    started.push(server)
    await server.start()
    return server
  }

  function hub(name: string, own: Ports, other: Ports): Promise<PetioleProcess> {
    return start(
      name,
      `listen: "127.0.0.1:${own.client}"
      cluster { name: eu, listen: "127.0.0.1:${own.cluster}", routes: ["nats://127.0.0.1:${other.cluster}"] }
      leafnodes { listen: "127.0.0.1:${own.leaf}" }`,
    )
  }

  async function client(port: number, options: object = {}): Promise<NatsConnection> {
    const connection = await connect({ servers: `127.0.0.1:${port}`, ...options })
    connections.push(connection)
    return connection
  }

  async function ports(): Promise<Ports> {
    const [client = 0, cluster = 0, leaf = 0] = await freePorts(3)
    return { client, cluster, leaf }
  }

  function ended(server: PetioleProcess): Promise<boolean> {
    const isRunning = (): boolean => server.isRunning
    return until(`the end of ${server.name}`, isRunning, (it) => !it, DEADLINE_MS)
  }

  it('tells clients, leaves and other hubs, closes who stays, and ends with 0', async () => {
    const [a, b] = [await ports(), await ports()]
    const first = await hub('a', a, b)
    const second = await hub('b', b, a)
    const leafPort = (await ports()).client
    await start(
      'edge',
      `listen: "127.0.0.1:${leafPort}"
      jetstream { store_dir: "${folder}/edge" }
      leafnodes { reconnect: "100ms", remotes: [ { url: "nats-leaf://127.0.0.1:${a.leaf}" } ] }`,
    )
    const there = await client(b.client)
    const here = await client(a.client, { reconnectTimeWait: 50 })
    const stubborn = await client(a.client, { reconnect: false })
    await until(
      'connect_urls of both',
      () => there.info?.connect_urls ?? [],
      (urls) => urls.includes(`127.0.0.1:${a.client}`),
      DEADLINE_MS,
    )
    const statuses: string[] = []
    const watching = (async () => {
      for await (const { type } of here.status()) statuses.push(type)
    })()
    const toldAt = performance.now()
    process.kill(first.pid, 'SIGUSR2')
    await until(
      'the notice',
      () => statuses.includes('ldm'),
      (isTold) => isTold,
      DEADLINE_MS,
    )
    process.kill(first.pid, 'SIGTERM')
    await stubborn.closed()
    const stayedMs = performance.now() - toldAt
    assert.ok(stayedMs >= GRACE_MS, `closed after ${stayedMs} ms`)
    await ended(first)
    assert.equal(await first.stop(), 0, first.lastWords())
    assert.ok(!there.info?.connect_urls?.includes(`127.0.0.1:${a.client}`))
    await until(
      'the client at the other hub',
      () => here.getServer(),
      (at) => at === `127.0.0.1:${b.client}`,
      DEADLINE_MS,
    )
    const edge = await client(leafPort)
    const heard = there.subscribe('from.the.edge')
    await until(
      'the leaf at the other hub',
      () => {
        edge.publish('from.the.edge')
        return heard.getReceived()
      },
      (received) => received > 0,
      DEADLINE_MS,
    )
    assert.ok(second.isRunning)
    const words = first.log.map((line) => line.replace(/^.*?\[(INF|WRN)\] /, ''))
    const said = [
      'Trapped "user defined signal 2" signal',
      'Entering lame duck mode, stop accepting new clients',
      'Trapped "terminated" signal',
      'Closing existing clients',
      'Initiating Shutdown...',
      'Server Exiting..',
    ]
    assert.deepEqual(
      words.filter((line) => said.includes(line)),
      said,
    )
    await here.close()
    await watching
  })

  it('ends at once when nobody is there, and when asked again by SIGINT; the system account hears of it', async () => {
    const [a, b] = [await ports(), await ports()]
    const alone = await hub('a', a, b)
    process.kill(alone.pid, 'SIGUSR2')
    await ended(alone)
    assert.ok(!alone.log.some((line) => line.includes('Closing existing clients')))
    const impatient = await start(
      'b',
      `listen: "127.0.0.1:${b.client}"
      lame_duck_grace_period: 20s
      accounts { SYS { users: [ { user: admin, password: s } ] } }
      system_account: SYS`,
    )
    const stubborn = await client(b.client, { reconnect: false, user: 'admin', pass: 's' })
    const heard = stubborn.subscribe('$SYS.SERVER.*.LAMEDUCK')
    await stubborn.flush()
    process.kill(impatient.pid, 'SIGUSR2')
    await until(
      'lame duck',
      () => impatient.log.join(),
      (log) => log.includes('Entering lame duck mode'),
      DEADLINE_MS,
    )
    await until(
      'the event',
      () => heard.getReceived(),
      (received) => received === 1,
      DEADLINE_MS,
    )
    process.kill(impatient.pid, 'SIGINT')
    await ended(impatient)
    assert.equal(await impatient.stop(), 0, impatient.lastWords())
    await stubborn.closed()
  })
})
