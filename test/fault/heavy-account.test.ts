import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import type { NatsConnection } from '@nats-io/transport-node'
import { until } from '../support/fleet-harness.ts'
import { freePorts } from '../support/free-ports.ts'
import { connect, DEADLINE_MS } from '../support/patience.ts'
import { PetioleProcess } from '../support/petiole-process.ts'

const CONNECTIONS = 300
const PUBLICATIONS_AT_ONCE = 20
/** Subscriptions of all words from two letters, so deep: each publication visits about as many nodes. */
const DEPTH = 12
const BATCHES = 100
const MESSAGES_PER_BATCH = 1_000

/**
 * Clients of one account are as heavy as they may be. The link to another hub, over which strangers' messages
 * come, is read as if they were not there, and nobody takes it for dead.
 */
describe('two hubs, one account of which is heavy', function () {
  this.timeout(90_000)
  let folder: string
  let hubs: PetioleProcess[]
  let ports: number[]
  let clients: NatsConnection[]
  let sockets: net.Socket[]

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'petiole-heavy-'))
    ports = await freePorts(4)
    hubs = []
    clients = []
    sockets = []
    for (const i of [0, 1]) {
      const file = path.join(folder, `hub-${i}.conf`)
      await writeFile(file, configuration(i))
      hubs.push(new PetioleProcess(`hub-${i}`, ['hub', '-c', file]))
    }
    await Promise.all(hubs.map((hub) => hub.start()))
    await until(
      'link of the hubs',
      () => hubs.map(linksOf).join(),
      (it) => it === '1,1',
      DEADLINE_MS,
    )
  })

  afterEach(async () => {
    for (const socket of sockets) socket.destroy()
    await Promise.all(clients.map((client) => client.close()))
    await Promise.all(hubs.map((hub) => hub.kill()))
    await rm(folder, { recursive: true, force: true })
  })

  const configuration = (i: number): string => `
    listen: "127.0.0.1:${ports[i]}"
    server_name: hub-${i}
    accounts {
      heavy { users: [{ user: heavy, password: heavy }] }
      honest { users: [{ user: honest, password: honest }] }
    }
    gateway {
      name: region-${i}, listen: "127.0.0.1:${ports[2 + i]}"
      gateways: [{ name: region-${1 - i}, url: "nats://127.0.0.1:${ports[3 - i]}" }]
    }`

  const linksOf = (hub: PetioleProcess): number =>
    hub.log.filter((line) => /linked with a hub|Gateway connection created/.test(line)).length

  async function login(hub: number, user: string): Promise<NatsConnection> {
    const client = await connect({ port: ports[hub] ?? 0, user, pass: user, reconnect: false })
    clients.push(client)
    return client
  }

  /** Publishes what was never published before, without end: the next when the last is done. */
  async function burden(number: number): Promise<void> {
    const socket = net.connect(ports[1] ?? 0, '127.0.0.1')
    sockets.push(socket)
    await once(socket, 'connect')
    socket.on('error', () => {})
    let count = 0
    const publish = (): void => {
      let lines = ''
      for (let i = 0; i < PUBLICATIONS_AT_ONCE; i++) {
        lines += `PUB ${'a.'.repeat(DEPTH)}${number}.${count++} 0\r\n\r\n`
      }
      socket.write(`${lines}PING\r\n`)
    }
    socket.on('data', (bytes) => {
      if (bytes.includes('PONG')) publish()
    })
    socket.write('CONNECT {"verbose":false,"user":"heavy","pass":"heavy"}\r\n')
    publish()
  }

  it("carry everybody else's messages", async () => {
    const subscriber = await login(1, 'honest')
    let got = 0
    let probes = 0
    subscriber.subscribe('honest', { callback: () => void got++ })
    subscriber.subscribe('probe', { callback: () => void probes++ })
    await subscriber.flush()
    const heavy = await login(1, 'heavy')
    for (let i = 0; i < 2 ** DEPTH; i++) {
      const words = Array.from({ length: DEPTH }, (_, bit) => ((i >> bit) & 1 ? 'a' : '*'))
      heavy.subscribe(`${words.join('.')}.z.z`, { callback: () => {} })
    }
    await heavy.flush()
    const publisher = await login(0, 'honest')
    const publish = (subject: string, count: number): Promise<void> => {
      for (let i = 0; i < count; i++) publisher.publish(subject)
      return publisher.flush()
    }
    const probe = async (): Promise<number> => {
      await publish('probe', 1)
      return probes
    }
    await until('interest', probe, (it) => it > 0, DEADLINE_MS)

    await Promise.all(Array.from({ length: CONNECTIONS }, (_, i) => burden(i)))
    const deadlineMs = performance.now() + DEADLINE_MS
    for (let sent = MESSAGES_PER_BATCH; sent <= BATCHES * MESSAGES_PER_BATCH; ) {
      await publish('honest', MESSAGES_PER_BATCH)
      const leftMs = deadlineMs - performance.now()
      await until(
        `${sent} messages`,
        () => got,
        (it) => it === sent,
        leftMs,
      )
      sent += MESSAGES_PER_BATCH
    }
    assert.equal(hubs.map(linksOf).join(), '1,1', hubs.map((hub) => hub.lastWords()).join('\n'))
  })
})
