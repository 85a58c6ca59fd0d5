/**
 * What a stream does with a publish, as clients see it. With `JETSTREAM_PEER=nats-server` the same
 * assertions run against the real server.
 */
import assert from 'node:assert/strict'
import { AckPolicy, type JetStreamManager } from '@nats-io/jetstream'
import { createInbox, headers, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { jetStreamSuite } from '../support/jetstream-suite.ts'
import { DEADLINE_MS } from '../support/patience.ts'

interface PubAck {
  readonly seq: number
  readonly val?: string
  readonly duplicate?: boolean
  readonly error?: { readonly err_code: number; readonly description: string }
}

describe('jetstream publishes', function () {
  this.timeout(60_000)
  let connection: NatsConnection
  let jsm: JetStreamManager
  let name = ''
  const suite = jetStreamSuite('P', (facts) => {
    ;({ connection, jsm } = facts)
  })
  beforeEach(() => {
    name = suite.newName()
  })
  async function create(config: Record<string, unknown> = {}): Promise<void> {
    const request = { name, subjects: [`${name}.>`], ...config }
    const answer = await connection.request(
      `$JS.API.STREAM.CREATE.${name}`,
      JSON.stringify(request),
    )
    assert.equal(answer.json<{ error?: unknown }>().error, undefined)
  }

  async function publish(
    subject: string,
    given: Record<string, string> = {},
    payload = '',
  ): Promise<PubAck> {
    const block = headers()
    for (const [key, value] of Object.entries(given)) block.append(key, value)
    const answer = await connection.request(`${name}.${subject}`, payload, {
      headers: block,
      timeout: 10_000,
    })
    return answer.json<PubAck>()
  }

  async function last(subject: string) {
    const message = await jsm.streams.getMessage(name, { last_by_subj: `${name}.${subject}` })
    return message
  }

  /** Asks until it is so. */
  async function until(isSo: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + DEADLINE_MS
    while (!(await isSo())) {
      assert.ok(Date.now() < deadline, 'not in time')
      await connection.flush()
    }
  }

  const messagesOf = async (): Promise<number> => (await jsm.streams.info(name)).state.messages

  it('1 lets a message go after its lifetime, also after a restart', async () => {
    await create({ allow_msg_ttl: true })
    const began = performance.now()
    // Two seconds are over when they are over, however long a restart takes.
    const areAllThere = async (): Promise<void> => {
      const messages = await messagesOf()
      if (performance.now() - began < 2_000) assert.equal(messages, 3)
    }
    await publish('a', { 'Nats-TTL': '2s' })
    await publish('a', { 'Nats-TTL': 'never' })
    await publish('b', { 'Nats-TTL': '1h' })
    await areAllThere()
    await suite.restart()
    await areAllThere()
    await until(async () => (await messagesOf()) === 2)
    assert.equal((await jsm.streams.info(name)).state.first_seq, 2)
  })

  it('2 leaves a marker where the last message of a subject expired', async () => {
    await create({ subject_delete_marker_ttl: 2e9, allow_msg_ttl: true, max_msgs_per_subject: 1 })
    const inbox = createInbox()
    const heard = connection.subscribe(inbox, { max: 2 })
    await jsm.consumers.add(name, { deliver_subject: inbox, ack_policy: AckPolicy.None })
    const began = Date.now()
    await publish('a', { 'Nats-TTL': '1' })
    const [, marker] = await collected(heard)
    assert.ok(Date.now() - began >= 1_000)
    assert.equal(marker?.subject, `${name}.a`)
    assert.equal(marker?.headers?.get('Nats-Marker-Reason'), 'MaxAge')
    assert.equal(marker?.headers?.get('Nats-TTL'), '2s')
    assert.equal(marker?.headers?.get('Nats-Rollup'), 'sub')
    assert.equal(marker?.data.length, 0)
    await until(async () => (await messagesOf()) === 0)
    assert.equal((await jsm.streams.info(name)).state.last_seq, 2, 'a marker leaves no marker')
  })

  it('3 leaves markers by age', async () => {
    await create({ subject_delete_marker_ttl: 60e9, duplicate_window: 1e9 })
    await publish('a')
    await publish('a')
    await publish('b')
    await jsm.streams.update(name, { max_age: 1e9 })
    await until(async () => (await last('b'))?.seq === 5)
    assert.equal((await last('a'))?.seq, 4)
    assert.equal((await last('a'))?.header.get('Nats-Marker-Reason'), 'MaxAge')
    assert.equal(await messagesOf(), 2)
  })

  it('4 counts, also after a restart and a removal', async () => {
    await create({ allow_msg_counter: true })
    const incr = (value: string) => publish('a', { 'Nats-Incr': value })
    assert.equal((await incr('5')).val, '5')
    await suite.restart()
    const big = '9'.repeat(50)
    assert.equal((await incr(big)).val, String(BigInt(big) + 5n))
    const third = await incr('-10')
    assert.equal(third.val, String(BigInt(big) - 5n))
    assert.equal((await last('a'))?.string(), `{"val":"${third.val}"}`)
    await jsm.streams.deleteMessage(name, third.seq)
    assert.equal((await incr('0')).val, String(BigInt(big) + 5n))
    await jsm.streams.purge(name)
    assert.equal((await incr('+3')).val, '3')
  })

  it('5 counts what many publish at once, in their order', async () => {
    await create({ allow_msg_counter: true })
    await publish('a', { 'Nats-Incr': '1000' })
    await suite.restart()
    const acks = await Promise.all(
      Array.from({ length: 200 }, (_, i) => publish(i % 2 === 0 ? 'a' : 'b', { 'Nats-Incr': '1' })),
    )
    assert.deepEqual(
      acks.map(({ seq }) => seq),
      acks.map((_, i) => i + 2),
    )
    assert.equal(acks.at(-2)?.val, '1100')
    assert.equal(acks.at(-1)?.val, '100')
  })

  it('6 publishes again what it stores, with where it lies', async () => {
    await create({ republish: { src: `${name}.a.>`, dest: `again.${name}.>` } })
    const heard = connection.subscribe(`again.${name}.>`, { max: 2 })
    await connection.flush()
    await publish('b')
    await publish('a.x', {}, 'one')
    await publish('a.x', { A: '1' }, 'two')
    const [first, second] = await collected(heard)
    const stored = await jsm.streams.getMessage(name, { seq: 2 })
    assert.equal(first?.subject, `again.${name}.x`)
    assert.equal(first?.string(), 'one')
    assert.deepEqual(
      first?.headers?.keys().map((key) => [key, first.headers?.get(key)]),
      [
        ['Nats-Stream', name],
        ['Nats-Subject', `${name}.a.x`],
        ['Nats-Sequence', '2'],
        ['Nats-Time-Stamp', stored?.timestamp],
        ['Nats-Last-Sequence', '0'],
      ],
    )
    assert.equal(second?.headers?.get('A'), '1')
    assert.equal(second?.headers?.get('Nats-Last-Sequence'), '2')
  })

  it('7 publishes again the headers only', async () => {
    const republish = { src: '>', dest: `only.${name}.>`, headers_only: true }
    await create({ republish, subject_transform: { src: `${name}.*`, dest: 'T.$1' } })
    const heard = connection.subscribe(`only.${name}.>`, { max: 1 })
    await connection.flush()
    await publish('a', { A: '1' }, 'payload')
    const [only] = await collected(heard)
    assert.equal(only?.subject, `only.${name}.T.a`)
    assert.equal(only?.data.length, 0)
    assert.equal(only?.headers?.get('Nats-Msg-Size'), '7')
    assert.equal(only?.headers?.get('Nats-Subject'), 'T.a')
  })

  it('8 publishes what is scheduled, once or again and again', async () => {
    await create({ allow_msg_schedules: true, allow_msg_ttl: true })
    const at = new Date(Date.now() + 1_500).toISOString()
    await publish(
      'once',
      { 'Nats-Schedule': `@at ${at}`, 'Nats-Schedule-Target': `${name}.target` },
      'x',
    )
    await until(async () => (await last('target')) !== null)
    const made = await last('target')
    assert.equal(made?.header.get('Nats-Scheduler'), `${name}.once`)
    assert.equal(made?.header.get('Nats-Schedule-Next'), 'purge')
    assert.equal(made?.header.get('Nats-Schedule'), '')
    assert.equal(made?.string(), 'x')
    assert.equal(await last('once'), null)
    await publish('every', {
      'Nats-Schedule': '* * * * * *',
      'Nats-Schedule-Target': `${name}.target`,
      'Nats-Schedule-Rollup': 'sub',
      'Nats-Schedule-TTL': '5m',
    })
    await until(
      async () => (await last('target'))?.header.get('Nats-Scheduler') === `${name}.every`,
    )
    const first = await last('target')
    assert.equal(first?.header.get('Nats-TTL'), '5m')
    assert.equal(first?.header.get('Nats-Rollup'), 'sub')
    const next = Date.parse(first?.header.get('Nats-Schedule-Next') ?? '')
    assert.equal(next % 1_000, 0)
    await until(async () => ((await last('target'))?.seq ?? 0) > (first?.seq ?? 0))
    await suite.restart()
    const before = (await last('target'))?.seq ?? 0
    await until(async () => ((await last('target'))?.seq ?? 0) > before)
    assert.equal(await messagesOf(), 2)
  })

  it('9 rolls up together with what it replaces', async () => {
    await create({ allow_rollup_hdrs: true })
    const acks = await Promise.all([
      publish('a'),
      publish('b'),
      publish('a'),
      publish('a', { 'Nats-Rollup': 'sub' }),
      publish('a'),
    ])
    assert.deepEqual(
      acks.map(({ seq }) => seq),
      [1, 2, 3, 4, 5],
    )
    const { state } = await jsm.streams.info(name, { subjects_filter: '>' })
    assert.deepEqual(state.subjects, { [`${name}.a`]: 2, [`${name}.b`]: 1 })
    await publish('c', { 'Nats-Rollup': 'all' })
    assert.equal(await messagesOf(), 1)
    await suite.restart()
    assert.equal(await messagesOf(), 1)
    assert.equal((await jsm.streams.info(name)).state.first_seq, 6)
  })
})

async function collected(messages: AsyncIterable<Msg>): Promise<Msg[]> {
  const all: Msg[] = []
  for await (const message of messages) all.push(message)
  return all
}
