import assert from 'node:assert/strict'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { shapeDifference, shapeOf } from '../support/json-shape.ts'
import { MonitoredServer } from '../support/monitored-servers.ts'

/**
 * The same clients at nats-server and at ours, then the reports side by side: the same fields of the
 * same types, but for what is listed here with its reason. What is listed and no longer so fails, too.
 */
const NO_FEATURE_FLAGS = [
  '-.feature_flags.js_ack_fc_v2: boolean',
  '-.feature_flags.js_api_reply_v2: boolean',
  '-.feature_flags.js_raft_delete_range: boolean',
  '-.feature_flags.js_snapshot_sources: boolean',
  '-.feature_flags: object',
]

/** Every acknowledged write is synced, so there is no interval; JSON is read by one rule; no such limit. */
const OUR_JETSTREAM = [
  '+.config.sync_always: boolean',
  '-.config.strict: boolean',
  '-.config.sync_interval: number',
  '-.limits.default_max_consumers: number',
]

/** The level that a stream asks of the API is told by the API, when it is asked. */
const NO_LEVELS = [
  '-.account_details[].stream_detail[].config.metadata._nats.req.level: string',
  '-.account_details[].stream_detail[].config.metadata: object',
  '-.account_details[].stream_detail[].consumer_detail[].config.metadata._nats.req.level: string',
  '-.account_details[].stream_detail[].consumer_detail[].config.metadata: object',
]

/** What each account may ask the system account is not imported here, but served in the account. */
const NO_SYSTEM_IMPORTS = [
  '-.account_detail.imports: array',
  '-.account_detail.imports[].account: string',
  '-.account_detail.imports[].invalid: boolean',
  '-.account_detail.imports[].local_subject: string',
  '-.account_detail.imports[].share: boolean',
  '-.account_detail.imports[].subject: string',
  '-.account_detail.imports[].to: string',
  '-.account_detail.imports[].tracking: boolean',
  '-.account_detail.imports[].type: string',
  '-.account_detail.imports[]: object',
]

/** The JetStream domain's subjects are subscriptions here, not mappings. */
const NO_DOMAIN_MAPPINGS = [
  '-.account_detail.mappings.{}: array',
  '-.account_detail.mappings.{}[].subject: string',
  '-.account_detail.mappings.{}[].weight: number',
  '-.account_detail.mappings.{}[]: object',
  '-.account_detail.mappings: object',
]

const EXCEPTIONS: Readonly<Record<string, readonly string[]>> = {
  '/varz': [...NO_FEATURE_FLAGS, ...OUR_JETSTREAM.map((path) => path.replace('.', '.jetstream.'))],
  '/accountz?acc=A': NO_SYSTEM_IMPORTS,
  '/accountz?acc=B': NO_DOMAIN_MAPPINGS,
  '/jsz': OUR_JETSTREAM,
  '/jsz?accounts=1': OUR_JETSTREAM,
  '/jsz?acc=A&consumers=1&config=1': [...OUR_JETSTREAM, ...NO_LEVELS],
  '/jsz?streams=1&raft=1': OUR_JETSTREAM,
}

/** Paths below which keys are names. */
const MAPS = [
  '.http_req_stats',
  '.account_detail.mappings',
  '.data.mappings',
  '.data.http_req_stats',
]

const TARGETS = [
  '/varz',
  '/connz',
  '/connz?subs=1&auth=1',
  '/connz?subs=detail&auth=1',
  '/connz?state=closed&subs=1&auth=1',
  '/subsz',
  '/subsz?subs=1&acc=A',
  '/accountz',
  '/accountz?acc=A',
  '/accountz?acc=B',
  '/accstatz',
  '/accstatz?unused=1',
  '/leafz?subs=1',
  '/routez',
  '/gatewayz',
  '/jsz',
  '/jsz?accounts=1',
  '/jsz?acc=A&consumers=1&config=1',
  '/jsz?streams=1&raft=1',
  '/healthz',
  '/ipqueuesz',
]

describe('monitoring beside nats-server', function () {
  this.timeout(60_000)
  let real: MonitoredServer
  let ours: MonitoredServer
  before(async () => {
    real = await MonitoredServer.startReal()
    ours = await MonitoredServer.startOurs()
    await real.populate()
    await ours.populate()
  })
  after(async () => {
    await real?.stop()
    await ours?.stop()
  })

  for (const target of TARGETS) {
    it(`${target} has the same shape`, async () => {
      const expected = shapeOf(await real.get(target), MAPS)
      const { petiole, ...answer } = await ours.get(target)
      // The one block that nats-server has not: what an operator needs to know of this store.
      assert.equal(petiole !== undefined, /^\/(varz|jsz)/.test(target))
      const actual = shapeOf(answer, MAPS)
      const found = shapeDifference(expected, actual)
      assert.deepEqual(found, [...(EXCEPTIONS[target] ?? [])].sort())
    })
  }

  it('/jsz has the same numbers of what streams hold in memory and may grow to', async () => {
    const told = await Promise.all(
      [real, ours].map(async (server) => {
        const client = await server.client('a', 'storer')
        const { streams } = await jetstreamManager(client)
        await streams.add({ name: 'F', subjects: ['f'], max_bytes: 1 << 20 })
        await streams.add({ name: 'M', subjects: ['m'], storage: 'memory', max_bytes: 4096 })
        await jetstream(client).publish('m', 'in memory')
        const { memory, reserved_memory, reserved_storage, account_details } =
          await server.get('/jsz?acc=A')
        await streams.delete('F')
        await streams.delete('M')
        return { memory, reserved_memory, reserved_storage, ofA: account_details[0].memory }
      }),
    )
    assert.deepEqual(told[1], told[0])
    assert.equal(told[0]?.reserved_storage, 1 << 20)
  })

  const refused = [
    '/connz?sort=foo',
    '/connz?sort=stop',
    '/connz?state=foo',
    '/connz?limit=foo',
    '/connz?auth=foo',
    '/connz?cid=foo',
    '/subsz?subs=1&test=a.*',
    '/accountz?acc=nobody',
    '/leafz?subs=foo',
    '/jsz?config=foo',
    '/raftz',
    '/nothing',
    '/healthz?stream=S',
    '/healthz?consumer=C',
    '/healthz?account=nobody',
    '/healthz?account=nobody&details=1',
    '/healthz?account=A&stream=none',
    '/healthz?account=A&stream=S&consumer=none&details=1',
    '/healthz?account=A&stream=S&consumer=C',
  ]
  for (const target of refused) {
    it(`${target} has the same answer`, async () => {
      assert.deepEqual(await ours.text(target), await real.text(target))
    })
  }
})
