/**
 * What streams elsewhere ask of a stream that they mirror or source, as nats-server 2.14 and later do
 * it, and CONSUMER.RESET; see jetstream.test.ts.
 */
import assert from 'node:assert/strict'
import { type JetStreamManager, jetstream } from '@nats-io/jetstream'
import { createInbox, headers, type Msg, type NatsConnection, nanos } from '@nats-io/transport-node'
import { jetStreamSuite } from '../support/jetstream-suite.ts'
import { eventually } from '../support/link-node.ts'
import { DEADLINE_MS } from '../support/patience.ts'
import { until } from '../support/sourcing-world.ts'

interface Answer {
  readonly type: string
  readonly name: string
  readonly config: Readonly<Record<string, unknown>>
  readonly reset_seq?: number
  readonly error?: {
    readonly code: number
    readonly err_code: number
    readonly description: string
  }
}

describe('jetstream sourcing', () => {
  let connection: NatsConnection
  let jsm: JetStreamManager
  let name = ''
  const suite = jetStreamSuite('O', (facts) => {
    ;({ connection, jsm } = facts)
  })

  async function stream(config: Record<string, unknown> = {}): Promise<void> {
    name = suite.newName()
    await jsm.streams.add({ name, subjects: [`${name}.>`], ...config })
  }

  async function fill(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await jetstream(connection).publish(`${name}.a`, 'x')
  }

  async function ask(subject: string, body: unknown = ''): Promise<Answer> {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    return (await connection.request(`$JS.API.${subject}`, text)).json<Answer>()
  }

  const create = (config: Record<string, unknown>): Promise<Answer> =>
    ask(`CONSUMER.CREATE.${name}.${config['name']}`, { stream_name: name, config })

  /** What comes to a subject, as it comes. */
  function listen(subject: string) {
    const messages: Msg[] = []
    connection.subscribe(subject, { callback: (_error, message) => void messages.push(message) })
    const stored = (): string[] =>
      messages
        .filter(({ reply }) => reply?.startsWith('$JS.ACK.'))
        .map(({ reply }) => reply!.split('.').slice(5, 7).join('/'))
    const when = (isSo: () => boolean): Promise<void> =>
      eventually(isSo, subject).catch(() => assert.fail(`only ${stored()}`))
    return { messages, stored, when }
  }

  const sourcing = (deliver_subject: string) => ({
    name: 'JS_SRC_abc',
    deliver_subject,
    deliver_policy: 'by_start_sequence',
    opt_start_seq: 1,
    ack_policy: 'none',
    ack_wait: nanos(22 * 3_600_000),
    max_deliver: 1,
    idle_heartbeat: nanos(1_000),
    flow_control: true,
    direct: true,
    sourcing: true,
    inactive_threshold: nanos(10_000),
  })

  it('1.1 gives each of them a consumer of its own that is not listed', async () => {
    await stream()
    await fill(2)
    const inbox = createInbox()
    const seen = listen(inbox)
    const first = await create(sourcing(inbox))
    const second = await create(sourcing(createInbox()))
    assert.match(first.name, /^JS_SRC_abc-\w{8}$/)
    assert.notEqual(first.name, second.name)
    assert.equal(first.config['direct'], true)
    await seen.when(() => seen.stored().length === 2)
    assert.deepEqual(seen.stored(), ['1/1', '2/2'])
    assert.deepEqual(await jsm.consumers.list(name).next(), [])
  })

  it('1.2 says which making of the stream it is, and refuses another', async () => {
    await stream()
    const subject = `$JS.API.CONSUMER.CREATE.${name}.JS_SRC_abc`
    const body = JSON.stringify({ stream_name: name, config: sourcing(createInbox()) })
    const answer = await connection.request(subject, body)
    const identity = answer.headers?.get('Nats-Stream-Identity') ?? ''
    assert.match(identity, /^\w{8}$/)
    const expecting = async (value: string): Promise<Answer> => {
      const fields = headers()
      fields.set('Nats-Stream-Identity', value)
      return (await connection.request(subject, body, { headers: fields, timeout: 2_000 })).json()
    }
    assert.equal((await expecting(identity)).error, undefined)
    assert.equal((await expecting('another1')).error?.err_code, 10225)
  })

  it('1.3 keeps the place of a source where messages wait for it', async () => {
    await stream({ retention: 'workqueue' })
    await fill(3)
    const inbox = createInbox()
    const seen = listen(inbox)
    const { name: durable, config } = await create(sourcing(inbox))
    assert.equal(durable, 'JS_SRC_abc')
    assert.deepEqual([config['durable_name'], config['direct'] ?? false], [durable, false])
    assert.deepEqual([config['ack_policy'], config['max_deliver']], ['flow_control', -1])
    await seen.when(() => seen.messages.some(({ headers: it }) => it?.description.startsWith('Fl')))
    assert.deepEqual(seen.stored(), ['1/1', '2/2', '3/3'])
    const question = seen.messages.find(({ headers: it }) => it?.description.startsWith('Fl'))
    const done = headers()
    done.set('Nats-Last-Consumer', '2')
    done.set('Nats-Last-Stream', '2')
    connection.publish(question!.reply!, '', { headers: done })
    const deadline = Date.now() + DEADLINE_MS
    while ((await jsm.streams.info(name)).state.messages !== 1) {
      assert.ok(Date.now() < deadline, 'what is acknowledged leaves the queue')
    }
    assert.equal((await jsm.consumers.info(name, durable)).ack_floor.stream_seq, 2)
    const again = await create(sourcing(inbox))
    assert.equal(again.error, undefined)
    await seen.when(() => seen.stored().length === 4)
    assert.equal(seen.stored()[3], '3/1')
  })

  it('1.4 is stored as far as it fits into what refuses more', async () => {
    await stream()
    for (let i = 0; i < 40; i++) await jetstream(connection).publish(`${name}.${i % 3}`, `${i}`)
    const one = { max_msgs_per_subject: 1, discard_new_per_subject: true }
    const fed: Record<string, object> = {
      [`${name}-mirror`]: { mirror: { name }, max_msgs: 3 },
      [`${name}-source`]: { sources: [{ name }], max_msgs: 3 },
      [`${name}-subjects`]: { sources: [{ name }], ...one },
    }
    for (const [copy, config] of Object.entries(fed)) {
      await ask(`STREAM.CREATE.${copy}`, { name: copy, discard: 'new', ...config })
    }
    for (const copy of Object.keys(fed)) {
      const info = () => jsm.streams.info(copy)
      await until(async () => (await info()).state.messages === 3, copy)
      const { mirror, sources, state } = await info()
      assert.deepEqual([state.first_seq, state.last_seq], [1, 3], copy)
      const told = (mirror ?? sources?.[0]) as { lag: number; seq?: number } | undefined
      assert.ok((told?.lag ?? 0) > 0, copy)
      assert.equal(told?.seq, mirror ? undefined : 3, copy)
    }
  })

  it('2.1 goes back when it is reset, and says where to', async () => {
    await stream()
    await fill(4)
    const inbox = createInbox()
    const seen = listen(inbox)
    await create({ name: 'c', durable_name: 'c', deliver_subject: inbox, ack_policy: 'explicit' })
    await seen.when(() => seen.stored().length === 4)
    seen.messages[0]!.respond()
    const deadline = Date.now() + DEADLINE_MS
    while ((await jsm.consumers.info(name, 'c')).ack_floor.stream_seq !== 1) {
      assert.ok(Date.now() < deadline, 'acknowledged')
    }
    const answer = await ask(`CONSUMER.RESET.${name}.c`)
    assert.equal(answer.type, 'io.nats.jetstream.api.v1.consumer_reset_response')
    assert.deepEqual([answer.reset_seq, answer.name], [2, 'c'])
    await seen.when(() => seen.stored().length === 7)
    assert.deepEqual(seen.stored().slice(4), ['2/1', '3/2', '4/3'])
    assert.equal((await ask(`CONSUMER.RESET.${name}.c`, { seq: 4 })).reset_seq, 4)
    await seen.when(() => seen.stored().length === 8)
    const { ack_floor, num_ack_pending } = await jsm.consumers.info(name, 'c')
    assert.deepEqual([ack_floor.stream_seq, num_ack_pending], [3, 1])
  })

  it('2.2 goes nowhere that the consumer may not begin', async () => {
    await stream()
    await fill(5)
    const time = new Date(Date.now() + 60_000).toISOString()
    const problems: unknown[] = []
    for (const [start, body] of [
      [{ deliver_policy: 'new' }, { seq: 1 }],
      [{ deliver_policy: 'last' }, { seq: 9 }],
      [{ deliver_policy: 'by_start_sequence', opt_start_seq: 3 }, { seq: 2 }],
      [{ deliver_policy: 'by_start_sequence', opt_start_seq: 3 }, { seq: 3 }],
      [{ deliver_policy: 'by_start_time', opt_start_time: time }, { seq: 2 }],
      [{ deliver_policy: 'all' }, '{"seq":"x"}'],
    ] as const) {
      await create({ name: 'c', ack_policy: 'explicit', ...start })
      const { error, reset_seq } = await ask(`CONSUMER.RESET.${name}.c`, body)
      problems.push(error === undefined ? reset_seq : [error.err_code, error.description])
      await jsm.consumers.delete(name, 'c')
    }
    assert.deepEqual(problems.slice(0, 5), [
      [10204, 'invalid reset: not allowed'],
      [10204, 'invalid reset: not allowed'],
      [10204, 'invalid reset: below start seq'],
      3,
      [10204, 'invalid reset: below start time'],
    ])
    assert.equal((problems[5] as unknown[])[0], 10025)
  })
})
