import assert from 'node:assert/strict'
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'
import { type AccountServer, natsServer, petioleHub } from '../support/account-servers.ts'
import { eventually } from '../support/link-node.ts'
import { DEADLINE_MS } from '../support/patience.ts'

/** Streams of one account used from another, and measured services: beside nats-server. */
const CONFIG = `
server_name: test
jetstream { store_dir: "%DIR%/js" }
accounts {
  A {
    jetstream: enabled
    users: [{ user: a, password: a }]
    exports: [
      { service: "$JS.API.>", response: stream }
      { service: "$JS.ACK.>" }
      { service: "events.>" }
      { service: "timed", latency: { sampling: 100%, subject: "latency" } }
      { service: "asked", latency: { sampling: headers, subject: "latency" } }
    ]
  }
  B {
    users: [{ user: b, password: b }]
    imports: [
      { service: { account: A, subject: "$JS.API.>" }, to: "JSA.API.>" }
      { service: { account: A, subject: "$JS.ACK.>" } }
      { service: { account: A, subject: "events.>" } }
      { service: { account: A, subject: "timed" } }
      { service: { account: A, subject: "asked" }, share: true }
    ]
  }
}`

async function useStream(server: AccountServer): Promise<string[]> {
  const lines: string[] = []
  const b = await server.client('b')
  const manager = await jetstreamManager(b, { apiPrefix: 'JSA.API' })
  const made = await manager.streams.add({ name: 'EVENTS', subjects: ['events.>'] })
  lines.push(`${made.config.name} ${made.config.subjects}`)
  const js = jetstream(b, { apiPrefix: 'JSA.API' })
  for (let i = 0; i < 5; i++) {
    const { stream, seq } = await js.publish(`events.${i}`, `${i}`)
    lines.push(`${stream} ${seq}`)
  }
  const pull = { durable_name: 'pull', ack_policy: AckPolicy.Explicit }
  await manager.consumers.add('EVENTS', pull)
  const consumer = await js.consumers.get('EVENTS', 'pull')
  for await (const message of await consumer.fetch({ max_messages: 3, expires: DEADLINE_MS })) {
    lines.push(`${message.subject} ${message.seq} ${message.string()}`)
    lines.push(`acked ${await message.ackAck({ timeout: DEADLINE_MS })}`)
  }
  const { num_ack_pending, ack_floor } = await manager.consumers.info('EVENTS', 'pull')
  lines.push(`pending ${num_ack_pending} floor ${ack_floor.stream_seq}`)

  const { state } = await manager.streams.info('EVENTS')
  lines.push(`${state.messages} messages`)
  return lines
}

async function measure(server: AccountServer): Promise<unknown[]> {
  const a = await server.client('a')
  const b = await server.client('b')
  const events: Record<string, unknown>[] = []
  a.subscribe('latency', { callback: (_error, message) => void events.push(message.json()) })
  for (const subject of ['timed', 'asked'])
    a.subscribe(subject, { callback: (_error, message) => void message.respond('yes') })
  await a.flush()
  const fields = headers()
  fields.set('traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01')
  await b.request('timed')
  await b.request('asked')
  await b.request('asked', '', { timeout: DEADLINE_MS, headers: fields })
  b.publish('timed')
  await eventually(() => events.length === 3, 'measurements')
  return events.map((event) => summary(event)).toSorted((left, right) => (left < right ? -1 : 1))
}

/** What is there, and of what kind; times differ. */
function summary(value: unknown, name = ''): string {
  if (Array.isArray(value)) return `[${value.map((it) => summary(it)).join()}]`
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).map(([key, it]) => `${key}:${summary(it, key)}`)
    return `{${fields.join()}}`
  }
  const isShown = ['type', 'status', 'description', 'acc', 'user', 'name'].includes(name)
  return isShown ? String(value) : typeof value
}

describe('accounts that use each other', () => {
  let theirs: AccountServer
  let ours: AccountServer
  before(async () => {
    theirs = await natsServer(CONFIG)
    ours = await petioleHub(CONFIG)
  })
  after(async () => {
    await theirs?.stop()
    await ours?.stop()
  })

  it('streams and consumers work from another account as they do in nats-server', async () => {
    const expected = await useStream(theirs)
    assert.ok(expected.length > 12, expected.join('\n'))
    assert.deepEqual(await useStream(ours), expected)
  })

  it('measurements of services say what those of nats-server say', async () => {
    assert.deepEqual(await measure(ours), await measure(theirs))
  })
})
