import assert from 'node:assert/strict'
import { createInbox, headers, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { ConfigTwins, normalized, type TwinClients } from '../support/config-twins.ts'
import { type DrawnRequest, drawRequest } from './drawn-requests.ts'

/** Whatever stands in a request, a real nats-server and we say the same to it. */
const DRAWN = 400
const PATIENT = { timeout: 20_000 }
/** What is each server's own: times, whom it still waits for, which failures it counts. */
const OWN = new Set(['first_ts', 'time', 'pause_remaining', 'num_waiting', 'api'])

describe('drawn requests beside a real nats-server', function () {
  this.timeout(120_000)
  let twins: ConfigTwins
  let clients: TwinClients

  before(async () => {
    twins = await ConfigTwins.start()
    clients = await twins.clients('a')
    for (const client of clients) await fill(client)
  })
  after(() => twins?.stop())

  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  it(`are answered the same, ${DRAWN} of them: SEED=${seed}`, async () => {
    const random = new SeededRandom(seed)
    for (let i = 0; i < DRAWN; i++) {
      const request = drawRequest(random)
      const [theirs, ours] = await Promise.all(
        clients.map((client) => (request.isRaw ? raw(client, request) : ask(client, request))),
      )
      const title = `SEED=${seed} request ${i}: ${request.subject} ${request.body.slice(0, 500)}`
      assert.deepEqual(ours, theirs, title)
    }
  })
})

async function fill(client: NatsConnection): Promise<void> {
  const make = (subject: string, body: object) =>
    client.request(`$JS.API.${subject}`, JSON.stringify(body), PATIENT)
  await make('STREAM.CREATE.S', { name: 'S', subjects: ['a.*', 'b.*'], allow_direct: true })
  await make('STREAM.CREATE.P', { name: 'P', subjects: ['p.*'] })
  const block = headers()
  block.append('Kind', 'three')
  for (const [i, subject] of ['a.1', 'b.1', 'a.2', 'a.1', 'p.1', 'p.2', 'p.1'].entries()) {
    await client.request(subject, `m${i}`, { ...PATIENT, ...(i === 2 ? { headers: block } : {}) })
  }
  const consumer = (name: string, config: object = {}) =>
    make(`CONSUMER.CREATE.S.${name}`, {
      stream_name: 'S',
      config: { name, durable_name: name, ack_policy: 'explicit', ...config },
    })
  await consumer('c', { filter_subject: 'nobody.publishes' })
  // What it delivers is as before, whoever asked before.
  await consumer('all', { ack_policy: 'none' })
  const pinned = { priority_policy: 'pinned_client', priority_groups: ['g'] }
  await consumer('pinned', { filter_subject: 'nobody.publishes', ...pinned })
}

async function ask(client: NatsConnection, { subject, body }: DrawnRequest): Promise<unknown> {
  const { data } = await client.request(`$JS.API.${subject}`, body, PATIENT)
  const text = JSON.stringify(normalized(JSON.parse(Buffer.from(data).toString())), (key, item) =>
    OWN.has(key) ? undefined : item,
  )
  return JSON.parse(text)
}

/** Statuses and messages, up to what is asked behind them: nobody may answer at all. */
async function raw(client: NatsConnection, { subject, body }: DrawnRequest): Promise<unknown> {
  const inbox = createInbox()
  const answers: Msg[] = []
  const subscription = client.subscribe(inbox, {
    callback: (_error, message) => void answers.push(message),
  })
  client.publish(`$JS.API.${subject}`, body, { reply: inbox })
  for (let fences = 0; fences < 3; fences++) {
    await client.request('$JS.API.DIRECT.GET.S', '{"seq":1}', PATIENT)
    await client.request('$JS.API.CONSUMER.INFO.S.c', '', PATIENT)
  }
  subscription.unsubscribe()
  await client.flush()
  return answers.map(({ headers: block, data }) => [
    block?.code ?? 0,
    block?.description ?? '',
    [...(block ?? [])].filter(([name]) => name !== 'Nats-Time-Stamp'),
    Buffer.from(data).toString(),
  ])
}
