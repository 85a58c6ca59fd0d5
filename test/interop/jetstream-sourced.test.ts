/**
 * Streams of ours that real nats-servers mirror and source across a leaf link, which is cut in the
 * middle. What is told of the other side (`$JS.<domain>.API`, flow control, heartbeats, interest) is
 * all theirs.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { Hub } from '../../hub/index.ts'
import { Leaf } from '../../leaf/index.ts'
import { type ConfigInput, parseConfig } from '../../shared/config/index.ts'
import { silentLog } from '../../shared/log/index.ts'
import { systemMachine } from '../../shared/server/index.ts'
import { freePort } from '../support/free-ports.ts'
import { LinkProxy } from '../support/link-proxy.ts'
import { NatsServerPeer } from '../support/nats-server-peer.ts'
import { connect, DEADLINE_MS } from '../support/patience.ts'
import { quickestOf } from '../support/sourcing-world.ts'

const MACHINE = {
  machine: systemMachine(silentLog),
  log: silentLog,
  version: '0.1.0',
  frontDoors: [],
}
/** A second until their end dials again, two between two tries of a source that has seen a gap. */
const RESUME_MS = 5_000

const RETENTIONS = ['limits', 'workqueue', 'interest'] as const

interface Pair {
  readonly ours: NatsConnection
  readonly theirs: NatsConnection
  readonly proxy: LinkProxy
}

describe('interop: streams of ours that a nats-server copies', function () {
  this.timeout(60_000)
  let directory: string
  let stop: (() => Promise<unknown>)[] = []

  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'petiole-sourced-'))
  })

  afterEach(async () => {
    for (const it of stop.reverse()) await it()
    stop = []
    rmSync(directory, { recursive: true, force: true })
  })

  async function proxyTo(port: number, login = ''): Promise<[LinkProxy, string]> {
    const near = await freePort()
    const proxy = await LinkProxy.open(near, port)
    stop.push(() => proxy.close())
    return [proxy, `nats-leaf://${login}127.0.0.1:${near}`]
  }

  async function natsServer(config: string): Promise<NatsConnection> {
    const peer = await NatsServerPeer.start(config)
    stop.push(() => peer.stop())
    return peer.client()
  }

  async function petiole(
    starting: Promise<Hub | Leaf>,
    login: object = {},
  ): Promise<[Hub | Leaf, NatsConnection]> {
    const server = await starting
    stop.push(() => server.destroy())
    const client = await connect({ servers: `127.0.0.1:${server.ports?.client.port}`, ...login })
    stop.push(() => client.close())
    return [server, client]
  }

  const config = (): ConfigInput => ({
    server_name: 'petiole',
    listen: '127.0.0.1:-1',
    jetstream: { store_dir: path.join(directory, 'ours'), domain: 'petiole' },
  })

  const theirConfig = (rest: string): string => `server_name: nats
    jetstream { store_dir: "%DIR%", domain: nats }
    ${rest}`

  async function petioleHub(): Promise<Pair> {
    const options = { ...config(), leafnodes: { listen: '127.0.0.1:-1' } }
    const [hub, ours] = await petiole(
      Hub.start({ ...MACHINE, config: parseConfig(options, 'hub') }),
    )
    const [proxy, url] = await proxyTo(hub.ports?.leafNodes?.port ?? 0)
    const theirs = await natsServer(
      theirConfig(`leafnodes { reconnect: 1, remotes: [ { url: "${url}" } ] }`),
    )
    return { ours, theirs, proxy }
  }

  async function petioleLeaf(): Promise<Pair> {
    const port = await freePort()
    const theirs = await natsServer(theirConfig(`leafnodes { listen: "127.0.0.1:${port}" }`))
    const [proxy, url] = await proxyTo(port)
    const remotes = [{ url }]
    const options = { ...config(), leafnodes: { remotes } }
    const [, ours] = await petiole(Leaf.start({ ...MACHINE, config: parseConfig(options, 'leaf') }))
    return { ours, theirs, proxy }
  }

  /** The stream lies in an account that the link does not lead to: what it exports is imported there. */
  async function petioleHubOfTwoAccounts(): Promise<Pair> {
    const options = {
      ...config(),
      leafnodes: { listen: '127.0.0.1:-1' },
      accounts: {
        ORIGIN: {
          jetstream: 'enabled',
          users: [{ user: 'o', password: 'o' }],
          exports: [
            { service: '$JS.API.CONSUMER.>' },
            { service: '$JS.FC.>' },
            { stream: 'deliver.>' },
          ],
        },
        AGENT: {
          users: [{ user: 'a', password: 'a' }],
          imports: [
            {
              service: { account: 'ORIGIN', subject: '$JS.API.CONSUMER.>' },
              to: 'origin.API.CONSUMER.>',
            },
            { service: { account: 'ORIGIN', subject: '$JS.FC.>' } },
            { stream: { account: 'ORIGIN', subject: 'deliver.>' } },
          ],
        },
      },
    }
    const login = { user: 'o', pass: 'o' }
    const [hub, ours] = await petiole(
      Hub.start({ ...MACHINE, config: parseConfig(options, 'hub') }),
      login,
    )
    const [proxy, url] = await proxyTo(hub.ports?.leafNodes?.port ?? 0, 'a:a@')
    const theirs = await natsServer(
      theirConfig(`leafnodes { reconnect: 1, remotes: [ { url: "${url}" } ] }`),
    )
    return { ours, theirs, proxy }
  }

  async function fill(connection: NatsConnection, from: number, to: number): Promise<void> {
    const js = jetstream(connection)
    const acks: Promise<unknown>[] = []
    for (let i = from; i <= to; i++) acks.push(js.publish('orders.a', `m${i}`))
    await Promise.all(acks)
  }

  async function lastSeq(jsm: JetStreamManager, stream: string): Promise<number> {
    return (await jsm.streams.info(stream)).state.last_seq
  }

  /** Every message once, in the order of the origin. */
  async function assertCopied(jsm: JetStreamManager, stream: string, count: number): Promise<void> {
    const { state } = await jsm.streams.info(stream)
    assert.deepEqual([state.messages, state.last_seq], [count, count])
    for (let seq = 1; seq <= count; seq++) {
      assert.equal((await jsm.streams.getMessage(stream, { seq }))?.string(), `m${seq}`)
    }
  }

  const byDomain = { api: '$JS.petiole.API' }
  for (const [role, start, external] of [
    ['hub', petioleHub, byDomain],
    ['leaf', petioleLeaf, byDomain],
    [
      "hub's other account",
      petioleHubOfTwoAccounts,
      { api: 'origin.API', deliver: 'deliver.agent' },
    ],
  ] as const) {
    for (const [kind, copy] of [
      ['mirrors', { mirror: { name: 'ORDERS', external } }],
      ['sources', { sources: [{ name: 'ORDERS', external }] }],
    ] as const) {
      for (const retention of RETENTIONS) {
        it(`${kind} a stream (${retention}) of a Petiole ${role}, over a cut of the link`, async () => {
          const { ours, theirs, proxy } = await start()
          const origin = await jetstreamManager(ours)
          await origin.streams.add({ name: 'ORDERS', subjects: ['orders.>'], retention })
          const listed = async (): Promise<number> =>
            (await origin.consumers.list('ORDERS').next()).length
          // What nobody is interested in is not kept.
          if (retention !== 'interest') await fill(ours, 1, 150)
          const there = await jetstreamManager(theirs)
          await there.streams.add({ name: 'COPY', ...copy } as never)
          if (retention === 'interest') {
            await until(async () => (await listed()) === 1, 'a consumer for the copy')
            await fill(ours, 1, 150)
          }
          await until(async () => (await lastSeq(there, 'COPY')) === 150, 'first part copied')
          const shown = retention === 'limits' ? 0 : 1
          assert.equal(await listed(), shown, 'only a durable one is listed')
          const { state } = await origin.streams.info('ORDERS')
          assert.equal(state.consumer_count, shown, 'and counted')

          let last = 150
          const tookMs = await quickestOf(RESUME_MS, async () => {
            const filling = fill(ours, last + 1, last + 150)
            await until(async () => (await lastSeq(there, 'COPY')) > last + 10, 'in the middle')
            proxy.cut()
            await filling
            await fill(ours, last + 151, last + 200)
            proxy.heal()
            const healedAt = performance.now()
            last += 200
            await until(async () => (await lastSeq(there, 'COPY')) >= last, 'all copied')
            return performance.now() - healedAt
          })
          await fill(ours, last + 1, last + 10)
          await until(async () => (await lastSeq(there, 'COPY')) >= last + 10, 'live again')
          await assertCopied(there, 'COPY', last + 10)
          assert.ok(tookMs < RESUME_MS, `resumed after ${tookMs} ms`)
          if (retention === 'limits') return
          const left = async (): Promise<number> =>
            (await origin.streams.info('ORDERS')).state.messages
          await until(async () => (await left()) === 0, 'what is copied leaves the queue')
        })
      }
    }
  }
})

async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + DEADLINE_MS
  while (!(await isSo())) assert.ok(performance.now() < end, `not in time: ${what}`)
}
