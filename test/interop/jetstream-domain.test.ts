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
import { freePort } from '../support/free-ports.ts'
import { NatsServerPeer } from '../support/nats-server-peer.ts'
import { connect, DEADLINE_MS } from '../support/patience.ts'

const MACHINE = {
  machine: systemMachine(silentLog),
  log: silentLog,
  version: '0.1.0',
  frontDoors: [],
}

/** Streams that are used by their domain, across a link between Petiole and nats-server. */
describe('interop: JetStream by domain', () => {
  let directory: string
  let stop: (() => Promise<unknown>)[] = []

  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'petiole-domain-'))
  })

  afterEach(async () => {
    for (const it of stop.reverse()) await it()
    stop = []
    rmSync(directory, { recursive: true, force: true })
  })

  const natsServer = async (config: string): Promise<NatsConnection> => {
    const peer = await NatsServerPeer.start(config)
    stop.push(() => peer.stop())
    return peer.client()
  }
  const petiole = async (it: Promise<Hub | Leaf>): Promise<Hub | Leaf> => {
    const server = await it
    stop.push(() => server.destroy())
    return server
  }
  const clientOf = async (server: Hub | Leaf): Promise<NatsConnection> => {
    const client = await connect({ servers: `127.0.0.1:${server.ports?.client.port}` })
    stop.push(() => client.close())
    return client
  }
  const config = (name: string): ConfigInput => ({
    server_name: name,
    listen: '127.0.0.1:-1',
    jetstream: { store_dir: path.join(directory, name), domain: name },
  })
  /** [client at the Petiole, client at the nats-server] */
  const petioleHub = async (flags: string): Promise<[NatsConnection, NatsConnection]> => {
    const options = { ...config('petiole'), leafnodes: { listen: '127.0.0.1:-1' } }
    const hub = await petiole(Hub.start({ ...MACHINE, config: parseConfig(options, 'hub') }))
    const url = `nats-leaf://127.0.0.1:${hub.ports?.leafNodes?.port}`
    const theirs = await natsServer(`server_name: nats
      jetstream { store_dir: "%DIR%", domain: nats }\n${flags}
      leafnodes { remotes: [ { url: "${url}" } ] }`)
    return [await clientOf(hub), theirs]
  }
  const petioleLeaf = async (flags: string): Promise<[NatsConnection, NatsConnection]> => {
    const port = await freePort()
    const theirs = await natsServer(`server_name: nats
      jetstream { store_dir: "%DIR%", domain: nats }\n${flags}
      leafnodes { listen: "127.0.0.1:${port}" }`)
    const remotes = [{ url: `nats-leaf://127.0.0.1:${port}` }]
    const options = { ...config('petiole'), leafnodes: { remotes } }
    const leaf = await petiole(Leaf.start({ ...MACHINE, config: parseConfig(options, 'leaf') }))
    return [await clientOf(leaf), theirs]
  }

  for (const [form, flags] of [
    ['short', ''],
    ['long', 'feature_flags { js_ack_fc_v2: true }'],
  ] as const) {
    for (const [role, start] of [
      ['hub', petioleHub],
      ['leaf', petioleLeaf],
    ] as const) {
      it(`a Petiole ${role} and a nats-server that sends ${form} acks do not take each other's`, async () => {
        const [ours, theirs] = await start(flags)
        for (const [from, at, domain] of [
          [theirs, ours, 'petiole'],
          [ours, theirs, 'nats'],
        ] as const) {
          const far = await manager(from, domain)
          const near = await jetstreamManager(at)
          await far.streams.add({ name: 'JOBS', subjects: [`jobs.${domain}`] })
          await far.consumers.add('JOBS', { durable_name: 'c', ack_policy: AckPolicy.Explicit })
          for (let i = 0; i < 5; i++) await jetstream(from, { domain }).publish(`jobs.${domain}`)
          assert.equal((await near.streams.info('JOBS')).state.messages, 5)
        }
        // All are delivered at either side, then one side's are acknowledged from the other.
        for (const [from, domain] of [
          [ours, 'nats'],
          [theirs, 'petiole'],
        ] as const) {
          const consumer = await jetstream(from, { domain }).consumers.get('JOBS', 'c')
          const got = []
          for await (const m of await consumer.fetch({ max_messages: 5, expires: DEADLINE_MS })) {
            got.push(m)
          }
          assert.equal(got.length, 5, domain)
          if (domain === 'petiole') for (const m of got) assert.ok(await m.ackAck(), domain)
        }
        const far = await manager(theirs, 'petiole')
        assert.equal((await far.consumers.info('JOBS', 'c')).ack_floor.stream_seq, 5)
        const own = await jetstreamManager(theirs)
        assert.equal((await own.consumers.info('JOBS', 'c')).num_ack_pending, 5)
      })

      it(`acks for a nats-server that sends ${form} acks get there from a Petiole ${role}`, async () => {
        const [ours, theirs] = await start(flags)
        const far = await manager(ours, 'nats')
        const own = await jetstreamManager(ours)
        for (const [it, subject] of [
          [far, 'jobs.nats'],
          [own, 'jobs.petiole'],
        ] as const) {
          await it.streams.add({ name: 'JOBS', subjects: [subject] })
          await it.consumers.add('JOBS', { durable_name: 'c', ack_policy: AckPolicy.Explicit })
        }
        await jetstream(theirs).publish('jobs.nats')
        await jetstream(ours).publish('jobs.petiole')
        const mine = await (await jetstream(ours).consumers.get('JOBS', 'c')).next()
        const consumer = await jetstream(ours, { domain: 'nats' }).consumers.get('JOBS', 'c')
        const theirMessage = await consumer.next({ expires: DEADLINE_MS })
        assert.ok(await theirMessage?.ackAck())
        assert.equal((await far.consumers.info('JOBS', 'c')).ack_floor.stream_seq, 1)
        assert.equal((await own.consumers.info('JOBS', 'c')).num_ack_pending, 1)
        assert.ok(await mine?.ackAck())
        assert.equal((await own.consumers.info('JOBS', 'c')).ack_floor.stream_seq, 1)
      })
    }
  }
})

/** Asks until the domain answers: interest may still be on its way. */
async function manager(from: NatsConnection, domain: string): Promise<JetStreamManager> {
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
