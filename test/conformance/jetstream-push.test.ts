/** Push consumers as the official client and the bare protocol see them; see jetstream.test.ts. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import {
  AckPolicy,
  DeliverPolicy,
  type JetStreamClient,
  type JetStreamManager,
  ReplayPolicy,
} from '@nats-io/jetstream'
import {
  createInbox,
  type Msg,
  type NatsConnection,
  nanos,
  type Subscription,
} from '@nats-io/transport-node'
import type { JetStreamServer } from '../support/jetstream-server.ts'
import { jetStreamSuite } from '../support/jetstream-suite.ts'
import { DEADLINE_MS } from '../support/patience.ts'

describe('jetstream push', () => {
  let server: JetStreamServer
  let connection: NatsConnection
  let jsm: JetStreamManager
  let js: JetStreamClient
  let name = ''
  const suite = jetStreamSuite('P', (facts) => {
    ;({ server, connection, jsm, js } = facts)
  })

  beforeEach(async () => {
    name = suite.newName()
    await jsm.streams.add({ name, subjects: [`${name}.>`] })
  })

  async function fill(count: number, payload = 'x'): Promise<void> {
    for (let i = 1; i <= count; i++) await js.publish(`${name}.a`, payload)
  }

  /** The next messages that a predicate chooses, or what there is at the deadline. */
  async function take(
    subscription: Subscription,
    count: number,
    chosen: (message: Msg) => boolean = isMessage,
  ): Promise<Msg[]> {
    const found: Msg[] = []
    const timer = setTimeout(() => subscription.unsubscribe(), DEADLINE_MS)
    for await (const message of subscription) {
      if (chosen(message)) found.push(message)
      if (found.length === count) break
    }
    clearTimeout(timer)
    return found
  }

  async function info(consumer: string) {
    return jsm.consumers.info(name, consumer)
  }

  /** Asks until it is so: what another connection did gets there in its time. */
  async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
    const deadline = Date.now() + DEADLINE_MS
    while (!(await isSo())) assert.ok(Date.now() < deadline, what)
  }

  /** Creates or updates consumer `c`, as older clients do. */
  async function put(config: object): Promise<{ err_code: number; description: string }> {
    const body = JSON.stringify({ stream_name: name, config })
    const answer = await connection.request(`$JS.API.CONSUMER.DURABLE.CREATE.${name}.c`, body)
    const { error } = answer.json<{ error?: { err_code: number; description: string } }>()
    return error ?? { err_code: 0, description: '' }
  }

  const isMessage = ({ reply }: Msg): boolean => reply?.startsWith('$JS.ACK.') === true
  const seqOf = ({ reply }: Msg): number => Number(reply?.split('.')[5])
  const statusOf = ({ headers }: Msg): string => `${headers?.code} ${headers?.description}`

  it('1.1 delivers to who subscribes, and says whether anybody does', async () => {
    await fill(3)
    const inbox = createInbox()
    await jsm.consumers.add(name, { durable_name: 'c', deliver_subject: inbox })
    assert.equal((await info('c')).push_bound ?? false, false)
    const subscription = connection.subscribe(inbox)
    const got = await take(subscription, 3)
    assert.deepEqual(got.map(seqOf), [1, 2, 3])
    assert.equal(got[0]?.subject, `${name}.a`)
    const other = connection.subscribe(inbox)
    await until(async () => (await info('c')).push_bound === true, 'bound')
    other.unsubscribe()
    await until(async () => !(await info('c')).push_bound, 'left')
    await fill(1)
    assert.equal((await info('c')).num_pending, 1)
    assert.deepEqual((await take(connection.subscribe(inbox), 1)).map(seqOf), [4])
  })

  it('1.2 does not take a wildcard, or the wrong group, for a subscriber', async () => {
    await fill(1)
    const inbox = createInbox()
    await jsm.consumers.add(name, {
      durable_name: 'c',
      deliver_subject: `${inbox}.x`,
      deliver_group: 'g',
    })
    const wild = connection.subscribe(`${inbox}.*`)
    const plain = connection.subscribe(`${inbox}.x`)
    const other = connection.subscribe(`${inbox}.x`, { queue: 'other' })
    await connection.flush()
    assert.equal((await info('c')).push_bound ?? false, false)
    const member = connection.subscribe(`${inbox}.x`, { queue: 'g' })
    assert.deepEqual((await take(member, 1)).map(seqOf), [1])
    for (const it of [wild, plain, other]) {
      assert.deepEqual((await take(it, 1)).map(seqOf), [1], 'others who listen hear it too')
    }
  })

  it('1.3 shares its messages among the members of its group', async () => {
    const inbox = createInbox()
    await jsm.consumers.add(name, {
      durable_name: 'c',
      deliver_subject: inbox,
      deliver_group: 'g',
      ack_policy: AckPolicy.Explicit,
    })
    const counts = [0, 0, 0]
    let done = (): void => {}
    const all = new Promise<void>((resolve) => {
      done = resolve
    })
    for (const i of counts.keys()) {
      connection.subscribe(inbox, {
        queue: 'g',
        callback: (_error, message) => {
          counts[i]!++
          message.respond()
          if (counts.reduce((sum, count) => sum + count, 0) === 60) done()
        },
      })
    }
    await fill(60)
    await all
    assert.ok(
      counts.every((count) => count > 3),
      String(counts),
    )
    await until(async () => (await info('c')).num_ack_pending === 0, 'acknowledged')
  })

  it('1.4 delivers again what is not acknowledged, as often as it may', async () => {
    const inbox = createInbox()
    const subscription = connection.subscribe(inbox)
    await jsm.consumers.add(name, {
      durable_name: 'c',
      deliver_subject: inbox,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(300),
      max_deliver: 2,
      max_ack_pending: 1,
    })
    await fill(2)
    const got = await take(subscription, 4)
    assert.deepEqual(
      got.map(({ reply }) => reply?.split('.').slice(4, 7).join(' ')),
      ['1 1 1', '2 1 2', '1 2 3', '2 2 4'],
    )
  })

  it('1.5 can not be pulled from, nor become one that is', async () => {
    const config = { durable_name: 'c', deliver_subject: 'anywhere.else' }
    await jsm.consumers.add(name, config)
    const pulled = await connection.request(`$JS.API.CONSUMER.MSG.NEXT.${name}.c`, '1')
    assert.equal(statusOf(pulled), '409 Consumer is push based')
    assert.match((await put({ durable_name: 'c' })).description, /push consumer to pull based/)
  })

  it('2.1 beats when it has nothing to say', async () => {
    const inbox = createInbox()
    const subscription = connection.subscribe(inbox)
    await jsm.consumers.add(name, {
      durable_name: 'c',
      deliver_subject: inbox,
      idle_heartbeat: nanos(200),
    })
    await fill(2)
    const beats = await take(subscription, 2, (message) => !isMessage(message))
    assert.equal(statusOf(beats[1]!), '100 Idle Heartbeat')
    assert.equal(beats[1]!.subject, inbox)
    assert.equal(beats[1]!.headers?.get('Nats-Last-Consumer'), '2')
    assert.equal(beats[1]!.headers?.get('Nats-Last-Stream'), '2')
    assert.equal(beats[1]!.headers?.has('Nats-Consumer-Stalled'), false)
  })

  it('2.2 stalls until its question is answered, and says so', async () => {
    const inbox = createInbox()
    const messages: Msg[] = []
    let question: Msg | undefined
    let stalledOn = ''
    let wake = (): void => {}
    connection.subscribe(inbox, {
      callback: (_error, message) => {
        if (isMessage(message)) messages.push(message)
        else if (message.reply) question = message
        else stalledOn = message.headers?.get('Nats-Consumer-Stalled') ?? ''
        wake()
      },
    })
    const when = async (isSo: () => boolean): Promise<void> => {
      while (!isSo()) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
    await fill(40, 'x'.repeat(100_000))
    await jsm.consumers.add(name, {
      durable_name: 'c',
      deliver_subject: inbox,
      idle_heartbeat: nanos(300),
      flow_control: true,
    })
    await when(() => stalledOn !== '')
    assert.equal(statusOf(question!), '100 FlowControl Request')
    assert.match(question!.reply!, new RegExp(`^\\$JS\\.FC\\.${name}\\.c\\.\\w+$`))
    assert.equal(stalledOn, question!.reply)
    assert.equal(messages.length, 21)
    // As clients do whose answer was lost.
    connection.publish(stalledOn)
    await when(() => messages.length === 40)
    assert.deepEqual(
      messages.map(seqOf),
      Array.from({ length: 40 }, (_, i) => i + 1),
    )
  })

  it('2.3 does not wait for a frozen subscriber but with his own messages', async () => {
    await fill(120, 'x'.repeat(100_000))
    const frozen = createConnection({ host: '127.0.0.1', port: server.port })
    const inboxes = [createInbox(), createInbox(), createInbox()]
    const [plain, controlled, other] = inboxes as [string, string, string]
    const isThere = once(frozen, 'data')
    frozen.write('CONNECT {"verbose":false}\r\n')
    frozen.write(`SUB ${plain} 1\r\nSUB ${controlled} 2\r\n`)
    await isThere
    frozen.pause()
    await connection.flush()
    const heartbeat = { idle_heartbeat: nanos(60_000), flow_control: true }
    const subscription = connection.subscribe(other)
    await jsm.consumers.add(name, { durable_name: 'plain', deliver_subject: plain })
    await jsm.consumers.add(name, { durable_name: 'fc', deliver_subject: controlled, ...heartbeat })
    await jsm.consumers.add(name, { durable_name: 'other', deliver_subject: other })
    assert.equal((await take(subscription, 120)).length, 120)
    const { delivered } = await info('fc')
    assert.ok(delivered.consumer_seq <= 21, `${delivered.consumer_seq} of 2 MiB in 100 kB`)
    frozen.destroy()
  })

  it('3.1 replays at the original pace', async () => {
    await fill(1)
    const answer = async () =>
      (await connection.request(`$JS.API.STREAM.INFO.${name}`)).json<{
        ts: string
        state: { last_ts: string }
      }>()
    await until(async () => {
      const { ts, state } = await answer()
      return Date.parse(ts) - Date.parse(state.last_ts) >= 400
    }, 'the first message 400 ms old, by the clock of the server')
    await fill(2)
    const inbox = createInbox()
    const subscription = connection.subscribe(inbox)
    const began = performance.now()
    await jsm.consumers.add(name, {
      durable_name: 'c',
      deliver_subject: inbox,
      replay_policy: ReplayPolicy.Original,
    })
    assert.deepEqual((await take(subscription, 3)).map(seqOf), [1, 2, 3])
    const took = performance.now() - began
    assert.ok(took > 380 && took < 10_000, `took ${took} ms`)
  })

  it('3.2 keeps to its rate', async () => {
    await jsm.streams.update(name, { max_msg_size: 10_000 })
    await fill(10, 'x'.repeat(8_000))
    const inbox = createInbox()
    const subscription = connection.subscribe(inbox)
    const began = performance.now()
    await jsm.consumers.add(name, {
      durable_name: 'c',
      deliver_subject: inbox,
      rate_limit_bps: 8 * 80_000,
    })
    await take(subscription, 10)
    const took = performance.now() - began
    assert.ok(took > 700 && took < 10_000, `took ${took} ms`)
  })

  it('3.3 leaves the payload out when asked for headers only', async () => {
    await fill(1)
    const inbox = createInbox()
    const subscription = connection.subscribe(inbox)
    await jsm.consumers.add(name, { durable_name: 'c', deliver_subject: inbox, headers_only: true })
    const [message] = await take(subscription, 1)
    assert.equal(message!.data.length, 0)
    assert.equal(message!.headers?.get('Nats-Msg-Size'), '1')
  })

  it('4.1 removes an ephemeral consumer that nobody listens to', async () => {
    const inbox = createInbox()
    const subscription = connection.subscribe(inbox)
    const ephemeral = (deliver_subject: string) =>
      jsm.consumers.add(name, { deliver_subject, inactive_threshold: nanos(300) })
    const isGone = async (consumer: string): Promise<boolean> =>
      (await info(consumer).catch((error: { code: number }) => error.code)) === 10014
    const { name: consumer } = await ephemeral(inbox)
    const { name: lonely } = await ephemeral(createInbox())
    await until(() => isGone(lonely), 'the other one gone, which came later')
    assert.equal((await info(consumer)).push_bound, true)
    subscription.unsubscribe()
    await until(() => isGone(consumer), 'gone')
  })

  it('4.2 moves to another subject only when nobody listens', async () => {
    const [old, next] = [createInbox(), createInbox()]
    const config = { durable_name: 'c', ack_policy: AckPolicy.Explicit, ack_wait: nanos(60_000) }
    const subscription = connection.subscribe(old)
    await jsm.consumers.add(name, { ...config, deliver_subject: old })
    await fill(2)
    await take(subscription, 2)
    const holder = connection.subscribe(old)
    await connection.flush()
    const moved = { ...config, deliver_subject: next }
    assert.equal((await put(moved)).err_code, 10013)
    holder.unsubscribe()
    await connection.flush()
    const listener = connection.subscribe(next)
    assert.equal((await put(moved)).err_code, 0)
    assert.deepEqual((await take(listener, 2)).map(seqOf), [1, 2])
    assert.equal((await put(moved)).err_code, 0)
    assert.equal((await info('c')).config.deliver_subject, next)
  })

  it('4.3 starts where it is told to, behind filters', async () => {
    for (const subject of ['a', 'b', 'a', 'c', 'b']) await js.publish(`${name}.${subject}`, subject)
    for (const [config, expected] of [
      [{ deliver_policy: DeliverPolicy.Last }, [5]],
      [{ deliver_policy: DeliverPolicy.LastPerSubject, filter_subject: `${name}.>` }, [3, 4, 5]],
      [{ deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: 4 }, [4, 5]],
      [{ filter_subjects: [`${name}.a`, `${name}.c`] }, [1, 3, 4]],
    ] as const) {
      const inbox = createInbox()
      const subscription = connection.subscribe(inbox)
      await jsm.consumers.add(name, { deliver_subject: inbox, ...config } as never)
      assert.deepEqual((await take(subscription, expected.length)).map(seqOf), expected)
    }
  })

  it('4.4 pushes into another stream, under the subject that it was stored with', async () => {
    await fill(3)
    const copy = `${name}-COPY`
    await jsm.streams.add({ name: copy, subjects: [`copy.${name}`] })
    await jsm.consumers.add(name, { durable_name: 'c', deliver_subject: `copy.${name}` })
    await until(async () => (await jsm.streams.info(copy)).state.messages === 3, 'copied')
    assert.equal((await jsm.streams.getMessage(copy, { seq: 3 }))?.subject, `${name}.a`)
    assert.equal((await info('c')).num_pending, 0)
  })

  it('5.1 serves the official push consumer', async () => {
    await fill(300)
    await jsm.consumers.add(name, {
      durable_name: 'c',
      deliver_subject: createInbox(),
      ack_policy: AckPolicy.Explicit,
      idle_heartbeat: nanos(500),
      flow_control: true,
    })
    const consumer = await js.consumers.getPushConsumer(name, 'c')
    const seen: number[] = []
    for await (const message of await consumer.consume()) {
      message.ack()
      seen.push(message.seq)
      if (seen.length === 300) break
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 300 }, (_, i) => i + 1),
    )
  })

  it('6.1 serves the ordered push consumer, also when it begins anew in the middle', async () => {
    await fill(200)
    const messages = await (await js.consumers.getPushConsumer(name)).consume()
    const again = async (): Promise<void> => {
      const [lost] = await jsm.consumers.list(name).next()
      await jsm.consumers.delete(name, lost!.name)
      // Another one that counts from 1: to the client it has lost messages.
      await jsm.consumers.add(name, lost!.config)
    }
    const seen: number[] = []
    const meanwhile: Promise<unknown>[] = []
    for await (const message of messages) {
      seen.push(message.seq)
      if (seen.length === 50) meanwhile.push(again())
      if (seen.length === 200) meanwhile.push(fill(100))
      if (seen.length === 300) break
    }
    await Promise.all(meanwhile)
    assert.deepEqual(
      seen,
      Array.from({ length: 300 }, (_, i) => i + 1),
    )
  })

  it('6.2 serves the ordered pull consumer, also when it is lost in the middle', async () => {
    await fill(200)
    const consumer = await js.consumers.get(name)
    const messages = await consumer.consume({ max_messages: 20, idle_heartbeat: 500 })
    const seen: number[] = []
    const meanwhile: Promise<unknown>[] = []
    for await (const message of messages) {
      seen.push(message.seq)
      if (seen.length === 50) {
        const [lost] = await jsm.consumers.list(name).next()
        meanwhile.push(jsm.consumers.delete(name, lost!.name))
      }
      if (seen.length === 200) meanwhile.push(fill(100))
      if (seen.length === 300) break
    }
    await Promise.all(meanwhile)
    assert.deepEqual(
      seen,
      Array.from({ length: 300 }, (_, i) => i + 1),
    )
  })
})
