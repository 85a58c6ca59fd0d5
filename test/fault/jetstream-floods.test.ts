import assert from 'node:assert/strict'
import { createInbox, type NatsConnection } from '@nats-io/transport-node'
import { RESTORES_MAX, SNAPSHOTS_MAX } from '../../shared/stream/limits.ts'
import { type AccountServer, petioleHub } from '../support/account-servers.ts'
import { eventually } from '../support/link-node.ts'

/** One account asks for more of everything than there may be: it is told so, and others are served. */
const CONFIG = `
server_name: test
jetstream { store_dir: "%DIR%/js", request_queue_limit: 100, info_queue_limit: 50 }
accounts {
  A { jetstream: enabled, users: [{ user: a, password: a }] }
  B { jetstream: enabled, users: [{ user: b, password: b }] }
}
`
const PATIENT = { timeout: 30_000 }

describe('floods of requests to JetStream', function () {
  this.timeout(120_000)
  let server: AccountServer
  let flooding: NatsConnection
  let other: NatsConnection

  before(async () => {
    server = await petioleHub(CONFIG)
    flooding = await server.client('a')
    other = await server.client('b')
    for (const client of [flooding, other]) {
      const config = { name: 'S', subjects: ['s'], allow_direct: true }
      await ask(client, 'STREAM.CREATE.S', config)
      for (let i = 0; i < 20; i++) await client.request('s', 'x'.repeat(1_000), PATIENT)
    }
  })
  after(() => server?.stop())

  it('of questions: each is answered, with what was asked or that there are too many', async () => {
    const answers = await flood(5_000, () => ['$JS.API.CONSUMER.LIST.S', '{"offset":0}'])
    const refused = answers.filter((text) => text.includes('10167')).length
    assert.ok(refused < answers.length, 'some are served')
    assert.equal(answers.filter((text) => text.includes('"consumers":[]')).length, answers.length)
  })

  it('of changes: what is beyond the queue is refused, the rest is done', async () => {
    const answers = await flood(3_000, (i) => {
      const config = { name: `c${i}`, durable_name: `c${i}`, ack_policy: 'none' }
      return [`$JS.API.CONSUMER.CREATE.S.c${i}`, JSON.stringify({ stream_name: 'S', config })]
    })
    const refused = answers.filter((text) => text.includes('10167')).length
    const { total } = await ask(flooding, 'CONSUMER.NAMES.S', {})
    assert.equal(total, answers.length - refused)
    for (let i = 0; i < 3_000; i++) flooding.publish(`$JS.API.CONSUMER.DELETE.S.c${i}`)
    await flooding.flush()
  })

  it('of direct gets: each gets its messages and its end', async () => {
    const inbox = createInbox()
    let [messages, ends] = [0, 0]
    const subscription = flooding.subscribe(`${inbox}.*`, {
      callback: (_error, { headers }) => {
        if (headers?.code === 204) ends++
        else messages++
      },
    })
    for (let i = 0; i < 2_000; i++) {
      flooding.publish('$JS.API.DIRECT.GET.S', '{"seq":1,"batch":20}', { reply: `${inbox}.${i}` })
    }
    await serveOther()
    await eventually(() => ends === 2_000, 'the end of each', 60_000)
    assert.equal(messages, 40_000)
    subscription.unsubscribe()
  })

  it('of pulls: so many wait, the others are told', async () => {
    const config = { name: 'p', durable_name: 'p', ack_policy: 'explicit', max_waiting: 10 }
    const filtered = { ...config, deliver_policy: 'new' }
    await ask(flooding, 'CONSUMER.CREATE.S.p', { stream_name: 'S', config: filtered })
    const inbox = createInbox()
    const told: string[] = []
    flooding.subscribe(inbox, {
      callback: (_error, { headers }) => void told.push(headers?.description ?? ''),
    })
    for (let i = 0; i < 100; i++) {
      flooding.publish('$JS.API.CONSUMER.MSG.NEXT.S.p', '{"batch":1}', { reply: inbox })
    }
    await serveOther()
    await eventually(() => told.length === 90, 'a refusal of each that does not wait')
    assert.deepEqual([...new Set(told)], ['Exceeded MaxWaiting'])
    const info = await ask(flooding, 'CONSUMER.INFO.S.p', {})
    assert.equal(info['num_waiting'], 10)
  })

  it('of backups: so many are made, and taken in, at a time', async () => {
    const inbox = createInbox()
    // Whoever listens and never answers.
    flooding.subscribe(`${inbox}.*`)
    const snapshots = await flood(SNAPSHOTS_MAX + 20, (i) => [
      '$JS.API.STREAM.SNAPSHOT.S',
      JSON.stringify({ deliver_subject: `${inbox}.${i}`, window_size: 1024, chunk_size: 1024 }),
    ])
    assert.equal(snapshots.filter((text) => text.includes('10167')).length, 20)
    const restores = await flood(RESTORES_MAX + 20, (i) => [
      `$JS.API.STREAM.RESTORE.R${i}`,
      JSON.stringify({ config: { name: `R${i}`, subjects: [`r.${i}`] }, state: {} }),
    ])
    assert.equal(restores.filter((text) => text.includes('10167')).length, 20)
  })

  it('of subjects with very many tokens: they are held against those of streams at once', async () => {
    const subjects = Array.from({ length: 5_000 }, (_, i) => `many.${i}`)
    await ask(flooding, 'STREAM.CREATE.MANY', { name: 'MANY', subjects })
    const tokens = 480_000
    for (const [subject, found] of [
      [`many.${'*.'.repeat(tokens)}>`, 0],
      [`many.4999.${'a.'.repeat(tokens)}b`, 0],
      [`many.${'a'.repeat(tokens)}`, 0],
      ['many.4999', 1],
    ] as const) {
      const names = ask(flooding, 'STREAM.NAMES', { subject })
      await serveOther()
      assert.equal((await names)['total'], found)
    }
    // All moved on by some: what is no more is told apart from what stays by one look at each.
    const moved = Array.from({ length: 5_000 }, (_, i) => `many.${i + 10}`)
    const update = ask(flooding, 'STREAM.UPDATE.MANY', { name: 'MANY', subjects: moved })
    await serveOther()
    assert.equal(((await update)['config'] as { subjects: string[] }).subjects.length, 5_000)
    const last = await flooding.request('many.5009', 'x', PATIENT)
    assert.equal(last.json<{ stream: string }>().stream, 'MANY')
  })

  it('of filters: a message costs as much with thousands of them as with one', async () => {
    const filters = Array.from({ length: 20_000 }, (_, i) => `f.*.${i}.>`)
    await ask(flooding, 'STREAM.CREATE.F', { name: 'F', subjects: ['f.>'], allow_direct: true })
    const config = {
      name: 'f',
      durable_name: 'f',
      ack_policy: 'explicit',
      filter_subjects: filters,
    }
    await ask(flooding, 'CONSUMER.CREATE.F.f', { stream_name: 'F', config })
    for (let i = 0; i < 5_000; i++) flooding.publish(`f.a.${i * 5}.x`, 'x')
    await flooding.flush()
    await serveOther()
    const { state } = await ask(flooding, 'STREAM.INFO.F', {})
    assert.equal((state as { messages: number }).messages, 5_000)
    const info = await ask(flooding, 'CONSUMER.INFO.F.f', {})
    assert.equal(info['num_pending'], 4_000)
    const asked = { multi_last: filters.slice(0, 5_000), batch: 1 }
    const last = await flooding.request('$JS.API.DIRECT.GET.F', JSON.stringify(asked), PATIENT)
    assert.equal(last.headers?.get('Nats-Num-Pending'), '999')
  })

  it('of texts: what they hold is looked at once, and so many functions are refused', async () => {
    const transform = (dest: string) => ({
      name: 'T',
      subjects: ['t.*'],
      subject_transform: { src: 't.*', dest },
    })
    const functions = Array.from({ length: 30_000 }, (_, i) => `{{splitfromleft(1,${i + 1})}}`)
    const body = JSON.stringify(transform(functions.join('.')))
    const refusal = await flooding.request('$JS.API.STREAM.CREATE.T', body, PATIENT)
    assert.match(refusal.string(), /invalid mapping destination: longer than 16384 characters/)
    const keys = `{${Array.from({ length: 70_000 }, (_, i) => `"k${i}":1`).join(',')}}`
    const unknown = await flooding.request('$JS.API.STREAM.CREATE.T', keys, PATIENT)
    assert.match(unknown.string(), /unknown field ."k0/)
  })

  /** Asks without waiting, and while all of that is under way for somebody else; returns the answers. */
  async function flood(
    requests: number,
    request: (index: number) => readonly [subject: string, body: string],
  ): Promise<readonly string[]> {
    const inbox = createInbox()
    const answers: string[] = []
    const subscription = flooding.subscribe(inbox, {
      callback: (_error, message) => void answers.push(message.string()),
    })
    for (let i = 0; i < requests; i++) {
      const [subject, body] = request(i)
      flooding.publish(subject, body, { reply: inbox })
    }
    await serveOther()
    await eventually(() => answers.length === requests, 'an answer to each', 60_000)
    subscription.unsubscribe()
    return answers
  }

  async function serveOther(): Promise<void> {
    const ack = await other.request('s', 'x', PATIENT)
    assert.equal(ack.json<{ stream: string }>().stream, 'S')
    const { state } = await ask(other, 'STREAM.INFO.S', {})
    assert.ok(state !== undefined)
  }
})

async function ask(client: NatsConnection, subject: string, body: object) {
  const answer = await client.request(`$JS.API.${subject}`, JSON.stringify(body), PATIENT)
  const found = answer.json<Record<string, unknown>>()
  assert.equal(found['error'], undefined, answer.string())
  return found
}
