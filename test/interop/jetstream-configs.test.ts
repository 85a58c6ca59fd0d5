import assert from 'node:assert/strict'
import type { NatsConnection } from '@nats-io/transport-node'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { ConfigTwins } from '../support/config-twins.ts'
import { CONSUMER_CASES } from './consumer-config-cases.ts'
import { drawCase } from './drawn-configs.ts'
import { type Case, STREAM_CASES } from './stream-config-cases.ts'

/**
 * What streams and consumers may be: each request to a real nats-server and to us, and the answers the
 * same, texts and the configuration that is answered included.
 */
const CONFIG = `
server_name: test
jetstream { store_dir: "%DIR%/js" }
accounts {
  A {
    jetstream: enabled
    users: [{ user: a, password: a }]
  }
}
`

const DRAWN = 150

describe('configurations beside a real nats-server', function () {
  this.timeout(60_000)
  let twins: ConfigTwins
  let clients: readonly [theirs: NatsConnection, ours: NatsConnection]

  before(async () => {
    twins = await ConfigTwins.start(CONFIG)
    clients = await twins.clients('a')
  })
  after(() => twins?.stop())

  for (const [name, cases] of [...STREAM_CASES, ...CONSUMER_CASES]) {
    describe(name, () => {
      for (const [i, steps] of cases.entries()) {
        it(`${i} ${titleOf(steps)}`, () => compare(steps))
      }
    })
  }

  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  it(`says the same to ${DRAWN} drawn cases: SEED=${seed}`, async () => {
    const random = new SeededRandom(seed)
    for (let i = 0; i < DRAWN; i++) await compare(drawCase(random), `SEED=${seed} case ${i} `)
  })

  async function compare(steps: Case, title = ''): Promise<void> {
    const [theirs, ours] = clients
    try {
      for (const [subject, request] of steps) {
        const actual = await ask(ours, subject, request)
        // What the switchboard refuses has its own tests, until its row is gone.
        if (/not supported yet by this version/.test(JSON.stringify(actual))) return
        const expected = await ask(theirs, subject, request)
        assert.deepEqual(actual, expected, `${title}${subject} ${JSON.stringify(request)}`)
      }
    } finally {
      await Promise.all(clients.map(clear))
    }
  }
})

function titleOf(steps: Case): string {
  const [subject, request] = steps.at(-1) ?? ['', '']
  return `${subject} ${typeof request === 'string' ? request : JSON.stringify(request)}`.slice(
    0,
    90,
  )
}

async function ask(client: NatsConnection, subject: string, request: object | string) {
  const text = typeof request === 'string' ? request : JSON.stringify(request)
  const answer = await client.request(`$JS.API.${subject}`, text, { timeout: 5_000 })
  return normalized(answer.json())
}

async function clear(client: NatsConnection): Promise<void> {
  const answer = await client.request('$JS.API.STREAM.NAMES')
  const { streams } = answer.json() as { streams: string[] | null }
  for (const name of streams ?? []) await client.request(`$JS.API.STREAM.DELETE.${name}`)
}

/** Times and versions differ, and the figures that depend on when somebody asks. */
const VARYING = new Set(['created', 'ts', '_nats.ver', '_nats.level', 'active', 'lag', 'last_ts'])
/** Where a consumer stands has tests of its own. */
const POSITIONS = new Set(['delivered', 'ack_floor', 'num_pending'])
/** One time may be told in several zones. */
const TIMES = new Set(['opt_start_time', 'pause_until'])

function normalized(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normalized)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([key]) => !VARYING.has(key) && !POSITIONS.has(key))
  return Object.fromEntries(
    entries.map(([key, item]) => [
      key,
      TIMES.has(key) ? new Date(String(item)).toISOString() : normalized(item),
    ]),
  )
}
