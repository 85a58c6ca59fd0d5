import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import type { FleetStatus } from '../../hub/fleet/index.ts'
import { type ConfigInput, type Running, startHub, startLeaf } from '../../index.ts'
import { until } from '../support/fleet-harness.ts'
import { freePorts } from '../support/free-ports.ts'
import { connect, DEADLINE_MS } from '../support/patience.ts'

interface Ports {
  readonly client: number
  readonly cluster: number
  readonly gateway: number
  readonly leaf: number
}

/** Hubs as their users run them, and the official client. */
describe('a supercluster and its clients', () => {
  let folder: string
  let running: Running[]
  let connections: NatsConnection[]
  const ports = new Map<string, Ports>()

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'petiole-supercluster-'))
    running = []
    connections = []
    for (const name of ['eu-1', 'eu-2', 'us-1']) {
      const [client = 0, cluster = 0, gateway = 0, leaf = 0] = await freePorts(4)
      ports.set(name, { client, cluster, gateway, leaf })
    }
  })

  afterEach(async () => {
    await Promise.all(connections.map((connection) => connection.close()))
    await Promise.all(running.map((server) => server.destroy()))
    await rm(folder, { recursive: true, force: true })
  })

  const portsOf = (name: string): Ports => {
    const found = ports.get(name)
    assert.ok(found !== undefined)
    return found
  }

  async function hub(name: string, more: ConfigInput = {}): Promise<Running> {
    const { client, cluster, gateway, leaf } = portsOf(name)
    const region = name.slice(0, 2)
    const server = await startHub({
      server_name: name,
      host: '127.0.0.1',
      port: client,
      cluster: {
        name: region,
        host: '127.0.0.1',
        port: cluster,
        routes: name === 'eu-2' ? [`nats://127.0.0.1:${portsOf('eu-1').cluster}`] : [],
      },
      gateway: {
        name: region,
        host: '127.0.0.1',
        port: gateway,
        gateways: [
          {
            name: 'eu',
            urls: ['eu-1', 'eu-2'].map((it) => `nats://127.0.0.1:${portsOf(it).gateway}`),
          },
        ],
      },
      leafnodes: { host: '127.0.0.1', port: leaf },
      ...more,
    })
    running.push(server)
    return server
  }

  const store = (name: string): ConfigInput => ({
    jetstream: { store_dir: path.join(folder, name), domain: name },
    fleet: { streams: { [`plant-${name}`]: { subjects: ['plant.>'] } } },
  })

  async function client(name: string, options: object = {}): Promise<NatsConnection> {
    const servers = `127.0.0.1:${portsOf(name).client}`
    const connection = await connect({ servers, reconnectTimeWait: 50, ...options })
    connections.push(connection)
    return connection
  }

  /** Somebody there is asked, until he answers. */
  async function answers(connection: NatsConnection, subject: string): Promise<string> {
    return until(
      `an answer on ${subject}`,
      async () => (await connection.request(subject, '', { timeout: 500 })).string(),
      () => true,
      DEADLINE_MS,
    )
  }

  function serve(connection: NatsConnection, subject: string, answer: string, queue = ''): void {
    connection.subscribe(subject, {
      ...(queue === '' ? {} : { queue }),
      callback: (_error, message) => {
        message.respond(answer)
      },
    })
  }

  it('carries requests between regions, and says at once when nobody answers', async () => {
    await hub('eu-1')
    await hub('eu-2')
    await hub('us-1')
    const [a, c] = [await client('eu-2'), await client('us-1')]
    serve(c, 'svc', 'from us')
    assert.equal(await answers(a, 'svc'), 'from us')
    await assert.rejects(a.request('nobody', '', { timeout: 5_000 }), /no responders/i)
  })

  it('keeps a queue group in its region as long as it has a member there', async () => {
    await hub('eu-1')
    await hub('eu-2')
    await hub('us-1')
    const [a, b, c] = [await client('eu-1'), await client('eu-2'), await client('us-1')]
    serve(c, 'svc', 'us', 'q')
    assert.equal(await answers(a, 'svc'), 'us')
    serve(b, 'svc', 'eu', 'q')
    await until(
      'the own region',
      () => answers(a, 'svc'),
      (it) => it === 'eu',
      DEADLINE_MS,
    )
    for (let i = 0; i < 20; i++) assert.equal(await answers(a, 'svc'), 'eu')
    await b.close()
    await until(
      'the other region',
      () => answers(a, 'svc'),
      (it) => it === 'us',
      DEADLINE_MS,
    )
  })

  it('tells clients of the other hub of the region, to which they fail over', async () => {
    const first = await hub('eu-1')
    await hub('eu-2')
    await hub('us-1')
    const connection = await client('eu-1')
    const other = `127.0.0.1:${portsOf('eu-2').client}`
    await until(
      'connect_urls',
      () => connection.info?.connect_urls ?? [],
      (urls) => urls.includes(other),
      DEADLINE_MS,
    )
    assert.ok(!connection.info?.connect_urls?.includes(`127.0.0.1:${portsOf('us-1').client}`))
    serve(connection, 'svc', 'I am back')
    await first.destroy()
    await until(
      'the other hub',
      () => connection.getServer(),
      (it) => it === other,
      DEADLINE_MS,
    )
    assert.equal(await answers(await client('us-1'), 'svc'), 'I am back')
  })

  it('answers for all servers in the system account, and for one where only one is asked', async () => {
    const accounts = {
      SYS: { users: [{ user: 'admin', password: 's' }] },
      APP: { users: [{ user: 'app', password: 'a' }] },
    }
    for (const name of ports.keys()) await hub(name, { accounts, system_account: 'SYS' })
    const admin = await client('eu-2', { user: 'admin', pass: 's' })
    const names = async (subject: string): Promise<string> => {
      const found: string[] = []
      for await (const answer of await admin.requestMany(subject, '', { maxWait: 400 })) {
        found.push(answer.json<{ server: { name: string } }>().server.name)
      }
      return found.sort().join()
    }
    const everyone = [...ports.keys()].join()
    const ask = (): Promise<string> => names('$SYS.REQ.SERVER.PING')
    await until('an answer of each server', ask, (it) => it === everyone, DEADLINE_MS)
    const app = await client('us-1', { user: 'app', pass: 'a' })
    const replies: string[] = []
    for await (const answer of await app.requestMany('$SYS.REQ.USER.INFO', '', {
      maxWait: 2_000,
    })) {
      replies.push(answer.json<{ server: { name: string } }>().server.name)
    }
    assert.deepEqual(replies, ['us-1'], 'the one that knows')
  })

  it('stores a message once, at the hub where it enters or else at the nearest', async () => {
    await hub('eu-1', store('eu-1'))
    await hub('eu-2')
    await hub('us-1', store('us-1'))
    const b = await client('eu-2')
    const publish = (): Promise<{ readonly stream: string }> =>
      jetstream(b, { timeout: 500 }).publish('plant.1', '21 C')
    const { stream } = await until('an acknowledgement', publish, () => true, DEADLINE_MS)
    assert.equal(stream, 'plant-eu-1')
    const c = await client('us-1')
    assert.equal((await jetstream(c).publish('plant.1', '22 C')).stream, 'plant-us-1')
    const count = async (domain: string): Promise<number> => {
      const manager = await jetstreamManager(b, { domain })
      return (await manager.streams.info(`plant-${domain}`)).state.messages
    }
    const [eu, us] = [await count('eu-1'), await count('us-1')]
    assert.equal(us, 1)
    assert.ok(eu >= 1, `${eu} at eu-1: one for each attempt`)
    await assert.rejects(jetstreamManager(b, { timeout: 500 }), 'the API without a domain stays')
  })

  it('a leaf fails over to another hub, and its buffers reach their home through that', async () => {
    const home = await hub('eu-1', store('eu-1'))
    await hub('eu-2', { jetstream: { store_dir: path.join(folder, 'eu-2'), domain: 'eu-2' } })
    const leaf = await startLeaf({
      server_name: 'press-7',
      host: '127.0.0.1',
      port: -1,
      jetstream: { store_dir: path.join(folder, 'leaf'), domain: 'press-7' },
      leafnodes: {
        reconnect: '100ms',
        remotes: [{ url: `nats-leaf://127.0.0.1:${portsOf('eu-1').leaf}` }],
      },
      buffers: { telemetry: { subjects: ['plant.>'] } },
    })
    running.push(leaf)
    const at = async (name: string): Promise<number> => {
      const manager = await jetstreamManager(await client(name), { domain: 'eu-1' })
      return (await manager.streams.info('plant-eu-1')).state.messages
    }
    const edge = leaf.client()
    edge.publish('plant.1', Buffer.from('before'))
    await until(
      'the first at home',
      () => at('eu-1'),
      (it) => it === 1,
      DEADLINE_MS,
    )
    const b = await client('eu-2')
    const live = b.subscribe('live.>')
    await home.destroy()
    edge.publish('plant.1', Buffer.from('meanwhile'))
    const seen = until(
      'the leaf at the other hub',
      () => {
        edge.publish('live.1', Buffer.from('x'))
        return live.getReceived()
      },
      (it) => it > 0,
      DEADLINE_MS,
    )
    await seen
    await hub('eu-1', store('eu-1'))
    await until(
      'the rest at home',
      () => at('eu-2'),
      (it) => it === 2,
      2 * DEADLINE_MS,
    )
    for (const name of ['eu-1', 'eu-2']) {
      const connection = await client(name)
      const status = await until(
        `the leaf's state at ${name}`,
        async () => (await connection.request('$FLEET.STATUS')).json<FleetStatus>(),
        ({ leaves }) => leaves[0]?.state === 'in_sync' && leaves[0].buffers[0]?.last_seq === 2,
        DEADLINE_MS,
      )
      assert.equal(status.hub, name)
      const [site] = status.leaves
      assert.equal(site?.home, 'eu-1')
      assert.equal(site?.buffers[0]?.backlog_msgs, 0)
      assert.equal(site?.buffers[0]?.lost_msgs, 0)
      const silentMs = Date.parse(status.as_of) - Date.parse(site?.last_seen ?? '')
      assert.ok(silentMs < 10_000, `seen ${silentMs} ms ago`)
    }
  }).timeout(60_000)
})
