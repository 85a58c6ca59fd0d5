import assert from 'node:assert/strict'
import type { Published } from '../../support/memory-port.ts'
import { StreamWorld } from '../../support/stream-world.ts'

interface Info {
  readonly num_pending: number
  readonly num_ack_pending: number
  readonly num_waiting: number
  readonly num_redelivered: number
  readonly push_bound?: boolean
  readonly ack_floor: { readonly stream_seq: number }
  readonly delivered: { readonly stream_seq: number; readonly consumer_seq: number }
}

describe('push consumer', () => {
  let world: StreamWorld

  beforeEach(async () => {
    world = await StreamWorld.start()
    await world.engine.ensure({ name: 'S', subjects: ['s.>'] })
  })

  async function consumer(config: Record<string, unknown> = {}, name = 'c'): Promise<void> {
    const full = { durable_name: name, deliver_subject: `push.${name}`, ...config }
    const request = { stream_name: 'S', config: full }
    const { error } = await world.port.api(`CONSUMER.CREATE.S.${name}`, request)
    assert.equal(error, undefined)
  }

  async function publish(count: number, payload = 'x'): Promise<void> {
    for (let i = 0; i < count; i++) await world.port.send('s.a', payload)
    await world.pass(0)
  }

  /** What has come since the last look. */
  function came(inbox = 'push.c'): Published[] {
    const all = world.port.inboxes.get(inbox) ?? []
    world.port.inboxes.delete(inbox)
    return all
  }

  const seqOf = ({ reply }: Published): number => Number(reply.split('.')[5])
  const isMessage = ({ reply }: Published): boolean => reply.startsWith('$JS.ACK.')
  const seqs = (all: readonly Published[]): number[] => all.filter(isMessage).map(seqOf)
  const statuses = (all: readonly Published[]): string[] =>
    all.filter((m) => m.headers.startsWith('NATS/1.0 ')).map((m) => m.headers)
  const info = (name = 'c'): Promise<Info> => world.port.api<Info>(`CONSUMER.INFO.S.${name}`)
  const count = (from: number, to: number): number[] =>
    Array.from({ length: to - from + 1 }, (_, i) => from + i)

  it('delivers under the stored subject to whoever subscribes', async () => {
    await publish(2)
    await consumer()
    await publish(1)
    const all = came()
    assert.deepEqual(seqs(all), [1, 2, 3])
    assert.equal(all[0]?.subject, 's.a')
    assert.match(all[0]?.reply ?? '', /^\$JS\.ACK\.S\.c\.1\.1\.1\.\d{19}\.1$/)
    const { push_bound, num_waiting, num_pending } = await info()
    assert.deepEqual([push_bound, num_waiting, num_pending], [true, 0, 0])
  })

  it('waits for a subscriber, and stops when there is none any more', async () => {
    world.port.deaf.add('push.c')
    await consumer()
    await publish(2)
    assert.equal((await info()).push_bound, undefined)
    assert.deepEqual(came(), [])
    world.port.setInterest('push.c', true)
    await world.pass(0)
    assert.deepEqual(seqs(came()), [1, 2])
    world.port.setInterest('push.c', false)
    await publish(1)
    assert.deepEqual([came(), (await info()).num_pending], [[], 1])
    world.port.setInterest('push.c', true)
    await world.pass(0)
    assert.deepEqual(seqs(came()), [3])
  })

  it('does not count as delivered what nobody took', async () => {
    await consumer()
    world.port.refusing.add('push.c')
    await publish(2)
    await world.pass(500)
    assert.equal((await info()).delivered.consumer_seq, 0)
    world.port.refusing.delete('push.c')
    await world.pass(1_000)
    assert.deepEqual(seqs(came()), [1, 2])
  })

  it('is held up by a receiver that is behind, and by no other', async () => {
    await consumer()
    await consumer({}, 'd')
    await publish(1)
    world.port.flows.get('push.c')?.pause()
    world.port.flows.get('push.c')?.pause()
    await publish(2)
    assert.deepEqual([seqs(came()), seqs(came('push.d'))], [[1], [1, 2, 3]])
    world.port.flows.get('push.c')?.resume()
    await world.pass(100)
    assert.deepEqual(came(), [])
    world.port.flows.get('push.c')?.resume()
    await world.pass(0)
    assert.deepEqual(seqs(came()), [2, 3])
  })

  it('stops at max_ack_pending, and delivers again what is not acknowledged', async () => {
    await consumer({ ack_policy: 'explicit', max_ack_pending: 2, ack_wait: 1e9 })
    await publish(3)
    const [first] = came()
    await world.pass(500)
    assert.deepEqual(seqs(came()), [])
    await world.port.send(first?.reply ?? '', '+ACK')
    await world.pass(0)
    assert.deepEqual(seqs(came()), [3])
    await world.pass(600)
    assert.deepEqual(seqs(came()), [2])
    assert.equal((await info()).num_redelivered, 1)
  })

  it('beats when it is silent for as long as that, and only for somebody', async () => {
    await consumer({ idle_heartbeat: 1e9 })
    await publish(3)
    came()
    await world.pass(950)
    assert.deepEqual(came(), [])
    await world.pass(100)
    assert.deepEqual(statuses(came()), [
      'NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 3\r\nNats-Last-Stream: 3\r\n\r\n',
    ])
    await world.pass(500)
    await publish(1)
    came()
    await world.pass(950)
    assert.deepEqual(came(), [], 'a message takes the place of a heartbeat')
    await world.pass(2_100)
    assert.equal(statuses(came()).length, 3)
    world.port.setInterest('push.c', false)
    await world.pass(5_000)
    assert.deepEqual(came(), [])
  })

  it('asks for an answer at half of its window, and stalls at all of it', async () => {
    await consumer({ flow_control: true, idle_heartbeat: 1e9 })
    await publish(300, 'x'.repeat(10_000))
    await world.pass(1_500)
    const all = came()
    const delivered = seqs(all).length
    const questions = all.filter((m) => m.headers.includes('100 FlowControl Request'))
    assert.equal(questions.length, 1)
    const question = questions[0]?.reply ?? ''
    assert.match(question, /^\$JS\.FC\.S\.c\.\w{4,}$/)
    const at = all.findIndex((m) => m.headers.includes('FlowControl'))
    assert.ok(at > 100 && at < 110, `asked after ${at}`)
    assert.ok(delivered > 205 && delivered < 215, `stalled after ${delivered}`)
    const beat = statuses(all).at(-1) ?? ''
    assert.ok(beat.includes(`\r\nNats-Consumer-Stalled: ${question}\r\n`), beat)
    await world.port.send(`${question}x`)
    await world.port.send('$JS.FC.S.c.nono')
    await world.pass(100)
    assert.deepEqual(seqs(came()), [], 'an answer to something else')
    await world.port.send(question)
    await world.pass(0)
    const rest = came()
    assert.deepEqual(seqs(rest), count(delivered + 1, 300), 'the window has doubled')
    await world.port.send(question)
    await world.pass(0)
    assert.equal(came().length, 0, 'an answer counts once')
  })

  it('lets a message through that is larger than the window', async () => {
    await consumer({ flow_control: true, idle_heartbeat: 1e9 })
    await publish(4, 'x'.repeat(3 * 1024 * 1024))
    const got: number[] = []
    for (let answers = 0; answers < 4; answers++) {
      const all = came()
      got.push(...seqs(all))
      const question = all.find((m) => m.headers.includes('FlowControl'))
      if (question !== undefined) await world.port.send(question.reply)
      await world.pass(0)
    }
    assert.deepEqual(got, [1, 2, 3, 4])
  })

  it('takes the answers to flow control for acknowledgements where that is the policy', async () => {
    await consumer({ ack_policy: 'flow_control', max_ack_pending: 10 })
    await publish(25)
    const all = came()
    assert.deepEqual(seqs(all), count(1, 10))
    const question = all.find((m) => m.headers.includes('FlowControl'))?.reply ?? ''
    await world.pass(60_000)
    assert.deepEqual(seqs(came()), [], 'nothing falls due by itself')
    const done = { 'Nats-Last-Consumer': '7', 'Nats-Last-Stream': '7' }
    await world.port.send(question, '', { headers: done })
    await world.pass(0)
    assert.equal((await info()).ack_floor.stream_seq, 7)
    const next = came()
    assert.deepEqual(seqs(next), count(11, 17))
    const again = next.find((m) => m.headers.includes('FlowControl'))?.reply ?? ''
    const rest = { 'Nats-Last-Consumer': '17', 'Nats-Last-Stream': '17' }
    await world.port.send(again, '', { headers: rest })
    await world.pass(0)
    assert.deepEqual(seqs(came()), count(18, 25))
    await world.pass(1_000)
    const late = came().find((m) => m.headers.includes('FlowControl'))
    assert.ok(late, 'asked after at the end of the stream')
  })

  it('keeps to its rate', async () => {
    await world.engine.ensure({ name: 'S', subjects: ['s.>'], max_msg_size: 2_000 })
    await consumer({ rate_limit_bps: 80_000 })
    await publish(30, 'x'.repeat(1_000))
    const atOnce = seqs(came()).length
    assert.equal(atOnce, 1, 'what the bucket holds')
    await world.pass(1_000)
    const inASecond = seqs(came()).length
    assert.ok(inASecond >= 9 && inASecond <= 10, `${inASecond} of ten`)
  })

  it('replays at the pace of the stored times, then at once', async () => {
    for (const pause of [0, 100, 1_000, 20]) {
      await world.pass(pause)
      await publish(1)
    }
    await consumer({ replay_policy: 'original' })
    await world.pass(50)
    assert.deepEqual(seqs(came()), [1])
    await world.pass(100)
    assert.deepEqual(seqs(came()), [2])
    await world.pass(900)
    assert.deepEqual(seqs(came()), [])
    await world.pass(100)
    assert.deepEqual(seqs(came()), [3, 4])
    await world.pass(5_000)
    await publish(2)
    assert.deepEqual(seqs(came()), [5, 6])
  })

  it('is gone when nobody subscribes for its inactive threshold', async () => {
    await consumer({ durable_name: undefined, name: 'c', inactive_threshold: 2e9 })
    await world.pass(10_000)
    assert.equal((await info()).push_bound, true, 'a subscriber keeps it, silent as it is')
    world.port.setInterest('push.c', false)
    await world.pass(1_900)
    world.port.setInterest('push.c', true)
    await world.pass(5_000)
    world.port.setInterest('push.c', false)
    await world.pass(1_900)
    assert.equal((await info()).delivered.consumer_seq, 0)
    await world.pass(200)
    const { error } = await world.port.api('CONSUMER.INFO.S.c')
    assert.equal(error?.err_code, 10014)
  })

  it('can not be pulled from', async () => {
    await consumer()
    const { headers } = await world.port.request('$JS.API.CONSUMER.MSG.NEXT.S.c', '1')
    assert.equal(headers, 'NATS/1.0 409 Consumer is push based\r\n\r\n')
  })

  it('moves to another subject when nobody listens any more, with what is pending', async () => {
    const config = { ack_policy: 'explicit', ack_wait: 60e9 }
    await consumer(config)
    await publish(2)
    came()
    const moved = {
      stream_name: 'S',
      config: { durable_name: 'c', deliver_subject: 'push.new', ...config },
    }
    const refused = await world.port.api('CONSUMER.CREATE.S.c', moved)
    assert.equal(refused.error?.err_code, 10013)
    world.port.setInterest('push.c', false)
    assert.equal((await world.port.api('CONSUMER.CREATE.S.c', moved)).error, undefined)
    await world.pass(0)
    assert.deepEqual(seqs(came('push.new')), [1, 2])
    world.port.setInterest('push.c', true)
    await publish(1)
    assert.deepEqual([seqs(came('push.new')), came()], [[3], []])
  })

  it('goes on after a crash from what it knows to be acknowledged', async () => {
    await consumer({ ack_policy: 'explicit', ack_wait: 5e9 })
    await publish(3)
    for (const { reply } of came().slice(0, 2)) await world.port.send(reply)
    await world.pass(1_000)
    await world.crash()
    await publish(1)
    assert.deepEqual(seqs(came()), [4])
    await world.pass(6_000)
    assert.equal(seqs(came())[0], 3)
  })

  it('delivers nothing before it is on disk', async () => {
    await publish(1)
    world.store.isAuto = false
    const request = { stream_name: 'S', config: { name: 'c', deliver_subject: 'push.c' } }
    const answer = world.port.api('CONSUMER.CREATE.S.c', request)
    await world.pass(500)
    world.port.setInterest('push.c', true)
    assert.deepEqual(came(), [])
    world.store.commit()
    await answer
    await world.pass(0)
    assert.deepEqual(seqs(came()), [1])
  })
})
