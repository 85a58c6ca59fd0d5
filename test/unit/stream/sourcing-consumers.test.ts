import assert from 'node:assert/strict'
import { sourcingCreation } from '../../../shared/stream/api/sourcing-api.ts'
import type { ConsumerConfig } from '../../../shared/stream/config/consumer-config.ts'
import type { ConsumerCreation } from '../../../shared/stream/consumer/consumer-set.ts'
import type { Stream } from '../../../shared/stream/index.ts'
import type { ApiAnswer, Published } from '../../support/memory-port.ts'
import { StreamWorld } from '../../support/stream-world.ts'

interface Answer extends ApiAnswer {
  readonly name: string
  readonly config: ConsumerConfig
  readonly delivered: { readonly stream_seq: number; readonly consumer_seq: number }
  readonly ack_floor: { readonly stream_seq: number }
  readonly num_pending: number
  readonly num_ack_pending: number
  readonly reset_seq: number
}

/** What a nats-server sends that mirrors a stream of ours. */
const MIRRORING = {
  name: 'JS_MIRROR_abc',
  deliver_subject: '$JS.M.x',
  deliver_policy: 'by_start_sequence',
  opt_start_seq: 1,
  ack_policy: 'none',
  ack_wait: 22 * 3600e9,
  max_deliver: 1,
  idle_heartbeat: 1e9,
  flow_control: true,
  direct: true,
  sourcing: true,
  inactive_threshold: 10e9,
} as const

describe('consumers of sources', () => {
  let world: StreamWorld

  beforeEach(async () => {
    world = await StreamWorld.start(1, { serverVersion: '2.15.0' })
    await world.engine.ensure({ name: 'S', subjects: ['s.>'] })
  })

  async function publish(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await world.port.send('s.a', 'x')
    await world.pass(0)
  }

  function create(config: Record<string, unknown>): Promise<Answer> {
    const request = { stream_name: 'S', config }
    return settled(world.port.api<Answer>(`CONSUMER.CREATE.S.${config['name']}`, request))
  }

  /** What is answered once it is on disk takes its time. */
  async function settled<Value>(answer: Promise<Value>): Promise<Value> {
    await world.pass(1)
    return answer
  }

  function came(inbox: string): Published[] {
    const all = world.port.inboxes.get(inbox) ?? []
    world.port.inboxes.delete(inbox)
    return all
  }

  const sequences = (all: readonly Published[]): string[] =>
    all
      .filter(({ reply }) => reply.startsWith('$JS.ACK.'))
      .map(({ reply }) => reply.split('.').slice(5, 7).join('/'))

  it('are each another one, hidden, in memory, and gone when unused', async () => {
    await publish(2)
    const first = await create(MIRRORING)
    const second = await create({ ...MIRRORING, deliver_subject: '$JS.M.y' })
    assert.match(first.name, /^JS_MIRROR_abc-\w{8}$/)
    assert.notEqual(first.name, second.name)
    await world.pass(100)
    assert.deepEqual(sequences(came('$JS.M.x')), ['1/1', '2/2'])
    const { consumers } = await world.port.api<{ consumers: string[] }>('CONSUMER.NAMES.S')
    assert.deepEqual(consumers, [])
    assert.equal((await world.port.api(`CONSUMER.INFO.S.${first.name}`)).error, undefined)
    assert.equal(
      [...world.store.streams.values()][0]?.states.get(`consumer/${first.name}`),
      undefined,
    )
    world.port.setInterest('$JS.M.x', false)
    await world.pass(10_500)
    const { error } = await world.port.api(`CONSUMER.INFO.S.${first.name}`)
    assert.equal(error?.err_code, 10014)
    assert.equal((await world.port.api(`CONSUMER.INFO.S.${second.name}`)).error, undefined)
  })

  it('are told which making of the stream they read from', async () => {
    const request = JSON.stringify({ stream_name: 'S', config: MIRRORING })
    const subject = `$JS.API.CONSUMER.CREATE.S.${MIRRORING.name}`
    const { headers } = await world.port.request(subject, request)
    const [, identity = ''] = /^NATS\/1\.0\r\nNats-Stream-Identity: (\w{8})\r\n/.exec(headers) ?? []
    const same = { 'Nats-Stream-Identity': identity }
    const other = { 'Nats-Stream-Identity': 'another1' }
    const again = await world.port.request(subject, request, same)
    assert.equal(JSON.parse(again.payload).error, undefined)
    const refused = await world.port.request(subject, request, other)
    assert.equal(JSON.parse(refused.payload).error.err_code, 10225)
  })

  it('become durable where messages stay until they are acknowledged', () => {
    const stream = (existing?: Partial<ConsumerConfig>): Stream =>
      ({
        config: { retention: 'workqueue' },
        consumers: { get: () => existing && { config: existing } },
      }) as never
    const asked = {
      config: MIRRORING,
      action: '',
      isPedantic: false,
    } as unknown as ConsumerCreation
    const { config } = sourcingCreation(asked, stream(), () => 'x')
    assert.equal(config.durable_name, MIRRORING.name)
    assert.deepEqual(
      [config.ack_policy, config.direct, config.ack_wait],
      ['flow_control', false, 0],
    )
    assert.deepEqual([config.max_deliver, config.inactive_threshold], [0, 0])
    const there = { deliver_policy: 'all' } as const
    const again = sourcingCreation(asked, stream(there), () => 'x').config
    assert.deepEqual([again.deliver_policy, again.opt_start_seq], ['all', undefined])
  })

  it('go on behind what they acknowledged, when they are asked for again and after a crash', async () => {
    const durable = {
      durable_name: 'd',
      name: 'd',
      deliver_subject: 'to',
      deliver_policy: 'all',
      ack_policy: 'flow_control',
      max_ack_pending: 4,
      sourcing: true,
    }
    assert.equal((await create(durable)).error, undefined)
    await publish(6)
    const all = came('to')
    assert.deepEqual(sequences(all), ['1/1', '2/2', '3/3', '4/4'])
    const question = all.find(({ headers }) => headers.includes('FlowControl'))?.reply ?? ''
    const done = { 'Nats-Last-Consumer': '2', 'Nats-Last-Stream': '2' }
    await world.port.send(question, '', { headers: done })
    await world.pass(0)
    assert.deepEqual(sequences(came('to')), ['5/5', '6/6'])
    const again = await create({
      ...durable,
      deliver_policy: 'by_start_sequence',
      opt_start_seq: 5,
    })
    assert.equal(again.error, undefined)
    await world.pass(0)
    assert.deepEqual(sequences(came('to')), ['3/1', '4/2', '5/3', '6/4'])
    await world.crash()
    await world.pass(0)
    assert.deepEqual(sequences(came('to')), ['3/1', '4/2', '5/3', '6/4'])
  })

  describe('CONSUMER.RESET', () => {
    const reset = (payload: unknown = ''): Promise<Answer> =>
      settled(world.port.api<Answer>('CONSUMER.RESET.S.c', payload))

    async function consumer(config: Record<string, unknown> = {}): Promise<void> {
      const full = { durable_name: 'c', name: 'c', deliver_subject: 'to', ...config }
      assert.equal((await create({ ack_policy: 'explicit', ...full })).error, undefined)
    }

    it('goes back behind the ack floor, or to a sequence, and counts from one', async () => {
      await consumer()
      await publish(4)
      const [first, , third] = came('to')
      for (const message of [first, third]) await world.port.send(message?.reply ?? '')
      const answer = await reset()
      assert.equal(answer.type, 'io.nats.jetstream.api.v1.consumer_reset_response')
      assert.deepEqual([answer.reset_seq, answer.name, answer.error], [2, 'c', undefined])
      await world.pass(0)
      assert.deepEqual(sequences(came('to')), ['2/1', '3/2', '4/3'])
      assert.equal((await reset({ seq: 4 })).reset_seq, 4)
      await world.pass(0)
      assert.deepEqual(sequences(came('to')), ['4/1'])
      const { ack_floor, num_ack_pending } = await world.port.api<Answer>('CONSUMER.INFO.S.c')
      assert.deepEqual([ack_floor.stream_seq, num_ack_pending], [3, 1])
    })

    it('is on disk when it is answered', async () => {
      await consumer()
      await publish(3)
      world.port.setInterest('to', false)
      await reset({ seq: 2 })
      await world.crash()
      await world.pass(0)
      assert.deepEqual(sequences(came('to')), ['2/1', '3/2'])
    })

    it('goes nowhere that the consumer may not begin', async () => {
      await publish(5)
      for (const [config, seq, problem] of [
        [{ deliver_policy: 'new' }, 1, 'not allowed'],
        [{ deliver_policy: 'by_start_sequence', opt_start_seq: 3 }, 2, 'below start seq'],
      ] as const) {
        await consumer(config)
        const { error } = await reset({ seq })
        assert.deepEqual(error, {
          code: 400,
          err_code: 10204,
          description: `invalid reset: ${problem}`,
        })
        await world.port.api('CONSUMER.DELETE.S.c')
      }
    })

    it('is for nobody to answer without the consumer', async () => {
      const nothing = new Uint8Array(0)
      world.port.publish('$JS.API.CONSUMER.RESET.S.c', 'answer', nothing, nothing)
      await world.port.api('STREAM.INFO.S')
      assert.equal(world.port.inboxes.get('answer'), undefined)
    })
  })
})
