import assert from 'node:assert/strict'
import type { NatsConnection } from '@nats-io/transport-node'
import { ConfigTwins, clearStreams, normalized } from '../support/config-twins.ts'
import { eventually } from '../support/link-node.ts'

/** What is told of requests, streams and consumers, beside a real nats-server. */
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

const AUDIT = '$JS.EVENT.ADVISORY.API'

/** How many streams and consumers come and change meanwhile, and `c` goes. */
const CHANGES = 6

/** nats-server stops what sends these as soon as it has been told to: they may be lost there. */
const ENDS = new Set([
  '$JS.EVENT.ADVISORY.STREAM.DELETED.S',
  '$JS.EVENT.ADVISORY.CONSUMER.DELETED.S.d',
])

/** Of these only what they are about is compared. */
const OWN = new Set(['id', 'timestamp', 'start', 'rtt', 'host'])

describe('advisories beside a real nats-server', function () {
  this.timeout(60_000)
  let twins: ConfigTwins

  before(async () => {
    twins = await ConfigTwins.start()
  })
  after(() => twins?.stop())

  it('tell of each request who asked what, and of each change', async () => {
    const clients = await twins.clients('a')
    const [theirs = [], ours = []] = await Promise.all(clients.map(told))
    await clearStreams(clients)
    const isTold = ({ subject }: Advisory): boolean =>
      !ENDS.has(subject) || theirs.some((one) => one.subject === subject)
    assert.deepEqual(ours.filter(isTold).map(comparable).sort(), theirs.map(comparable).sort())
    const kinds = new Set(ours.map(({ subject }) => subject))
    assert.ok(kinds.has(AUDIT) && kinds.size === 8, [...kinds].join(' '))
    // Ours come in the order of what they are about; in nats-server some overtake others.
    const audits = ours.filter(({ subject }) => subject === AUDIT).map(({ body }) => body)
    const asked = audits.map((body) => (body as { subject: string }).subject)
    assert.deepEqual(
      asked,
      REQUESTS.map(([subject]) => `$JS.API.${subject}`),
    )
  })
})

describe('advisories of messages that go unacknowledged beside a real nats-server', function () {
  this.timeout(60_000)
  let twins: ConfigTwins

  before(async () => {
    twins = await ConfigTwins.start()
  })
  after(() => twins?.stop())

  it('tell of those that are deleted or that a limit takes, and not of a purge', async () => {
    const clients = await twins.clients('a')
    const [theirs = [], ours = []] = await Promise.all(clients.map(gone))
    await clearStreams(clients)
    assert.deepEqual(ours, theirs)
    assert.equal(ours.length, 2)
  })
})

/** What is told while of five delivered messages one is deleted, one is over a limit, and all others are purged. */
async function gone(client: NatsConnection): Promise<readonly unknown[]> {
  const found: unknown[] = []
  client.subscribe('$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>', {
    callback: (_error, message) => void found.push(facts(message.json())),
  })
  let isLastTold = false
  client.subscribe('$JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED.>', {
    callback: () => {
      isLastTold = true
    },
  })
  const api = (subject: string, body: object = {}) =>
    client.request(`$JS.API.${subject}`, JSON.stringify(body))
  await api('STREAM.CREATE.G', { name: 'G', subjects: ['g.*'], max_msgs: 5 })
  const config = { durable_name: 'c', ack_policy: 'explicit' }
  await api('CONSUMER.CREATE.G.c', { stream_name: 'G', config })
  for (let i = 0; i < 5; i++) await client.request(`g.${i}`)
  const delivered: string[] = []
  client.subscribe('got', { callback: (_error, { reply }) => void delivered.push(reply ?? '') })
  client.publish('$JS.API.CONSUMER.MSG.NEXT.G.c', '{"batch":6}', { reply: 'got' })
  await eventually(() => delivered.length === 5, 'five messages')
  await api('STREAM.MSG.DELETE.G', { seq: 2 })
  await eventually(() => found.length === 1, 'the deleted one is told')
  for (let i = 0; i < 2; i++) await client.request(`g.${i}`)
  await eventually(() => found.length === 2, 'the one over the limit is told')
  await eventually(() => delivered.length === 6, 'another message')
  await api('STREAM.PURGE.G')
  await client.request('g.1')
  client.publish('$JS.API.CONSUMER.MSG.NEXT.G.c', '{"batch":2}', { reply: 'got' })
  await eventually(() => delivered.length >= 7, 'a message behind the purge')
  client.publish(delivered.at(-1) ?? '', '-NAK')
  await eventually(() => isLastTold, 'what comes after the purge')
  return found
}

interface Advisory {
  readonly subject: string
  readonly body: unknown
}

/** All advisories of the requests; whatever comes of them beside comes before those of a last stream. */
async function told(client: NatsConnection): Promise<readonly Advisory[]> {
  const advisories: Advisory[] = []
  client.subscribe('$JS.EVENT.ADVISORY.>', {
    callback: (_error, message) => {
      advisories.push({ subject: message.subject, body: facts(message.json()) })
    },
  })
  await client.flush()
  for (const [subject, request] of REQUESTS) {
    await client.request(`$JS.API.${subject}`, request && JSON.stringify(request))
  }
  const ofRequests = (): readonly Advisory[] => advisories.filter((one) => !isLast(one))
  const isAllTold = (): boolean =>
    ofRequests().filter(({ subject }) => !ENDS.has(subject)).length >= REQUESTS.length + CHANGES
  await eventually(isAllTold, 'an audit of each request, and each change')
  await client.request('$JS.API.STREAM.CREATE.LAST', '{"name":"LAST"}')
  await eventually(() => advisories.filter(isLast).length === 2, 'the advisories of a last stream')
  return ofRequests()
}

function isLast({ subject, body }: Advisory): boolean {
  return (
    subject.endsWith('.LAST') || (body as { subject?: string }).subject?.endsWith('.LAST') === true
  )
}

const comparable = (advisory: Advisory): string => JSON.stringify(advisory, inOneOrder)

/** Fields in one order, for JSON that is compared as a text. */
function inOneOrder(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
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
