/**
 * JetStream as its official client sees it. With `JETSTREAM_PEER=nats-server` the same assertions
 * run against the real server.
 */
import assert from 'node:assert/strict'
import {
  AckPolicy,
  type ConsumerMessages,
  DeliverPolicy,
  DiscardPolicy,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
} from '@nats-io/jetstream'
import { headers, type NatsConnection, nanos } from '@nats-io/transport-node'
import { jetStreamSuite } from '../support/jetstream-suite.ts'
import { DEADLINE_MS } from '../support/patience.ts'

describe('jetstream', () => {
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

  async function fill(count: number, subject = `${name}.a`): Promise<void> {
    for (let i = 1; i <= count; i++) await js.publish(subject, `m${i}`)
  }

  function create(config: Record<string, unknown> = {}) {
    return jsm.streams.add({ name, subjects: [`${name}.>`], ...config })
  }

  /** So many, or fewer when the time is over. */
  async function fetched(consumer: string, max: number, expires = DEADLINE_MS): Promise<JsMsg[]> {
    const messages: JsMsg[] = []
    const pulled = await (await js.consumers.get(name, consumer)).fetch({
      max_messages: max,
      expires,
    })
    for await (const message of pulled) messages.push(message)
    return messages
  }

  /** Says for so long that there is work in progress. Returns the longest that the server went without hearing it. */
  async function workOn(message: JsMsg, forMs: number): Promise<number> {
    const beganMs = performance.now()
    let longestMs = 0
    for (let saidMs = beganMs; saidMs - beganMs < forMs; ) {
      message.working()
      await connection.flush()
      const nowMs = performance.now()
      longestMs = Math.max(longestMs, nowMs - saidMs)
      saidMs = nowMs
    }
    return longestMs
  }

  const texts = (messages: readonly JsMsg[]): string[] => messages.map((m) => m.string())

  it('1.1 creates, shows, lists, updates and deletes streams', async () => {
    const created = await create({ description: 'first' })
    assert.equal(created.config.max_msgs, -1)
    assert.equal(created.config.duplicate_window, nanos(120_000))
    assert.equal(created.state.messages, 0)
    const again = await create({ description: 'first' })
    assert.equal(again.config.name, name)
    await assert.rejects(create({ description: 'other' }), { code: 10058 })
    const updated = await jsm.streams.update(name, { max_msgs: 7 })
    assert.equal(updated.config.max_msgs, 7)
    assert.equal(updated.config.description, 'first')
    assert.equal(await jsm.streams.find(`${name}.x`), name)
    const names: string[] = []
    for await (const listed of jsm.streams.names()) names.push(listed)
    assert.ok(names.includes(name))
    assert.equal(await jsm.streams.delete(name), true)
    await assert.rejects(jsm.streams.info(name), { code: 10059 })
  })

  it('1.2 refuses what it can not do or does not know', async () => {
    await create()
    await assert.rejects(jsm.streams.add({ name: `${name}-2`, subjects: [`${name}.a`] }), {
      code: 10065,
    })
    await assert.rejects(jsm.streams.add({ name: 'a.b' }), /name/)
    const unknown = { name: `${name}-3`, subjects: [`${name}-3`], surprise: 1 }
    const answer = await connection.request(
      `$JS.API.STREAM.CREATE.${name}-3`,
      JSON.stringify(unknown),
    )
    const { type, error } = answer.json<{ type: string; error: { err_code: number } }>()
    assert.equal(type, 'io.nats.jetstream.api.v1.stream_create_response')
    assert.equal(error.err_code, 10025)
  })

  it('2.1 acknowledges publishes with the sequence', async () => {
    await create()
    const first = await js.publish(`${name}.a`, 'x')
    const second = await js.publish(`${name}.b`, 'y')
    assert.deepEqual([first.stream, first.seq, first.duplicate], [name, 1, false])
    assert.equal(second.seq, 2)
    const { state } = await jsm.streams.info(name, { subjects_filter: '>' })
    assert.equal(state.messages, 2)
    assert.deepEqual(state.subjects, { [`${name}.a`]: 1, [`${name}.b`]: 1 })
  })

  it('2.2 stores a message id once', async () => {
    await create()
    const first = await js.publish(`${name}.a`, 'x', { msgID: 'one' })
    const second = await js.publish(`${name}.a`, 'x', { msgID: 'one' })
    assert.deepEqual([first.duplicate, second.duplicate], [false, true])
    assert.equal(second.seq, first.seq)
    const pair = await Promise.all([
      js.publish(`${name}.a`, 'y', { msgID: 'two' }),
      js.publish(`${name}.a`, 'y', { msgID: 'two' }),
    ])
    assert.deepEqual(
      pair.map(({ seq, duplicate }) => [seq, duplicate]),
      [
        [2, false],
        [2, true],
      ],
    )
  })

  it('2.3 checks what the publisher expects', async () => {
    await create()
    await js.publish(`${name}.a`, 'x', { msgID: 'one', expect: { streamName: name } })
    await assert.rejects(js.publish(`${name}.a`, '', { expect: { streamName: 'no' } }), {
      code: 10060,
    })
    await assert.rejects(js.publish(`${name}.a`, '', { expect: { lastSequence: 4 } }), {
      code: 10071,
    })
    await assert.rejects(js.publish(`${name}.a`, '', { expect: { lastMsgID: 'no' } }), {
      code: 10070,
    })
    const subject = `${name}.b`
    const expect = { lastSubjectSequence: 0 }
    const racing = await Promise.allSettled([
      js.publish(subject, '1', { expect }),
      js.publish(subject, '2', { expect }),
    ])
    assert.deepEqual(
      racing.map(({ status }) => status),
      ['fulfilled', 'rejected'],
    )
    await js.publish(subject, '3', { expect: { lastSubjectSequence: 2, lastSequence: 2 } })
  })

  it('2.4 refuses when the stream is full and says so', async () => {
    await create({ max_msgs: 2, discard: DiscardPolicy.New })
    await fill(2)
    await assert.rejects(js.publish(`${name}.a`, 'x'), { code: 10077 })
    await jsm.streams.update(name, { discard: DiscardPolicy.Old })
    await fill(3)
    const { state } = await jsm.streams.info(name)
    assert.deepEqual([state.messages, state.first_seq, state.last_seq], [2, 4, 5])
  })

  it('3.1 gets single messages through the API and directly', async () => {
    await create({ allow_direct: true })
    const withHeader = headers()
    withHeader.set('Key', 'value')
    await js.publish(`${name}.a`, 'one', { headers: withHeader })
    await js.publish(`${name}.b`, 'two')
    await js.publish(`${name}.a`, 'three')
    const bySeq = await jsm.streams.getMessage(name, { seq: 1 })
    assert.equal(bySeq?.string(), 'one')
    assert.equal(bySeq?.header.get('Key'), 'value')
    const last = await jsm.streams.getMessage(name, { last_by_subj: `${name}.a` })
    assert.equal(last?.seq, 3)
    assert.equal(await jsm.streams.getMessage(name, { seq: 9 }), null)
    const direct = await jsm.direct.getMessage(name, { seq: 1 })
    assert.equal(direct?.string(), 'one')
    assert.equal(direct?.header.get('Key'), 'value')
    assert.equal(direct?.subject, `${name}.a`)
    const next = await jsm.direct.getMessage(name, { seq: 2, next_by_subj: `${name}.a` })
    assert.equal(next?.seq, 3)
    const lastDirect = await jsm.direct.getMessage(name, { last_by_subj: `${name}.b` })
    assert.equal(lastDirect?.string(), 'two')
    assert.equal(await jsm.direct.getMessage(name, { last_by_subj: `${name}.z` }), null)
    const plain = await connection.request(`$JS.API.DIRECT.GET.${name}.${name}.b`)
    assert.equal(plain.headers?.get('Nats-Sequence'), '2')
    await js.publish(`${name}.c`, 'four', { headers: withHeader })
    for (const token of ['a', 'b', 'c', 'z']) {
      // What is at hand is answered at once, but to who says anything in the payload.
      const [atOnce, waited] = await Promise.all(
        ['', '{}'].map((asked) =>
          connection.request(`$JS.API.DIRECT.GET.${name}.${name}.${token}`, asked),
        ),
      )
      assert.equal(String(atOnce!.headers), String(waited!.headers))
      assert.equal(atOnce!.string(), waited!.string())
      assert.equal(atOnce!.headers?.has('Key'), token === 'c')
    }
  })

  it('3.2 deletes messages and purges', async () => {
    await create()
    await fill(5)
    await fill(5, `${name}.b`)
    assert.equal(await jsm.streams.deleteMessage(name, 2), true)
    await assert.rejects(jsm.streams.deleteMessage(name, 2), { code: 10043 })
    assert.equal((await jsm.streams.purge(name, { filter: `${name}.b`, keep: 2 })).purged, 3)
    assert.equal((await jsm.streams.purge(name, { seq: 4 })).purged, 2)
    assert.equal((await jsm.streams.info(name)).state.messages, 4)
    assert.equal((await jsm.streams.purge(name)).purged, 4)
    const { state } = await jsm.streams.info(name)
    assert.deepEqual([state.messages, state.first_seq, state.last_seq], [0, 11, 10])
    assert.equal((await js.publish(`${name}.a`, '')).seq, 11)
  })

  it('4.1 fetches, acknowledges and moves the ack floor', async () => {
    await create()
    await fill(5)
    const config = { durable_name: 'c', ack_policy: AckPolicy.Explicit }
    const info = await jsm.consumers.add(name, config)
    assert.deepEqual([info.num_pending, info.config.max_ack_pending], [5, 1000])
    const messages = await fetched('c', 3)
    assert.deepEqual(texts(messages), ['m1', 'm2', 'm3'])
    assert.equal(messages[0]!.subject, `${name}.a`)
    assert.deepEqual(
      messages.map(({ info }) => info.pending),
      [4, 3, 2],
    )
    assert.equal(await messages[1]!.ackAck(), true)
    const partly = await jsm.consumers.info(name, 'c')
    assert.deepEqual([partly.ack_floor.stream_seq, partly.num_ack_pending], [0, 2])
    assert.equal(await messages[0]!.ackAck(), true)
    const after = await jsm.consumers.info(name, 'c')
    assert.deepEqual([after.ack_floor.stream_seq, after.ack_floor.consumer_seq], [2, 2])
    assert.deepEqual([after.num_ack_pending, after.num_pending], [1, 2])
    assert.deepEqual(after.delivered.stream_seq, 3)
  })

  it('4.2 redelivers after the ack wait and on nak, at most so often', async () => {
    await create()
    await fill(2)
    await jsm.consumers.add(name, {
      durable_name: 'c',
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(300),
      max_deliver: 3,
    })
    const [first, second] = await fetched('c', 2)
    first!.nak()
    second!.term()
    const [again] = await fetched('c', 1)
    assert.deepEqual([again!.seq, again!.info.deliveryCount, again!.redelivered], [1, 2, true])
    const [third] = await fetched('c', 1)
    assert.deepEqual([third!.seq, third!.info.deliveryCount], [1, 3])
    assert.deepEqual(await fetched('c', 1, 1_000), [])
    assert.equal((await jsm.consumers.info(name, 'c')).num_ack_pending, 0)
  })

  it('4.3 waits for a delayed nak and for work in progress', async () => {
    await create()
    await fill(1)
    await jsm.consumers.add(name, {
      durable_name: 'c',
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(600),
    })
    const [first] = await fetched('c', 1)
    first!.nak(400)
    const began = Date.now()
    let [held] = await fetched('c', 1)
    assert.ok(Date.now() - began >= 350)
    assert.equal(held!.info.deliveryCount, 2)
    for (let isInTime = false; !isInTime; ) {
      const working = workOn(held!, 1_200)
      const [again] = await fetched('c', 1, 1_200)
      // Where a server or its client was kept from its work for long, it comes again, and that is right.
      isInTime = (await working) < 300
      if (isInTime) assert.equal(again, undefined)
      held = again ?? held
    }
    assert.equal(await held!.ackAck(), true)
  })

  it('4.4 starts where the deliver policy says', async () => {
    await create()
    await js.publish(`${name}.a`, '1')
    await new Promise((resolve) => setTimeout(resolve, 5))
    await js.publish(`${name}.b`, '2')
    const { time } = (await jsm.streams.getMessage(name, { seq: 2 }))!
    await js.publish(`${name}.a`, '3')
    const start = async (count: number, config: Record<string, unknown>): Promise<string[]> => {
      const { name: consumer, num_pending } = await jsm.consumers.add(name, {
        ack_policy: AckPolicy.None,
        inactive_threshold: nanos(5_000),
        ...config,
      })
      assert.equal(num_pending, count)
      return count === 0 ? [] : texts(await fetched(consumer, count))
    }
    const { All, Last, New, StartSequence, StartTime, LastPerSubject } = DeliverPolicy
    const fromTime = time.toISOString()
    const everything = { filter_subject: `${name}.>` }
    assert.deepEqual(await start(3, { deliver_policy: All }), ['1', '2', '3'])
    assert.deepEqual(await start(1, { deliver_policy: Last }), ['3'])
    assert.deepEqual(await start(0, { deliver_policy: New }), [])
    assert.deepEqual(await start(2, { deliver_policy: StartSequence, opt_start_seq: 2 }), [
      '2',
      '3',
    ])
    assert.deepEqual(
      (await start(2, { deliver_policy: StartTime, opt_start_time: fromTime })).at(-1),
      '3',
    )
    assert.deepEqual(await start(2, { deliver_policy: LastPerSubject, ...everything }), ['2', '3'])
    assert.deepEqual(await start(1, { filter_subjects: [`${name}.b`, `${name}.c`] }), ['2'])
  })

  it('4.5 stops at max_ack_pending and goes on when it is acknowledged', async () => {
    await create()
    await fill(4)
    await jsm.consumers.add(name, {
      durable_name: 'c',
      ack_policy: AckPolicy.All,
      max_ack_pending: 2,
    })
    const first = await fetched('c', 2)
    assert.deepEqual(texts(first), ['m1', 'm2'])
    assert.deepEqual(await fetched('c', 1, 1_000), [])
    assert.equal(await first[1]!.ackAck(), true)
    assert.deepEqual(texts(await fetched('c', 2)), ['m3', 'm4'])
  })

  it('4.6 answers pulls with the statuses that clients know', async () => {
    await create()
    await jsm.consumers.add(name, {
      durable_name: 'c',
      ack_policy: AckPolicy.Explicit,
      max_batch: 5,
    })
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${name}.c`
    const ask = async (request: unknown): Promise<string> => {
      const answer = await connection.request(subject, JSON.stringify(request))
      return `${answer.headers?.code} ${answer.headers?.description}`
    }
    assert.equal(await ask({ batch: 1, no_wait: true }), '404 No Messages')
    assert.equal(await ask({ batch: 1, expires: nanos(100) }), '408 Request Timeout')
    assert.equal(await ask({ batch: 6 }), '409 Exceeded MaxRequestBatch of 5')
    const heartbeat = { batch: 1, expires: nanos(100), idle_heartbeat: nanos(90) }
    assert.equal(await ask(heartbeat), '400 Bad Request - heartbeat value too large')
    await js.publish(`${name}.a`, 'x'.repeat(100))
    assert.equal(await ask({ batch: 1, max_bytes: 50 }), '409 Message Size Exceeds MaxBytes')
    assert.equal((await fetched('c', 1)).length, 1)
    const beating = { batch: 1, expires: nanos(600), idle_heartbeat: nanos(200) }
    assert.equal(await ask(beating), '100 Idle Heartbeat')
  })

  it('4.7 creates, updates, lists and deletes consumers', async () => {
    await create()
    const config = { durable_name: 'c', ack_policy: AckPolicy.Explicit }
    await jsm.consumers.add(name, config)
    await assert.rejects(
      jsm.consumers.add(name, { ...config, description: 'x' }, { action: 'create' } as never),
    )
    const updated = await jsm.consumers.update(name, 'c', { max_deliver: 4 })
    assert.equal(updated.config.max_deliver, 4)
    await assert.rejects(
      jsm.consumers.add(name, { ...config, ack_policy: AckPolicy.None, max_deliver: 4 }),
      { code: 10148 },
    )
    const listed = await jsm.consumers.list(name).next()
    assert.deepEqual(
      listed.map((info) => info.name),
      ['c'],
    )
    assert.equal(await jsm.consumers.delete(name, 'c'), true)
    await assert.rejects(jsm.consumers.info(name, 'c'), { code: 10014 })
    const answer = connection.request(`$JS.API.CONSUMER.MSG.NEXT.${name}.c`, '')
    await assert.rejects(answer, /no responders/)
  })

  it('4.8 removes an ephemeral consumer that nobody uses', async () => {
    await create()
    const { name: consumer } = await jsm.consumers.add(name, {
      ack_policy: AckPolicy.None,
      inactive_threshold: nanos(200),
    })
    const deadline = Date.now() + DEADLINE_MS
    for (;;) {
      const names = await jsm.consumers.list(name).next()
      if (!names.some((info) => info.name === consumer)) break
      assert.ok(Date.now() < deadline, 'still there')
    }
  })

  it('5.1 consumes for ever, in order, while it is published', async () => {
    await create()
    await jsm.consumers.add(name, { durable_name: 'c', ack_policy: AckPolicy.Explicit })
    const consumer = await js.consumers.get(name, 'c')
    const messages: ConsumerMessages = await consumer.consume({ max_messages: 10 })
    const publishing = fill(100)
    const seen: string[] = []
    for await (const message of messages) {
      message.ack()
      seen.push(message.string())
      if (seen.length === 100) break
    }
    await publishing
    assert.deepEqual(
      seen,
      Array.from({ length: 100 }, (_, i) => `m${i + 1}`),
    )
  })

  it('5.2 serves the ordered consumer', async () => {
    await create()
    await fill(50)
    const consumer = await js.consumers.get(name)
    const seen: number[] = []
    for await (const message of await consumer.consume()) {
      seen.push(message.seq)
      if (message.info.pending === 0) break
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 50 }, (_, i) => i + 1),
    )
  })

  it('5.3 leaves the payload out when asked for headers only', async () => {
    await create()
    await fill(1)
    await jsm.consumers.add(name, {
      durable_name: 'c',
      ack_policy: AckPolicy.None,
      headers_only: true,
    })
    const [message] = await fetched('c', 1)
    assert.equal(message!.data.length, 0)
    assert.equal(message!.headers?.get('Nats-Msg-Size'), '2')
  })

  it('6.1 keeps one value for each key, rolls up, and denies what it is told to', async () => {
    await create({
      max_msgs_per_subject: 1,
      discard: DiscardPolicy.New,
      allow_rollup_hdrs: true,
      deny_delete: true,
      allow_direct: true,
    })
    await fill(3)
    await fill(1, `${name}.b`)
    assert.equal((await jsm.streams.info(name)).state.messages, 2)
    await assert.rejects(jsm.streams.deleteMessage(name, 3))
    const all = headers()
    all.set('Nats-Rollup', 'all')
    await js.publish(`${name}.c`, 'only', { headers: all })
    const { state } = await jsm.streams.info(name, { subjects_filter: '>' })
    assert.deepEqual(state.subjects, { [`${name}.c`]: 1 })
  })

  it('7.1 remembers everything over a restart', async () => {
    await create()
    await js.publish(`${name}.a`, 'm1', { msgID: 'one' })
    await fill(3)
    await jsm.consumers.add(name, {
      durable_name: 'c',
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(1_000),
    })
    const [first, second] = await fetched('c', 2)
    assert.equal(await first!.ackAck(), true)
    assert.equal(second!.seq, 2)
    await suite.restart()
    assert.equal((await jsm.streams.info(name)).state.messages, 4)
    const again = await js.publish(`${name}.a`, 'm1', { msgID: 'one' })
    assert.equal(again.duplicate, true)
    const info = await jsm.consumers.info(name, 'c')
    assert.equal(info.ack_floor.stream_seq, 1)
    const rest = await fetched('c', 3)
    assert.deepEqual(rest.map(({ seq }) => seq).sort(), [2, 3, 4])
  })
})
