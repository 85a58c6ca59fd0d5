import assert from 'node:assert/strict'
import { StreamWorld } from '../../support/stream-world.ts'

const SECOND = 1_000

describe('messages that expire', () => {
  let world: StreamWorld

  beforeEach(async () => {
    world = await StreamWorld.start()
  })

  const create = (config: Record<string, unknown>) =>
    world.engine.ensure({ name: 'S', subjects: ['s.>'], allow_msg_ttl: true, ...config })

  async function publish(subject: string, headers: Record<string, string> = {}): Promise<number> {
    const reply = world.port.newInbox()
    const answer = world.port.next(reply)
    world.port.send(subject, 'x', { reply, headers }).catch(assert.fail)
    const ack = JSON.parse((await answer).payload) as { seq: number; error?: unknown }
    assert.equal(ack.error, undefined)
    return ack.seq
  }

  const ttl = (value: string): Record<string, string> => ({ 'Nats-TTL': value })

  async function stored(): Promise<string[]> {
    const { store } = world.engine.stream('S')!
    const { messages } = await store.read({ fromSeq: 1, messagesMax: 100, bytesMax: 1 << 20 })
    return messages.map(({ seq, subject, headers }) => {
      const marker = Buffer.from(headers).toString().includes('Marker') ? ' marker' : ''
      return `${seq} ${subject}${marker}`
    })
  }

  it('go when their time is over, and no earlier', async () => {
    await create({})
    await publish('s.a', ttl('10s'))
    await publish('s.b')
    await publish('s.c', ttl('5'))
    await world.pass(4.9 * SECOND)
    assert.deepEqual(await stored(), ['1 s.a', '2 s.b', '3 s.c'])
    await world.pass(0.2 * SECOND)
    assert.deepEqual(await stored(), ['1 s.a', '2 s.b'])
    await world.pass(5 * SECOND)
    assert.deepEqual(await stored(), ['2 s.b'])
  })

  it('are known again after a crash', async () => {
    await create({})
    await publish('s.a', ttl('10s'))
    await publish('s.b', ttl('60s'))
    await world.crash()
    await world.pass(9 * SECOND)
    assert.deepEqual(await stored(), ['1 s.a', '2 s.b'])
    await world.pass(2 * SECOND)
    assert.deepEqual(await stored(), ['2 s.b'])
    await world.crash()
    await world.pass(60 * SECOND)
    assert.deepEqual(await stored(), [])
  })

  it('stay for ever when they say so, whatever the age limit is', async () => {
    await create({ max_age: 10e9 })
    await publish('s.a', ttl('never'))
    await publish('s.b')
    await world.pass(5 * SECOND)
    await publish('s.c')
    await publish('s.d', ttl('60s'))
    await world.pass(5.2 * SECOND)
    assert.deepEqual(await stored(), ['1 s.a', '3 s.c', '4 s.d'])
    await world.crash()
    await world.pass(30 * SECOND)
    assert.deepEqual(await stored(), ['1 s.a'])
  })

  it('leave a marker when they were the last of their subject, which goes too', async () => {
    await create({ subject_delete_marker_ttl: 20e9, allow_rollup_hdrs: true, max_age: 10e9 })
    await publish('s.a')
    await publish('s.a')
    await publish('s.b')
    await world.pass(5 * SECOND)
    await publish('s.b')
    await world.pass(5.2 * SECOND)
    assert.deepEqual(await stored(), ['4 s.b', '5 s.a marker'])
    const { store } = world.engine.stream('S')!
    const marker = await store.get(5)
    const text =
      'NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\nNats-TTL: 20s\r\nNats-Rollup: sub\r\n\r\n'
    assert.equal(Buffer.from(marker!.headers).toString(), text)
    assert.equal(marker!.payload.length, 0)
    await world.pass(60 * SECOND)
    assert.deepEqual(await stored(), [])
  })

  it('leave markers over a crash: those that are there, and those that are due meanwhile', async () => {
    await create({ subject_delete_marker_ttl: 6e9, allow_rollup_hdrs: true, max_age: 10e9 })
    await publish('s.a')
    await world.pass(5 * SECOND)
    await publish('s.b')
    await world.pass(5.3 * SECOND)
    assert.deepEqual(await stored(), ['2 s.b', '3 s.a marker'])
    await world.crash()
    await world.pass(1 * SECOND)
    assert.deepEqual(await stored(), ['2 s.b', '3 s.a marker'], 'nothing is marked twice')
    // While nobody runs the other one is due, too.
    world.jump(4 * SECOND)
    await world.crash()
    await world.pass(0.5 * SECOND)
    assert.deepEqual(await stored(), ['3 s.a marker', '4 s.b marker'])
    await world.pass(1.5 * SECOND)
    assert.deepEqual(await stored(), ['4 s.b marker'])
    await world.crash()
    await world.pass(3 * SECOND)
    assert.deepEqual(await stored(), ['4 s.b marker'])
    await world.pass(3 * SECOND)
    assert.deepEqual(await stored(), [])
  })

  it('go without a marker from a stream that is too full to take one', async () => {
    const limits = { max_msgs: 1, discard: 'new', allow_rollup_hdrs: true }
    await create({ subject_delete_marker_ttl: 20e9, ...limits })
    await publish('s.a', ttl('30s'))
    await world.pass(31 * SECOND)
    assert.deepEqual(await stored(), [])
  })

  it('do not go because a clock jumped ahead', async () => {
    await create({ max_age: 3_600e9 })
    await publish('s.a', ttl('60s'))
    await publish('s.b')
    await world.pass(1 * SECOND)
    world.jump(24 * 3_600 * SECOND)
    await world.pass(55 * SECOND)
    assert.deepEqual(await stored(), ['1 s.a', '2 s.b'])
    await world.pass(10 * SECOND)
    assert.deepEqual(await stored(), ['2 s.b'])
  })

  it('cost no more than those that are there', async () => {
    await create({ max_msgs_per_subject: 1 })
    const sent = Array.from({ length: 20_000 }, () =>
      world.port.send('s.a', 'x', { headers: ttl('1h') }),
    )
    await Promise.all(sent)
    const [held] = world.engine.stream('S')!.publishing.deadlines
    assert.ok(held! < 10_000, `${held} deadlines`)
  })

  it('are tried again when the store does not take the marker', async () => {
    await create({ subject_delete_marker_ttl: 20e9, allow_rollup_hdrs: true })
    await publish('s.a', ttl('30s'))
    world.store.isAuto = false
    await world.pass(31 * SECOND)
    world.store.failCommit()
    await world.pass(0)
    assert.deepEqual(await stored(), ['1 s.a'])
    world.store.isAuto = true
    await world.pass(3 * SECOND)
    assert.deepEqual(await stored(), ['2 s.a marker'])
  })
})
