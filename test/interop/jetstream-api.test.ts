import assert from 'node:assert/strict'
import { createInbox, headers, type Msg, type NatsConnection } from '@nats-io/transport-node'
import {
  askTwins,
  ConfigTwins,
  clearStreams,
  normalized,
  type TwinClients,
} from '../support/config-twins.ts'
import { eventually } from '../support/link-node.ts'
import { DEADLINE_MS } from '../support/patience.ts'
import { API_CASES, DIRECT_CASES, PURGES, type Step } from './api-cases.ts'

/** Requests about what streams hold, beside a real nats-server: the answers are the same. */
/** How large a record is, and when, is each server's own. */
const OWN = new Set(['first_ts', 'time'])

describe('requests beside a real nats-server', function () {
  this.timeout(60_000)
  let twins: ConfigTwins
  let clients: TwinClients

  before(async () => {
    twins = await ConfigTwins.start()
    clients = await twins.clients('a')
  })
  after(() => twins?.stop())
  afterEach(() => clearStreams(clients))

  for (const [title, steps] of API_CASES) {
    it(title, async () => {
      for (const step of steps) await carryOut(step)
    })
  }

  for (const purge of PURGES) {
    it(`purges ${JSON.stringify(purge)}`, async () => {
      await both(fill)
      await carryOut({ ask: 'STREAM.PURGE.S', body: purge })
      await carryOut({
        ask: 'STREAM.INFO.S',
        body: { deleted_details: true, subjects_filter: '>' },
      })
      await carryOut({ publish: 'a.1' })
    })
  }

  for (const [subject, request] of DIRECT_CASES) {
    const text = typeof request === 'string' ? request : JSON.stringify(request)
    it(`DIRECT.GET.${subject} ${text}`, async () => {
      await both(fill)
      const [theirs, ours] = await both((client) => direct(client, subject, text))
      assert.deepEqual(ours, theirs)
      assert.ok((ours?.length ?? 0) > 0)
    })
  }

  it('gets messages directly as of a time', async () => {
    await both(fill)
    const [theirs, ours] = await both(async (client) => {
      const third = await client.request('$JS.API.STREAM.MSG.GET.S', '{"seq":3}')
      const { time } = third.json<{ message: { time: string } }>().message
      const requests = [
        { start_time: time },
        { start_time: time, batch: 2 },
        { start_time: time, next_by_subj: 'b.*', batch: 9 },
        { start_time: '2100-01-01T00:00:00Z' },
        { start_time: '2100-01-01T00:00:00Z', batch: 2 },
        { multi_last: ['a.*'], up_to_time: time },
        { multi_last: ['a.*'], up_to_time: '2000-01-01T00:00:00Z' },
        { multi_last: ['a.*'], up_to_time: '2100-01-01T00:00:00Z' },
        { seq: 1, start_time: time },
        { multi_last: ['a.*'], up_to_time: time, up_to_seq: 2 },
      ]
      const answers: unknown[] = []
      for (const request of requests)
        answers.push(await direct(client, 'S', JSON.stringify(request)))
      return answers
    })
    assert.deepEqual(ours, theirs)
  })

  it('knows of what was published without waiting for an answer', async () => {
    const [, ours] = clients
    await ours.request('$JS.API.STREAM.CREATE.S', '{"name":"S"}')
    for (let i = 1; i < 20; i++) {
      ours.publish('S', 'x')
      const info = await ours.request('$JS.API.STREAM.INFO.S')
      assert.equal(info.json<{ state: { messages: number } }>().state.messages, 2 * i - 1)
      ours.publish('S', 'x')
      const got = await ours.request('$JS.API.STREAM.MSG.GET.S', JSON.stringify({ seq: 2 * i }))
      assert.equal(got.json<{ message: { seq: number } }>().message.seq, 2 * i)
    }
    ours.publish('S', 'x')
    const purged = await ours.request('$JS.API.STREAM.PURGE.S')
    assert.equal(purged.json<{ purged: number }>().purged, 39)
  })

  it('refuses to look for more subjects than it sends', async () => {
    const [theirs, ours] = await both(async (client) => {
      await client.request(
        '$JS.API.STREAM.CREATE.S',
        '{"name":"S","subjects":["s.>"],"allow_direct":true}',
      )
      for (let i = 0; i < 1024; i++) client.publish(`s.${i}`)
      await client.request('s.0')
      const within = await direct(client, 'S', '{"multi_last":["s.>"]}')
      await client.request('s.1024')
      return [within.length, await direct(client, 'S', '{"multi_last":["s.>"]}')]
    })
    assert.deepEqual(ours, theirs)
    assert.equal(ours?.[0], 1025)
  })

  async function carryOut(step: Step): Promise<void> {
    if ('publish' in step) {
      const [theirs, ours] = await both(async (client) =>
        (await client.request(step.publish, step.payload, withHeaders(step.headers))).json(),
      )
      assert.deepEqual(ours, theirs, `publish ${step.publish}`)
      return
    }
    const { ours, theirs } = await askTwins(clients, step.ask, step.body ?? '')
    assert.deepEqual(own(ours), own(theirs), `${step.ask} ${JSON.stringify(step.body)}`)
  }

  function both<T>(work: (client: NatsConnection) => Promise<T>): Promise<T[]> {
    return Promise.all(clients.map(work))
  }
})

async function fill(client: NatsConnection): Promise<void> {
  const config = { name: 'S', subjects: ['a.*', 'b.*'], allow_direct: true }
  await client.request('$JS.API.STREAM.CREATE.S', JSON.stringify(config))
  const subjects = ['a.1', 'b.1', 'a.2', 'a.1', 'b.2', 'a.3', 'a.1', 'b.1']
  for (const [i, subject] of subjects.entries()) {
    await nextMs(client)
    await client.request(subject, `m${i + 1}`, withHeaders(i === 3 ? { Kind: 'four' } : undefined))
  }
  await client.request('$JS.API.STREAM.MSG.DELETE.S', '{"seq":5}')
}

/** Waits until the server's clock shows another millisecond than that of the last message. */
async function nextMs(client: NatsConnection): Promise<void> {
  for (;;) {
    const info = await client.request('$JS.API.STREAM.INFO.S')
    const { ts, state } = info.json<{ ts: string; state: { last_ts: string } }>()
    if (Date.parse(ts) > Date.parse(state.last_ts)) return
  }
}

function withHeaders(fields: Readonly<Record<string, string>> | undefined) {
  if (fields === undefined) return { timeout: DEADLINE_MS }
  const block = headers()
  for (const [name, value] of Object.entries(fields)) block.append(name, value)
  return { timeout: DEADLINE_MS, headers: block }
}

/** All that comes of one request, until a status ends it or one message was asked for. */
async function direct(client: NatsConnection, subject: string, request: string) {
  const inbox = createInbox()
  const answers: Msg[] = []
  const subscription = client.subscribe(inbox, {
    callback: (_error, message) => void answers.push(message),
  })
  const isMany = /batch|multi_last/.test(request)
  client.publish(`$JS.API.DIRECT.GET.${subject}`, request, { reply: inbox })
  const isEnded = (): boolean => {
    const last = answers.at(-1)
    return last !== undefined && (!isMany || (last.headers?.code ?? 0) > 0)
  }
  await eventually(isEnded, `an answer to ${request}`)
  subscription.unsubscribe()
  return answers.map(({ headers: block, data }) => [
    block?.code ?? 0,
    block?.description ?? '',
    [...(block ?? [])].filter(([name]) => name !== 'Nats-Time-Stamp'),
    Buffer.from(data).toString(),
  ])
}

function own(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(normalized(value), (key, item: unknown) => (OWN.has(key) ? undefined : item)),
  )
}
