import assert from 'node:assert/strict'
import { createInbox, headers, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { ConfigTwins, type TwinClients } from '../support/config-twins.ts'
import { eventually } from '../support/link-node.ts'

/** Streams of one account used from another by imports, beside a real nats-server. */
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
      { service: "$JS.FC.>" }
      { service: "many.>", response: stream }
      { service: "one.>" }
      { stream: "deliver.>" }
      { stream: "copies.>" }
    ]
  }
  B {
    jetstream: enabled
    users: [{ user: b, password: b }]
    imports: [
      { service: { account: A, subject: "$JS.API.>" }, to: "JSA.API.>" }
      { service: { account: A, subject: "$JS.ACK.>" }, to: "JSA.ACK.>" }
      { service: { account: A, subject: "$JS.FC.>" } }
      { service: { account: A, subject: "many.>" } }
      { service: { account: A, subject: "one.>" } }
      { stream: { account: A, subject: "deliver.>" }, to: "fromA.deliver.>" }
      { stream: { account: A, subject: "copies.>" } }
    ]
  }
}
`
const PATIENT = { timeout: 20_000 }
const IMPORTED = 'JSA.API'
const FEATURES = { allow_atomic: true, allow_batched: true, allow_direct: true }

describe('streams of another account beside a real nats-server', function () {
  this.timeout(60_000)
  let twins: ConfigTwins
  let clients: TwinClients

  before(async () => {
    twins = await ConfigTwins.start(CONFIG)
    clients = await twins.clients('b')
    await both(async (client) => {
      const config = { name: 'S', subjects: ['many.>', 'one.>'], ...FEATURES }
      await make(client, IMPORTED, 'STREAM.CREATE.S', config)
      for (const subject of ['many.1', 'one.1']) await client.request(subject, 'x', PATIENT)
    })
  })
  after(() => twins?.stop())

  for (const service of ['many', 'one']) {
    it(`an atomic batch goes through a service with ${service} response`, async () => {
      const answers = await same(async (client) => {
        const all: string[] = []
        for (let seq = 1; seq <= 3; seq++) {
          const block = headers()
          block.append('Nats-Batch-Id', `atomic-${service}`)
          block.append('Nats-Batch-Sequence', String(seq))
          if (seq === 3) block.append('Nats-Batch-Commit', '1')
          const options = { ...PATIENT, headers: block }
          all.push((await client.request(`${service}.atomic`, 'x', options)).string())
        }
        return all
      })
      assert.match(answers.at(-1) ?? '', /"count":3/)
    })

    it(`a fast batch goes through a service with ${service} response`, async () => {
      const answers = await same(async (client) => {
        const inbox = createInbox()
        const got = listen(client, `${inbox}.>`)
        for (const [i, operation] of [0, 1, 1, 2].entries()) {
          const reply = `${inbox}.fast-${service}.10.ok.${i + 1}.${operation}.$FI`
          client.publish(`${service}.fast`, 'x', { reply })
        }
        await eventually(() => got.some((it) => it.string().includes('count')), 'the end')
        return got.map((it) => [it.subject.slice(inbox.length), it.string()])
      })
      assert.equal(answers.length, 2)
      assert.match(String(answers[1]?.[1]), /"count":4/)
    })
  }

  it('messages are read directly, one and many', async () => {
    const seqs = await same(async (client) => {
      const inbox = createInbox()
      const got = listen(client, inbox)
      client.publish(`${IMPORTED}.DIRECT.GET.S`, '{"seq":1,"batch":3}', { reply: inbox })
      await eventually(() => got.length === 4, 'three messages and their end')
      const one = await client.request(`${IMPORTED}.DIRECT.GET.S`, '{"seq":2}', PATIENT)
      return [...got, one].map(({ headers: block }) => [block?.code, block?.get('Nats-Sequence')])
    })
    assert.equal(seqs.length, 5)
  })

  it('messages are pulled and acknowledged, and a pull ends with its status', async () => {
    await same(async (client) => {
      await makeConsumer(client, 'pull', { durable_name: 'pull', ack_policy: 'explicit' })
      const inbox = createInbox()
      const got = listen(client, inbox)
      const subject = `${IMPORTED}.CONSUMER.MSG.NEXT.S.pull`
      client.publish(subject, '{"batch":2,"expires":20000000000}', { reply: inbox })
      await eventually(() => got.length === 2, 'two messages')
      const replies = got.splice(0).map(({ reply = '' }) => reply)
      for (const reply of replies) {
        await client.request(reply.replace('$JS.ACK', 'JSA.ACK'), '', PATIENT)
      }
      client.publish(subject, '{"batch":1000,"no_wait":true}', { reply: inbox })
      await eventually(() => got.some((it) => it.headers?.code === 404), 'its end')
      const info = await client.request(`${IMPORTED}.CONSUMER.INFO.S.pull`, '', PATIENT)
      const { ack_floor } = info.json<{ ack_floor: { stream_seq: number } }>()
      const forms = replies.map((reply) => reply.split('.').slice(0, -2))
      return [forms, ack_floor.stream_seq, got.length]
    })
  })

  it('messages are pushed to a subject that is exported', async () => {
    await same(async (client) => {
      // nats-server pushes where somebody listens to just that subject.
      const got = listen(client, 'fromA.deliver.push')
      await client.flush()
      const config = { deliver_subject: 'deliver.push', ack_policy: 'explicit' }
      await makeConsumer(client, 'push', { ...config, filter_subject: 'many.1' })
      await eventually(() => got.length === 1, 'the message')
      return got.map((it) => it.subject)
    })
  })

  for (const kind of ['mirror', 'sources']) {
    it(`messages are copied by a ${kind} with an external API`, async () => {
      await same(async (client) => {
        const origin = { name: 'S', external: { api: IMPORTED, deliver: 'copies' } }
        const name = `COPY-${kind}`
        const feed = kind === 'mirror' ? { mirror: origin } : { sources: [origin] }
        await make(client, '$JS.API', `STREAM.CREATE.${name}`, { name, ...feed })
        const wanted = await messagesOf(client, `${IMPORTED}.STREAM.INFO.S`)
        const end = performance.now() + 20_000
        while ((await messagesOf(client, `$JS.API.STREAM.INFO.${name}`)) < wanted) {
          assert.ok(performance.now() < end, 'all are copied')
        }
        return wanted
      })
    })
  }

  it('an external API that is the own one is refused', async () => {
    await same(async (client) => {
      const external = { api: '$JS.API', deliver: 'copies' }
      const config = { name: 'X', mirror: { name: 'S', external } }
      const answer = await client.request('$JS.API.STREAM.CREATE.X', JSON.stringify(config))
      return answer.json()
    })
  })

  function both<T>(work: (client: NatsConnection) => Promise<T>): Promise<T[]> {
    return Promise.all(clients.map(work))
  }

  async function same<T>(work: (client: NatsConnection) => Promise<T>): Promise<T> {
    const [theirs, ours] = await both(work)
    assert.deepEqual(ours, theirs)
    return ours as T
  }
})

function listen(client: NatsConnection, subject: string): Msg[] {
  const got: Msg[] = []
  client.subscribe(subject, { callback: (_error, message) => void got.push(message) })
  return got
}

async function make(client: NatsConnection, api: string, subject: string, body: object) {
  const answer = await client.request(`${api}.${subject}`, JSON.stringify(body), PATIENT)
  assert.ok(!answer.string().includes('"error"'), answer.string())
}

function makeConsumer(client: NatsConnection, name: string, config: object): Promise<void> {
  const body = { stream_name: 'S', config: { name, ...config } }
  return make(client, IMPORTED, `CONSUMER.CREATE.S.${name}`, body)
}

async function messagesOf(client: NatsConnection, subject: string): Promise<number> {
  const info = await client.request(subject, '', PATIENT)
  return info.json<{ state: { messages: number } }>().state.messages
}
