import assert from 'node:assert/strict'
import type { NatsConnection } from '@nats-io/transport-node'
import { ConfigTwins, clearStreams, normalized } from '../support/config-twins.ts'
import { eventually } from '../support/link-node.ts'

/** What is told of requests, streams and consumers, beside a real nats-server. */
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

const REQUESTS: readonly (readonly [subject: string, request: object | undefined])[] = [
  ['STREAM.CREATE.S', { name: 'S' }],
  ['STREAM.CREATE.S', { name: 'S' }],
  ['STREAM.CREATE.S', { name: 'S', bogus: 1 }],
  ['STREAM.UPDATE.S', { name: 'S', max_msgs: 5 }],
  ['STREAM.UPDATE.S', { name: 'S', max_msgs: 5 }],
  ['CONSUMER.CREATE.S.c', { stream_name: 'S', config: { durable_name: 'c' } }],
  ['CONSUMER.CREATE.S.c', { stream_name: 'S', config: { durable_name: 'c' } }],
  ['CONSUMER.CREATE.S.c', { stream_name: 'S', config: { durable_name: 'c', max_deliver: 3 } }],
  ['CONSUMER.CREATE.S.d', { stream_name: 'S', config: { durable_name: 'd' } }],
  ['CONSUMER.DELETE.S.c', undefined],
  ['CONSUMER.DELETE.S.c', undefined],
  ['STREAM.DELETE.S', undefined],
  ['STREAM.DELETE.S', undefined],
]

/** Of these only what they are about is compared. */
const OWN = new Set(['id', 'timestamp', 'start', 'rtt', 'host'])

describe('advisories beside a real nats-server', function () {
  this.timeout(30_000)
  let twins: ConfigTwins

  before(async () => {
    twins = await ConfigTwins.start(CONFIG)
  })
  after(() => twins?.stop())

  it('tell of each request who asked what, and of each change', async () => {
    const clients = await twins.clients('a')
    const [theirs, ours] = await Promise.all(clients.map(told))
    await clearStreams(clients)
    assert.deepEqual(ours, theirs)
    const kinds = new Set(ours?.map(([subject]) => subject))
    assert.ok(kinds.has('$JS.EVENT.ADVISORY.API') && kinds.size === 8, [...kinds].join(' '))
  })
})

/** The advisories in the order of their subjects: some overtake others in nats-server. */
async function told(client: NatsConnection): Promise<readonly [subject: string, body: unknown][]> {
  const advisories: [string, unknown][] = []
  client.subscribe('$JS.EVENT.ADVISORY.>', {
    callback: (_error, message) => void advisories.push([message.subject, facts(message.json())]),
  })
  await client.flush()
  for (const [subject, request] of REQUESTS) {
    await client.request(`$JS.API.${subject}`, request && JSON.stringify(request))
  }
  const last = (): boolean =>
    advisories.filter(([subject]) => subject === '$JS.EVENT.ADVISORY.API').length ===
    REQUESTS.length
  await eventually(last, 'an audit of each request')
  return advisories.toSorted(([a], [b]) => (a === b ? 0 : a < b ? -1 : 1))
}

function facts(advisory: Record<string, unknown>): unknown {
  const { response, client, ...rest } = advisory
  return normalized({
    ...own(rest),
    ...(client === undefined ? {} : { client: own(client as Record<string, unknown>) }),
    ...(response === undefined ? {} : { response: JSON.parse(String(response)) }),
  })
}

/** An id is there, and says nothing; a client's is the number of its connection. */
function own(values: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(values)
  return Object.fromEntries(entries.map(([key, value]) => [key, OWN.has(key) ? '…' : value]))
}
