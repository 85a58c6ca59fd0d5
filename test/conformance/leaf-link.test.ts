import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { AckPolicy, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { Hub } from '../../hub/index.ts'
import { Leaf } from '../../leaf/index.ts'
import { type ConfigInput, parseConfig } from '../../shared/config/index.ts'
import { silentLog } from '../../shared/log/index.ts'
import { systemMachine } from '../../shared/server/index.ts'
import { connect, DEADLINE_MS } from '../support/patience.ts'

/** Official clients at a hub and at its leaves, all of it over real sockets. */
describe('leaf link with official clients', () => {
  let directory: string
  let running: (Hub | Leaf)[] = []
  let clients: NatsConnection[] = []

  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'petiole-link-'))
  })

  afterEach(async () => {
    await Promise.all(clients.map((it) => it.close()))
    for (const it of running.reverse()) await it.destroy()
    rmSync(directory, { recursive: true, force: true })
    running = []
    clients = []
  })

  const kept = (it: Hub | Leaf): Hub | Leaf => {
    running.push(it)
    return it
  }
  const hub = async (): Promise<Hub | Leaf> =>
    kept(
      await startHub({
        server_name: 'hub',
        listen: '127.0.0.1:-1',
        jetstream: { store_dir: path.join(directory, 'hub'), domain: 'hub' },
        leafnodes: { listen: '127.0.0.1:-1' },
        websocket: { listen: '127.0.0.1:-1', no_tls: true },
      }),
    )
  const leaf = async (
    name: string,
    of: Hub | Leaf,
    scheme: 'ws' | 'nats-leaf',
  ): Promise<Hub | Leaf> => {
    const port = scheme === 'ws' ? of.ports?.webSocket?.port : of.ports?.leafNodes?.port
    return kept(
      await startLeaf({
        server_name: name,
        listen: '127.0.0.1:-1',
        jetstream: { store_dir: path.join(directory, name), domain: name },
        leafnodes: { remotes: [{ url: `${scheme}://127.0.0.1:${port}` }] },
      }),
    )
  }
  const client = async (of: Hub | Leaf): Promise<NatsConnection> => {
    const it = await connect({ servers: `127.0.0.1:${of.ports?.client.port}` })
    clients.push(it)
    return it
  }
  /** Asks until somebody answers: interest may still be on its way. */
  const answer = async (from: NatsConnection, subject: string): Promise<string> => {
    for (let i = 0; ; i++) {
      try {
        return (await from.request(subject, 'hi', { timeout: 1_000 })).string()
      } catch (error) {
        if (i === 10) throw error
        await from.flush()
      }
    }
  }
  const manager = async (from: NatsConnection, domain: string): Promise<JetStreamManager> => {
    const end = performance.now() + DEADLINE_MS
    for (;;) {
      try {
        return await jetstreamManager(from, { domain, timeout: 1_000 })
      } catch (error) {
        if (performance.now() > end) throw error
        await from.flush()
      }
    }
  }

  for (const scheme of ['ws', 'nats-leaf'] as const) {
    it(`requests cross from leaf to hub, hub to leaf and leaf to leaf over ${scheme}`, async () => {
      const top = await hub()
      const a = await client(await leaf('a', top, scheme))
      const b = await client(await leaf('b', top, scheme))
      const h = await client(top)
      h.subscribe('svc.hub', { callback: (_err, m) => void m.respond('hub') })
      a.subscribe('svc.a', { callback: (_err, m) => void m.respond('a') })
      assert.equal(await answer(b, 'svc.hub'), 'hub')
      assert.equal(await answer(h, 'svc.a'), 'a')
      assert.equal(await answer(b, 'svc.a'), 'a')
    })
  }

  it('a client at the leaf uses a stream of the hub by its domain, and the reverse', async () => {
    const top = await hub()
    const bottom = await leaf('press-7', top, 'ws')
    for (const [from, domain] of [
      [await client(bottom), 'hub'],
      [await client(top), 'press-7'],
    ] as const) {
      const jsm = await manager(from, domain)
      await jsm.streams.add({ name: `ORDERS_${domain}`, subjects: [`orders.${domain.at(0)}.>`] })
      await jsm.consumers.add(`ORDERS_${domain}`, {
        durable_name: 'c',
        ack_policy: AckPolicy.Explicit,
      })
      const js = jetstream(from, { domain })
      for (let i = 0; i < 10; i++) await js.publish(`orders.${domain.at(0)}.${i}`, `${i}`)
      const consumer = await js.consumers.get(`ORDERS_${domain}`, 'c')
      const got: string[] = []
      for await (const message of await consumer.fetch({
        max_messages: 10,
        expires: DEADLINE_MS,
      })) {
        got.push(`${message.subject} ${message.string()}`)
        assert.ok(await message.ackAck(), 'ack answered')
      }
      assert.deepEqual(
        got,
        Array.from({ length: 10 }, (_, i) => `orders.${domain.at(0)}.${i} ${i}`),
      )
      const info = await jsm.consumers.info(`ORDERS_${domain}`, 'c')
      assert.equal(info.ack_floor.stream_seq, 10)
    }
  })

  it('each side keeps its own $JS.API', async () => {
    const top = await hub()
    const bottom = await leaf('press-7', top, 'nats-leaf')
    const above = await manager(await client(top), 'press-7')
    await above.streams.add({ name: 'AT_LEAF', subjects: ['x'] })
    const own = await jetstreamManager(await client(bottom))
    const names: string[] = []
    for await (const it of own.streams.list()) names.push(it.config.name)
    assert.deepEqual(names, ['AT_LEAF'])
    const hubs: string[] = []
    const hubOwn = await jetstreamManager(await client(top))
    for await (const it of hubOwn.streams.list()) hubs.push(it.config.name)
    assert.deepEqual(hubs, [])
  })

  it('an ack for the hub does not touch a stream and consumer of the same names at the leaf', async () => {
    const top = await hub()
    const bottom = await leaf('press-7', top, 'nats-leaf')
    const atHub = await client(top)
    const atLeaf = await client(bottom)
    const jsm = await manager(atHub, 'press-7')
    const own = await jetstreamManager(atHub)
    for (const [it, subject] of [
      [jsm, 'at.leaf'],
      [own, 'at.hub'],
    ] as const) {
      await it.streams.add({ name: 'JOBS', subjects: [subject] })
      await it.consumers.add('JOBS', { durable_name: 'c', ack_policy: AckPolicy.Explicit })
    }
    await jetstream(atLeaf).publish('at.leaf', 'keep me')
    await jetstream(atHub).publish('at.hub', 'ack me')
    const leafConsumer = await jetstream(atLeaf).consumers.get('JOBS', 'c')
    const kept = await leafConsumer.next({ expires: DEADLINE_MS })
    assert.equal(kept?.string(), 'keep me')
    const hubConsumer = await jetstream(atHub).consumers.get('JOBS', 'c')
    const acked = await hubConsumer.next({ expires: DEADLINE_MS })
    assert.ok(await acked?.ackAck())
    // The same link carries the question behind the ack, so an ack that crossed has been counted.
    const info = await jsm.consumers.info('JOBS', 'c')
    assert.equal(info.num_ack_pending, 1)
    assert.equal((await own.consumers.info('JOBS', 'c')).num_ack_pending, 0)
  })

  it('a large message crosses whole', async () => {
    const top = await hub()
    const bottom = await leaf('press-7', top, 'ws')
    const up = await client(bottom)
    const down = await client(top)
    const sizes: number[] = []
    down.subscribe('big', {
      callback: (_err, m) => {
        sizes.push(m.data.length)
        m.respond('got it')
      },
    })
    await answer(up, 'big')
    const reply = await up.request('big', new Uint8Array(1024 * 1024), { timeout: 5_000 })
    assert.equal(reply.string(), 'got it')
    assert.equal(sizes.at(-1), 1024 * 1024)
  })
})

const MACHINE = {
  machine: systemMachine(silentLog),
  log: silentLog,
  version: '0.1.0',
  frontDoors: [],
}

function startHub(config: ConfigInput): Promise<Hub> {
  return Hub.start({ ...MACHINE, config: parseConfig(config, 'hub') })
}

function startLeaf(config: ConfigInput): Promise<Leaf> {
  return Leaf.start({ ...MACHINE, config: parseConfig(config, 'leaf') })
}
