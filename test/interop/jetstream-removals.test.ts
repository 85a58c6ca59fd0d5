/**
 * What consumers are given that have read ahead of a stream from which messages go meanwhile, and those that
 * begin again: the same as by a real nats-server.
 */
import assert from 'node:assert/strict'
import { createInbox, headers, type NatsConnection } from '@nats-io/transport-node'
import { ConfigTwins, clearStreams, type TwinClients } from '../support/config-twins.ts'
import { DEADLINE_MS } from '../support/patience.ts'

interface State {
  readonly messages: number
  readonly first_seq: number
  readonly last_seq: number
}

/** More than there ever is. */
const ALL = 20
const WAIT_NS = (DEADLINE_MS / 2) * 1e6

/** Acts at one of the two; returns what there is to be compared. */
type Act = (side: Side) => Promise<unknown>

class Side {
  readonly #client: NatsConnection

  constructor(client: NatsConnection) {
    this.#client = client
  }

  async api(subject: string, request: object | string = ''): Promise<Record<string, unknown>> {
    const text = typeof request === 'string' ? request : JSON.stringify(request)
    const timeout = DEADLINE_MS
    const answer = await this.#client.request(`$JS.API.${subject}`, text, { timeout })
    const body = answer.json<Record<string, unknown>>()
    assert.equal(body['error'], undefined, `${subject} ${JSON.stringify(body)}`)
    return body
  }

  async begin(config: object, consumer: object = {}): Promise<void> {
    await this.api('STREAM.CREATE.D', { name: 'D', subjects: ['s.>'], ...config })
    const full = { durable_name: 'c', ack_policy: 'explicit', ack_wait: 3_600e9, ...consumer }
    await this.api('CONSUMER.CREATE.D.c', { stream_name: 'D', config: full })
  }

  async publish(subjects: readonly string[], ttls: Readonly<Record<number, string>> = {}) {
    const sent = subjects.map((subject, i) => {
      const with_ = headers()
      if (ttls[i] !== undefined) with_.set('Nats-TTL', ttls[i])
      return this.#client.request(`s.${subject}`, 'x', { headers: with_, timeout: DEADLINE_MS })
    })
    await Promise.all(sent)
  }

  /** The sequences of the first so many. */
  first(batch = 1): Promise<readonly number[]> {
    return this.#pull({ batch, expires: WAIT_NS })
  }

  /**
   * The sequences of all that is there, which is something. nats-server tells a consumer of new messages beside its
   * answers to their publishers: one that only does not wait may be told that there are none. With a limit it is
   * served from the stream itself, and ends with the last message.
   */
  async all(): Promise<readonly number[]> {
    const seqs = await this.#pull({ batch: ALL, no_wait: true, expires: WAIT_NS })
    assert.notEqual(seqs.length, 0)
    return seqs
  }

  /** The sequences of what comes where nothing should be. */
  rest(): Promise<readonly number[]> {
    return this.#pull({ batch: ALL, no_wait: true })
  }

  async state(): Promise<State> {
    const { messages, first_seq, last_seq } = (await this.api('STREAM.INFO.D'))['state'] as State
    return { messages, first_seq, last_seq }
  }

  async left(messages: number): Promise<void> {
    const endMs = Date.now() + DEADLINE_MS
    while ((await this.state()).messages !== messages) {
      assert.ok(Date.now() < endMs, `${messages} messages are to be left`)
    }
  }

  async reset(): Promise<unknown> {
    return (await this.api('CONSUMER.RESET.D.c'))['reset_seq']
  }

  /** What comes, up to the status that ends it or so many. */
  async #pull(request: { readonly batch: number; [key: string]: unknown }) {
    const inbox = createInbox()
    const subscription = this.#client.subscribe(inbox)
    this.#client.publish('$JS.API.CONSUMER.MSG.NEXT.D.c', JSON.stringify(request), { reply: inbox })
    const seqs: number[] = []
    for await (const { headers: status, reply = '' } of subscription) {
      if (status?.code) break
      if (seqs.push(Number(reply.split('.')[5])) === request.batch) break
    }
    return seqs
  }
}

const SIX = ['a', 'b', 'c', 'd', 'e', 'f']
const LAST = { deliver_policy: 'last_per_subject', filter_subject: 's.>' }

const ACTS: Readonly<Record<string, Act>> = {
  'messages that expire': async (side) => {
    await side.begin({ allow_msg_ttl: true })
    await side.publish([...SIX, ...SIX], { 1: '1s', 9: '1s' })
    const first = await side.first()
    await side.left(10)
    return [first, await side.all()]
  },
  'the age limit': async (side) => {
    await side.begin({ max_age: 1e9 })
    await side.publish(SIX)
    await side.first()
    await side.left(0)
    return side.rest()
  },
  'newer values': async (side) => {
    await side.begin({ max_msgs_per_subject: 1 })
    await side.publish(SIX)
    const first = await side.first()
    await side.publish(['b', 'd', 'f'])
    return [first, await side.all()]
  },
  'a full stream': async (side) => {
    await side.begin({ max_msgs: 6 })
    await side.publish(SIX)
    const first = await side.first()
    await side.publish(['a', 'b', 'c'])
    return [first, await side.all()]
  },
  'a smaller limit': async (side) => {
    await side.begin({})
    await side.publish(SIX)
    const first = await side.first()
    await side.api('STREAM.UPDATE.D', { name: 'D', subjects: ['s.>'], max_msgs: 2 })
    return [first, await side.all()]
  },
  'a purge of some': async (side) => {
    await side.begin({})
    await side.publish(SIX)
    const first = await side.first()
    await side.api('STREAM.PURGE.D', { filter: 's.c' })
    await side.api('STREAM.PURGE.D', { filter: 's.*', keep: 2 })
    return [first, await side.all()]
  },
  'a list that is over, and begun again': async (side) => {
    await side.api('STREAM.CREATE.D', { name: 'D', subjects: ['s.>'] })
    for (const subject of ['a', 'b', 'x']) await side.publish([subject])
    await side.api('CONSUMER.CREATE.D.c', {
      stream_name: 'D',
      config: { durable_name: 'c', ack_policy: 'explicit', ack_wait: 3_600e9, ...LAST },
    })
    const first = await side.first(3)
    await side.publish(['b'])
    return [first, await side.reset(), await side.all()]
  },
  'a list of which nothing came, and begun again': async (side) => {
    await side.api('STREAM.CREATE.D', { name: 'D', subjects: ['s.>'] })
    for (const subject of ['a', 'b', 'a', 'c', 'c', 'b']) await side.publish([subject])
    await side.api('CONSUMER.CREATE.D.c', {
      stream_name: 'D',
      config: { durable_name: 'c', ack_policy: 'explicit', ack_wait: 3_600e9, ...LAST },
    })
    await side.publish(['a'])
    return [await side.reset(), await side.all()]
  },
  'interest that nobody has any more': async (side) => {
    await side.api('STREAM.CREATE.D', { name: 'D', subjects: ['s.>'] })
    await side.publish(SIX)
    const config = { name: 'D', subjects: ['s.>'], retention: 'interest' }
    await side.api('STREAM.UPDATE.D', config)
    return side.state()
  },
}

describe('removals beside a real nats-server', function () {
  this.timeout(2 * DEADLINE_MS)
  let twins: ConfigTwins
  let clients: TwinClients

  before(async () => {
    twins = await ConfigTwins.start()
    clients = await twins.clients('a')
  })
  after(() => twins?.stop())
  afterEach(() => clearStreams(clients))

  for (const [name, act] of Object.entries(ACTS)) {
    it(`leave consumers the same: ${name}`, async () => {
      const [theirs, ours] = await Promise.all(clients.map((client) => act(new Side(client))))
      assert.deepEqual(ours, theirs)
    })
  }
})
