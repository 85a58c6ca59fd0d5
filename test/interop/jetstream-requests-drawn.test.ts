import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import {
  createInbox,
  headers,
  type Msg,
  type NatsConnection,
  type Subscription,
} from '@nats-io/transport-node'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { ConfigTwins, normalized, type TwinClients } from '../support/config-twins.ts'
import { DEADLINE_MS } from '../support/patience.ts'
import { type DrawnRequest, drawRequest } from './drawn-requests.ts'

/** Whatever stands in a request, a real nats-server and we say the same to it. */
const DRAWN = 400
const PATIENT = { timeout: DEADLINE_MS }
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
      const [theirs, ours] = request.isRaw
        ? await raw(clients, request)
        : await Promise.all(clients.map((client) => ask(client, request)))
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

/**
 * Statuses and messages: any number of them, and maybe none. nats-server answers requests side by side, so what
 * is asked behind one tells nothing of it: a while is waited for whatever comes, and as long as they differ for more.
 */
async function raw(clients: TwinClients, { subject, body }: DrawnRequest): Promise<unknown[]> {
  const listeners = clients.map((client) => new Listener(client))
  for (const listener of listeners) listener.publish(`$JS.API.${subject}`, body)
  const deadline = Date.now() + DEADLINE_MS
  let shown: unknown[] = []
  for (let rounds = 0; rounds < ROUNDS_MIN || !areAlike(shown); rounds++) {
    if (Date.now() > deadline) break
    await Promise.all(clients.map(pass))
    shown = listeners.map((listener) => listener.shown)
  }
  for (const listener of listeners) listener.close()
  return shown
}

const ROUNDS_MIN = 3

const areAlike = ([one, other]: readonly unknown[]): boolean => isDeepStrictEqual(one, other)

/** Some requests of other kinds come and go. */
async function pass(client: NatsConnection): Promise<void> {
  await client.request('$JS.API.DIRECT.GET.S', '{"seq":1}', PATIENT)
  await client.request('$JS.API.CONSUMER.INFO.S.c', '', PATIENT)
}

class Listener {
  readonly #client: NatsConnection
  readonly #inbox = createInbox()
  readonly #answers: Msg[] = []
  readonly #subscription: Subscription

  constructor(client: NatsConnection) {
    this.#client = client
    this.#subscription = client.subscribe(this.#inbox, {
      callback: (_error, message) => void this.#answers.push(message),
    })
  }

  publish(subject: string, body: string): void {
    this.#client.publish(subject, body, { reply: this.#inbox })
  }

  close(): void {
    this.#subscription.unsubscribe()
  }

  get shown(): unknown {
    return this.#answers.map(({ headers: block, data }) => [
      block?.code ?? 0,
      block?.description ?? '',
      [...(block ?? [])].filter(([name]) => name !== 'Nats-Time-Stamp'),
      Buffer.from(data).toString(),
    ])
  }
}
