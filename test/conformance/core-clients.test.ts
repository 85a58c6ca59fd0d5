import assert from 'node:assert/strict'
import { headers, type NatsConnection, type WsSocketFactory } from '@nats-io/nats-core'
import { WebSocket } from 'ws'
import { BrokerHarness, type BrokerHarnessOptions } from '../support/broker-harness.ts'
import { connect, wsconnect } from '../support/patience.ts'

/** The official JavaScript client, over both of its transports, as it is. */
type Options = Parameters<typeof connect>[0] & object
type Dial = (harness: BrokerHarness, options?: Options) => Promise<NatsConnection>

const DIALS: readonly (readonly [string, Dial])[] = [
  [
    'TCP',
    (h, options) => connect({ servers: `127.0.0.1:${h.port}`, reconnect: false, ...options }),
  ],
  [
    'WebSocket',
    (h, options) =>
      wsconnect({
        servers: `ws://127.0.0.1:${h.webSocketPort}`,
        reconnect: false,
        wsFactory: openWebSocket,
        ...options,
      }),
  ],
]

/** Node 20 has no WebSocket of its own; that of `ws` is the same to the client. */
const openWebSocket = ((url: string) =>
  Promise.resolve({ socket: new WebSocket(url), encrypted: false })) as unknown as WsSocketFactory

for (const [transport, dial] of DIALS) {
  describe(`official client over ${transport}`, () => {
    let harness: BrokerHarness
    let open: NatsConnection[] = []

    async function start(options?: BrokerHarnessOptions): Promise<void> {
      harness = await BrokerHarness.start(options)
    }
    async function client(options?: Options): Promise<NatsConnection> {
      const connection = await dial(harness, options)
      open.push(connection)
      return connection
    }
    afterEach(async () => {
      await Promise.all(open.map((connection) => connection.close()))
      open = []
      await harness.stop()
    })

    it('publishes and subscribes, wildcards and headers included', async () => {
      await start()
      const [a, b] = [await client(), await client()]
      const subscription = a.subscribe('plant.*.>', { max: 2 })
      await a.flush()
      const h = headers()
      h.append('Unit', '°C')
      b.publish('plant.7.temp', '21.5', { headers: h, reply: 'answers' })
      b.publish('plant.8', 'not this one')
      b.publish('plant.8.level.raw', 'x'.repeat(100_000))
      const got = []
      for await (const message of subscription) got.push(message)
      assert.deepEqual(
        got.map((m) => [m.subject, m.reply, m.headers?.get('Unit')]),
        [
          ['plant.7.temp', 'answers', '°C'],
          ['plant.8.level.raw', '', undefined],
        ],
      )
      assert.equal(got[0]?.string(), '21.5')
      assert.equal(got[1]?.data.length, 100_000)
    })

    it('answers requests, one worker of a group each', async () => {
      await start()
      const workers = [await client(), await client(), await client()]
      const counts = workers.map(() => 0)
      for (const [i, worker] of workers.entries()) {
        worker.subscribe('double', {
          queue: 'workers',
          callback: (_, message) => {
            counts[i] = (counts[i] ?? 0) + 1
            message.respond(String(Number(message.string()) * 2))
          },
        })
        await worker.flush()
      }
      const asker = await client()
      const answers = await Promise.all(
        Array.from({ length: 90 }, (_, i) =>
          asker.request('double', String(i), { timeout: 5_000 }),
        ),
      )
      assert.deepEqual(
        answers.map((m) => Number(m.string())),
        Array.from({ length: 90 }, (_, i) => i * 2),
      )
      assert.equal(
        counts.reduce((sum, count) => sum + count),
        90,
      )
      assert.ok(Math.min(...counts) > 5, `shared: ${counts}`)
    })

    it('is told at once that nobody responds', async () => {
      await start()
      const asker = await client()
      await assert.rejects(asker.request('nobody', '', { timeout: 20_000 }), /no responders/)
      await assert.rejects(
        asker.request('nobody', '', { noMux: true, timeout: 20_000 }),
        /no responders/,
      )
    })

    it('drains: what is on its way arrives', async () => {
      await start()
      const [a, b] = [await client(), await client()]
      let got = 0
      a.subscribe('n', { callback: () => void got++ })
      await a.flush()
      for (let i = 0; i < 1_000; i++) b.publish('n')
      await b.flush()
      await a.drain()
      assert.ok(got === 1_000, `${got} of 1000`)
    })

    it('does not hear itself without echo', async () => {
      await start()
      const [a, b] = [await client({ noEcho: true }), await client()]
      const heard: string[] = []
      for (const [name, connection] of [
        ['a', a],
        ['b', b],
      ] as const) {
        connection.subscribe('x', { callback: () => void heard.push(name) })
        await connection.flush()
      }
      a.publish('x')
      await a.flush()
      await b.flush()
      assert.deepEqual(heard, ['b'])
    })

    it('gets in with user and password or token, and not otherwise', async () => {
      await start({ authorization: { users: [{ user: 'ada', password: 'x1' }], token: 't1' } })
      await client({ user: 'ada', pass: 'x1' })
      await client({ token: 't1' })
      for (const options of [
        {},
        { user: 'ada', pass: 'x2' },
        { user: 'eve', pass: 'x1' },
        { token: 'x' },
      ]) {
        await assert.rejects(client(options), /authorization violation/i)
      }
      assert.equal(harness.broker.connections.size, 2)
    })

    it('sees nothing of another account', async () => {
      const users = ['red', 'blue'].map((account) => ({ user: account, password: 'p', account }))
      await start({ authorization: { users, noAuthUser: 'blue' } })
      const [red, blue] = [await client({ user: 'red', pass: 'p' }), await client()]
      const heard: string[] = []
      for (const [name, connection] of [
        ['red', red],
        ['blue', blue],
      ] as const) {
        connection.subscribe('>', { callback: (_, m) => void heard.push(`${name} ${m.subject}`) })
        await connection.flush()
      }
      red.publish('r')
      blue.publish('b')
      await red.flush()
      await blue.flush()
      assert.deepEqual(heard.sort(), ['blue b', 'red r'])
    })

    it('learns max_payload, and is cut off when it does not keep to it', async () => {
      await start({ options: { payloadBytesMax: 1_000 } })
      const connection = await client()
      assert.equal(connection.info?.max_payload, 1_000)
      connection.publish('a', new Uint8Array(1_000))
      await connection.flush()
      assert.throws(() => connection.publish('a', new Uint8Array(1_001)), /max_payload/i)
    })

    it('is ended in order when the broker drains', async () => {
      await start()
      const connection = await client()
      await harness.broker.drain()
      await connection.closed()
      assert.equal(harness.broker.connections.size, 0)
    })
  })
}
