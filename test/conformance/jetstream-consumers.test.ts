/**
 * Consumers that keep messages, pauses and priority groups as the official client sees them. With
 * `JETSTREAM_PEER=nats-server` the same assertions run against the real server.
 */
import assert from 'node:assert/strict'
import {
  AckPolicy,
  DiscardPolicy,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  RetentionPolicy,
} from '@nats-io/jetstream'
import { type NatsConnection, nanos } from '@nats-io/transport-node'
import { jetStreamSuite } from '../support/jetstream-suite.ts'
import { DEADLINE_MS } from '../support/patience.ts'

/** For what nobody is to be served with. */
const BRIEFLY = { expires: 1_000 }

describe('jetstream consumers', function () {
  this.timeout(60_000)
  let connection: NatsConnection
  let jsm: JetStreamManager
  let js: JetStreamClient
  let name = ''
  const suite = jetStreamSuite('S', (facts) => {
    ;({ connection, jsm, js } = facts)
  })

  beforeEach(() => {
    name = suite.newName()
  })

  const create = (config: Record<string, unknown> = {}) =>
    jsm.streams.add({ name, subjects: [`${name}.>`], ...config })

  const consumer = (durable: string, config: Record<string, unknown> = {}) =>
    jsm.consumers.add(name, {
      durable_name: durable,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(60_000),
      ...config,
    })

  async function fill(count: number, subject = `${name}.a`): Promise<void> {
    for (let i = 1; i <= count; i++) await js.publish(subject, `m${i}`)
  }

  /** So many, or fewer when the time is over. */
  async function fetched(
    durable: string,
    max: number,
    options: Record<string, unknown> = {},
  ): Promise<JsMsg[]> {
    const messages: JsMsg[] = []
    const pulled = await (await js.consumers.get(name, durable)).fetch({
      max_messages: max,
      expires: DEADLINE_MS,
      ...options,
    })
    for await (const message of pulled) messages.push(message)
    return messages
  }

  const left = async (): Promise<number> => (await jsm.streams.info(name)).state.messages

  it('1.1 a work queue keeps what is not acknowledged, also over a restart', async () => {
    await create({ retention: RetentionPolicy.Workqueue })
    await consumer('c')
    await fill(5)
    const messages = await fetched('c', 4)
    for (const message of messages.slice(0, 2)) await message.ackAck()
    messages[2]?.term('bad')
    await connection.flush()
    assert.equal(await left(), 2)
    await suite.restart()
    assert.equal(await left(), 2)
    const info = await jsm.consumers.info(name, 'c')
    assert.deepEqual([info.num_ack_pending, info.num_pending], [1, 1])
    assert.equal(info.ack_floor.stream_seq, 3)
  })

  it('1.2 a full work queue takes more once something is done', async () => {
    await create({
      retention: RetentionPolicy.Workqueue,
      max_msgs: 2,
      discard: DiscardPolicy.New,
    })
    await consumer('c')
    await fill(2)
    await assert.rejects(js.publish(`${name}.a`, 'x'), { code: 10077 })
    const [message] = await fetched('c', 1)
    await message?.ackAck()
    assert.equal((await js.publish(`${name}.a`, 'x')).seq, 3)
  })

  it('2.1 a message goes when all who are interested are done with it', async () => {
    await create({ retention: RetentionPolicy.Interest })
    assert.equal((await js.publish(`${name}.a`, 'nobody')).seq, 1)
    assert.equal(await left(), 0)
    await consumer('a', { filter_subject: `${name}.a` })
    await consumer('all')
    await fill(3)
    await fill(1, `${name}.b`)
    for (const message of await fetched('a', 3)) await message.ackAck()
    assert.equal(await left(), 4)
    for (const message of await fetched('all', 2)) await message.ackAck()
    assert.equal(await left(), 2)
    await jsm.consumers.delete(name, 'all')
    assert.equal(await left(), 0)
  })

  it('3.1 a pause holds messages back, also over a restart', async () => {
    await create()
    await consumer('c')
    await fill(1)
    const paused = await jsm.consumers.pause(name, 'c', new Date(Date.now() + 60_000))
    assert.equal(paused.paused, true)
    assert.deepEqual(await fetched('c', 1, BRIEFLY), [])
    await suite.restart()
    const info = await jsm.consumers.info(name, 'c')
    assert.equal(info.paused, true)
    assert.deepEqual(await fetched('c', 1, BRIEFLY), [])
    const resumed = await jsm.consumers.resume(name, 'c')
    assert.equal(resumed.paused, false)
    assert.equal((await fetched('c', 1)).length, 1)
  })

  it('4.1 overflow serves who asks for much only when there is much', async () => {
    await create()
    await consumer('c', { priority_groups: ['g'], priority_policy: 'overflow' })
    await fill(2)
    const options = { group: 'g', min_pending: 3 }
    assert.deepEqual(await fetched('c', 5, { ...options, ...BRIEFLY }), [])
    await fill(1)
    assert.equal((await fetched('c', 1, options)).length, 1)
    assert.deepEqual(await fetched('c', 5, { ...options, ...BRIEFLY }), [])
    assert.equal((await fetched('c', 2, { group: 'g' })).length, 2)
  })

  it('4.2 a pinned client is served until it is unpinned', async () => {
    await create()
    await consumer('c', {
      priority_groups: ['g'],
      priority_policy: 'pinned_client',
      priority_timeout: nanos(30_000),
    })
    await fill(3)
    const [first] = await fetched('c', 1, { group: 'g' })
    const pin = first?.headers?.get('Nats-Pin-Id') ?? ''
    assert.notEqual(pin, '')
    assert.deepEqual(await fetched('c', 1, { group: 'g', ...BRIEFLY }), [])
    await jsm.consumers.unpin(name, 'c', 'g')
    const [second] = await fetched('c', 1, { group: 'g' })
    assert.notEqual(second?.headers?.get('Nats-Pin-Id'), pin)
  })

  it('5.1 deliveries are counted over a restart, and what was given up stays so', async () => {
    await create()
    await consumer('c', { ack_wait: nanos(300), max_deliver: 3 })
    await fill(1)
    for (const expected of [1, 2]) {
      const [message] = await fetched('c', 1)
      assert.equal(message?.info.deliveryCount, expected)
      message?.nak()
    }
    await connection.flush()
    const before = await jsm.consumers.info(name, 'c')
    assert.equal(before.num_redelivered, 1)
    await suite.restart()
    const [last] = await fetched('c', 1)
    assert.equal(last?.info.deliveryCount, 3)
    assert.deepEqual(await fetched('c', 1, BRIEFLY), [])
    const after = await jsm.consumers.info(name, 'c')
    assert.deepEqual([after.num_ack_pending, after.num_pending], [0, 0])
  })

  it('6.1 an ephemeral goes when nobody has used it for a while, a durable when it says so', async () => {
    await create()
    const { name: ephemeral } = await jsm.consumers.add(name, {
      ack_policy: AckPolicy.Explicit,
      inactive_threshold: nanos(500),
    })
    await consumer('d', { inactive_threshold: nanos(500) })
    await consumer('stays')
    const deadline = Date.now() + DEADLINE_MS
    for (;;) {
      const names: string[] = []
      for await (const info of jsm.consumers.list(name)) names.push(info.name)
      if (names.length === 1) {
        assert.deepEqual(names, ['stays'])
        break
      }
      assert.ok(Date.now() < deadline, `${names} and ${ephemeral}`)
    }
  })
})
