import assert from 'node:assert/strict'
import { gunzipSync } from 'node:zlib'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import { type AccountServer, natsServer, petioleHub } from '../support/account-servers.ts'
import { eventually } from '../support/link-node.ts'

/** Message traces beside nats-server's, without what differs by nature: the server, times and ids. */
const CONFIG = `
server_name: test
accounts {
  A {
    users: [
      { user: a, password: a }
      { user: strict, password: strict, permissions: {
        publish: { deny: ["secret", "no.trace"] }, subscribe: { deny: ["work.denied"] }
      } }
    ]
    exports: [
      { stream: "open.>" }
      { stream: "closed.>" }
      { service: "ask.open", allow_trace: true }
      { service: "ask.closed" }
    ]
    mappings: { "old": "work.new" }
    msg_trace: { dest: "traces.external" }
  }
  B {
    users: [{ user: b, password: b }]
    imports: [
      { stream: { account: A, subject: "open.>" }, to: "here.>", allow_trace: true }
      { stream: { account: A, subject: "closed.>" } }
      { service: { account: A, subject: "ask.open" }, to: "please" }
      { service: { account: A, subject: "ask.closed" } }
    ]
  }
}`

type Event = Record<string, unknown>

interface Scene {
  readonly a: NatsConnection
  readonly b: NatsConnection
  readonly strict: NatsConnection
  readonly silent: NatsConnection
  readonly got: string[]
  flush(): Promise<void>
  hear(client: NatsConnection, subject: string, queue?: string): void
  publish(client: NatsConnection, subject: string, fields: Record<string, string>): void
}

const SCENES: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  'tells who was given it': async ({ a, b, silent, strict, hear, flush, publish }) => {
    hear(a, 'work.1')
    hear(a, 'work.*', 'group')
    hear(b, 'work.1')
    hear(silent, 'work.>')
    hear(strict, 'work.>')
    await flush()
    publish(a, 'work.1', { 'Nats-Trace-Dest': 'traces' })
    publish(silent, 'work.1', { 'Nats-Trace-Dest': 'traces', Other: 'x' })
    publish(a, 'work.denied', { 'Nats-Trace-Dest': 'traces' })
    publish(a, 'nobody', { 'Nats-Trace-Dest': 'traces' })
  },
  'gives it to nobody when only the trace is wanted': async ({ a, hear, flush, publish }) => {
    hear(a, 'work.1')
    hear(a, 'work.*', 'group')
    await flush()
    for (const only of ['true', '1', 'ON', 'false', 'no'])
      publish(a, 'work.1', { 'Nats-Trace-Dest': 'traces', 'Nats-Trace-Only': only })
  },
  'follows mappings': async ({ a, hear, flush, publish }) => {
    hear(a, 'work.new')
    await flush()
    publish(a, 'old', { 'Nats-Trace-Dest': 'traces' })
  },
  'follows into other accounts as far as they allow': async ({ a, b, hear, flush, publish }) => {
    hear(a, 'open.*')
    hear(b, 'here.*')
    hear(b, 'closed.*')
    hear(a, 'ask.*')
    await flush()
    for (const only of ['false', 'true']) {
      const fields = { 'Nats-Trace-Dest': 'traces', 'Nats-Trace-Only': only }
      publish(a, 'open.1', fields)
      publish(a, 'closed.1', fields)
      publish(b, 'please', fields)
      publish(b, 'ask.closed', fields)
    }
  },
  'follows traceparent where the account says so': async ({ a, b, hear, flush, publish }) => {
    hear(a, 'work.1')
    hear(b, 'work.1')
    await flush()
    const parent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7'
    publish(a, 'work.1', { TraceParent: `${parent}-01` })
    publish(a, 'work.1', { traceparent: `${parent}-00` })
    publish(b, 'work.1', { traceparent: `${parent}-01` })
  },
  'is refused where publishing is': async ({ a, strict, hear, flush, publish }) => {
    hear(a, 'work.1')
    await flush()
    publish(strict, 'work.1', { 'Nats-Trace-Dest': 'no.trace' })
    publish(strict, 'secret', { 'Nats-Trace-Dest': 'traces' })
    publish(a, 'work.1', { 'Nats-Trace-Dest': 'not.*' })
    publish(a, 'work.1', { 'Nats-Trace-Dest': 'trace disabled' })
    publish(a, 'work.1', { 'Nats-Trace-Dest': 'traces', 'Nats-Trace-Origin-Account': 'x' })
  },
  'comes compressed': async ({ a, flush, publish }) => {
    await flush()
    publish(a, 'work.1', { 'Nats-Trace-Dest': 'traces', 'Accept-Encoding': 'gzip' })
    publish(a, 'work.1', { 'Nats-Trace-Dest': 'traces', 'Accept-Encoding': 'unknown' })
  },
}

async function play(
  server: AccountServer,
  act: (scene: Scene) => Promise<void>,
): Promise<{ got: string[]; traces: Event[] }> {
  const [a, b, strict, silent] = await Promise.all([
    server.client('a'),
    server.client('b'),
    server.client('strict'),
    server.client('a', { noEcho: true }),
  ])
  const clients = [a, b, strict, silent]
  const flush = async (): Promise<void> => {
    for (let round = 0; round < 3; round++) for (const client of clients) await client.flush()
  }
  const got: string[] = []
  const traces: Event[] = []
  let published = 0
  let ended = 0
  for (const [client, account] of [
    [a, 'A'],
    [b, 'B'],
  ] as const) {
    client.subscribe('traces.>', { callback: (_error, { data }) => void traces.push(plain(data)) })
    client.subscribe('traces', {
      callback: (_error, { data, headers: fields }) => {
        const encoding = fields?.get('Content-Encoding') ?? ''
        const text = encoding === 'gzip' ? gunzipSync(data) : data
        traces.push({ account, encoding, ...plain(text) })
      },
    })
    client.subscribe('end', { callback: () => void ended++ })
  }
  await act({
    a,
    b,
    strict,
    silent,
    got,
    flush,
    hear: (client, subject, queue) => {
      client.subscribe(subject, {
        ...(queue === undefined ? {} : { queue }),
        callback: (_error, message) => void got.push(`${subject} ${message.subject}`),
      })
    },
    publish: (client, subject, fields) => {
      const set = headers()
      for (const [name, value] of Object.entries(fields)) set.set(name, value)
      client.publish(subject, `${published++}`, { headers: set })
    },
  })
  await flush()
  // A trace is published after the message; one more traced message in each account ends the play.
  const last = headers()
  last.set('Nats-Trace-Dest', 'end')
  for (const client of [strict, silent, a, b]) {
    client.publish('end.of.play', '', { headers: last })
    await client.flush()
  }
  await eventually(() => ended === 4, `the end of ${server.name}'s play`)
  for (const client of clients) await client.close()
  return { got: got.toSorted(), traces }
}

function plain(data: Uint8Array): Event {
  const event: Event = JSON.parse(Buffer.from(data).toString())
  delete event['server']
  const events = (event['events'] as Event[]).map(({ ts: _ts, cid: _cid, ...rest }) => rest)
  const [first, ...others] = events
  return { ...event, events: [first, ...others.toSorted(byText)] }
}

function byText(left: unknown, right: unknown): number {
  return JSON.stringify(left) < JSON.stringify(right) ? -1 : 1
}

describe('message traces, beside nats-server', () => {
  let servers: AccountServer[] = []
  before(async () => {
    servers = [await natsServer(CONFIG), await petioleHub(CONFIG)]
  })
  after(async () => {
    for (const server of servers) await server.stop()
  })

  for (const [name, act] of Object.entries(SCENES)) {
    it(name, async () => {
      const plays = []
      for (const server of servers) plays.push(await play(server, act))
      const [theirs, ours] = plays
      assert.deepEqual(ours?.traces.toSorted(byText), theirs?.traces.toSorted(byText))
      assert.deepEqual(ours?.got, theirs?.got)
    })
  }
})
