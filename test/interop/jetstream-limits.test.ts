import assert from 'node:assert/strict'
import { askTwins, ConfigTwins, clearStreams, type TwinClients } from '../support/config-twins.ts'
import type { Step } from './stream-config-cases.ts'

/** What a server and an account allow, beside a real nats-server with the same limits. */
const CONFIG = `
server_name: test
jetstream {
  store_dir: "%DIR%/js"
  max_mem: 1M
  max_file: 10M
  limits { max_ack_pending: 500, max_request_batch: 50, duplicate_window: "1m" }
}
accounts {
  limited {
    jetstream {
      max_mem: 20000
      max_store: 100000
      max_streams: 3
      max_consumers: 2
      max_ack_pending: 100
      mem_max_stream_bytes: 10000
      disk_max_stream_bytes: 50000
    }
    users: [{ user: limited, password: limited }]
  }
  strict {
    jetstream { max_bytes_required: true }
    users: [{ user: strict, password: strict }]
  }
  full {
    jetstream { max_store: 10000 }
    users: [{ user: full, password: full }]
  }
  free {
    jetstream: enabled
    users: [{ user: free, password: free }]
  }
}
`

const create = (name: string, config: object = {}): Step => [
  `STREAM.CREATE.${name}`,
  { name, ...config },
]
const update = (name: string, config: object = {}): Step => [
  `STREAM.UPDATE.${name}`,
  { name, ...config },
]
const consumer = (name: string, config: object = {}, more: object = {}): Step => [
  `CONSUMER.CREATE.S.${name}`,
  { stream_name: 'S', config: { ack_policy: 'explicit', ...config }, ...more },
]
const INFO: Step = ['INFO', '']

const LIMITED: readonly (readonly [title: string, steps: readonly Step[]])[] = [
  ['says what it may have', [INFO]],
  ['has so many streams', [create('A'), create('B'), create('C'), create('D'), create('A'), INFO]],
  [
    'reserves so much on disk',
    [
      create('A', { max_bytes: 50_000 }),
      create('B', { max_bytes: 50_001 }),
      create('B', { max_bytes: 40_000 }),
      INFO,
      create('C', { max_bytes: 10_001 }),
      create('C', { max_bytes: 10_001, storage: 'file' }),
      create('C', { max_bytes: 10_000, storage: 'file' }),
      INFO,
      create('A', { max_bytes: 50_000 }),
    ],
  ],
  [
    'reserves so much in memory',
    [
      create('A', { max_bytes: 10_001, storage: 'memory' }),
      create('A', { max_bytes: 10_000, storage: 'memory' }),
      create('B', { max_bytes: 10_000, storage: 'memory' }),
      create('C', { max_bytes: 1, storage: 'memory' }),
      create('C', { storage: 'memory' }),
      INFO,
    ],
  ],
  [
    'grows a stream within its limits',
    [
      create('A', { max_bytes: 40_000 }),
      create('B', { max_bytes: 40_000 }),
      update('A', { max_bytes: 50_000 }),
      update('B', { max_bytes: 50_001 }),
      update('B', { max_bytes: 50_000 }),
      update('B', { max_bytes: 10_000 }),
      update('B', {}),
      INFO,
    ],
  ],
  [
    'has so many consumers',
    [
      create('S', { max_consumers: 3 }),
      create('S', { max_consumers: 2 }),
      update('S', { max_consumers: 3 }),
      consumer('a'),
      consumer('b'),
      consumer('c'),
      consumer('b', { max_deliver: 4 }),
      INFO,
    ],
  ],
  [
    'bounds what consumers leave unacknowledged',
    [
      create('S'),
      consumer('a'),
      consumer('b', { max_ack_pending: 101 }),
      consumer('b', { max_ack_pending: 501 }),
      consumer('b', { max_ack_pending: 100 }),
    ],
  ],
]

const FREE: readonly (readonly [title: string, steps: readonly Step[]])[] = [
  ['says what it may have', [INFO]],
  [
    'is bound by what the server may keep',
    [
      create('A', { max_bytes: 10_000_000 }),
      create('B', { max_bytes: 10_000_000 }),
      create('B', { max_bytes: 1_000_001, storage: 'memory' }),
      create('C', { max_bytes: 2_000_000, storage: 'memory' }),
      update('A', { max_bytes: 20_000_000 }),
      INFO,
    ],
  ],
  [
    'is bound by the limits of the server',
    [
      create('S', { duplicate_window: 61e9 }),
      create('S', { duplicate_window: 60e9 }),
      create('T', { pedantic: true }),
      create('T', { max_age: 30e9 }),
      consumer('a', { max_ack_pending: 501 }),
      consumer('a', { max_ack_pending: 500 }),
      consumer('b', { max_batch: 51 }),
      consumer('b', { max_batch: 50 }),
      consumer('c', {}),
      consumer('d', {}, { pedantic: true }),
      consumer('d', { max_ack_pending: -1 }),
    ],
  ],
]

const STRICT: readonly (readonly [title: string, steps: readonly Step[]])[] = [
  ['says what it may have', [INFO]],
  [
    'must be told how large a stream is',
    [
      create('A'),
      create('A', { max_bytes: -1 }),
      create('A', { max_bytes: 1_000 }),
      update('A', { max_bytes: 0 }),
      update('A', { max_bytes: 500 }),
    ],
  ],
]

describe('limits beside a real nats-server', function () {
  this.timeout(60_000)
  let twins: ConfigTwins

  before(async () => {
    twins = await ConfigTwins.start(CONFIG)
  })
  after(() => twins?.stop())

  it('an account that is full refuses what is published', async () => {
    const clients = await twins.clients('full')
    const [theirs, ours] = await Promise.all(
      clients.map(async (client) => {
        await client.request('$JS.API.STREAM.CREATE.S', JSON.stringify({ name: 'S' }))
        let answer: { error?: object } = {}
        for (let i = 0; i < 40 && answer.error === undefined; i++) {
          answer = (await client.request('S', 'x'.repeat(500))).json()
        }
        await client.request('$JS.API.STREAM.PURGE.S')
        const again = (await client.request('S', 'x')).json<{ seq: number }>()
        return [answer, again.seq > 1]
      }),
    )
    await clearStreams(clients)
    assert.deepEqual(ours, theirs)
    assert.match(JSON.stringify(ours), /10002/)
  })

  for (const [user, cases] of Object.entries({ limited: LIMITED, free: FREE, strict: STRICT })) {
    describe(`an account that is ${user}`, () => {
      let clients: TwinClients
      before(async () => {
        clients = await twins.clients(user)
      })
      afterEach(() => clearStreams(clients))

      for (const [title, steps] of cases) {
        it(title, async () => {
          for (const [subject, request] of steps) {
            const { ours, theirs } = await askTwins(clients, subject, request)
            assert.deepEqual(ours, theirs, `${subject} ${JSON.stringify(request)}`)
          }
        })
      }
    })
  }
})
