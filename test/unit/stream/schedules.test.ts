import assert from 'node:assert/strict'
import { StreamWorld } from '../../support/stream-world.ts'

const SECOND = 1_000

describe('schedules', () => {
  let world: StreamWorld

  beforeEach(async () => {
    world = await StreamWorld.start()
    await world.engine.ensure({
      name: 'S',
      subjects: ['s.>'],
      allow_msg_schedules: true,
      allow_msg_ttl: true,
    })
  })

  async function publish(subject: string, headers: Record<string, string> = {}, payload = 'x') {
    const reply = world.port.newInbox()
    const answer = world.port.next(reply)
    world.port.send(subject, payload, { reply, headers }).catch(assert.fail)
    return JSON.parse((await answer).payload) as { seq: number; error?: { err_code: number } }
  }

  function schedule(pattern: string, more: Record<string, string> = {}) {
    return { 'Nats-Schedule': pattern, 'Nats-Schedule-Target': 's.target', ...more }
  }

  async function on(subject: string) {
    const { store } = world.engine.stream('S')!
    const { messages } = await store.read({ fromSeq: 1, messagesMax: 1_000, bytesMax: 1 << 20 })
    return messages
      .filter((message) => message.subject === subject)
      .map(({ headers, payload }) => ({
        headers: Buffer.from(headers).toString(),
        payload: Buffer.from(payload).toString(),
      }))
  }

  const inSeconds = (seconds: number): string =>
    `@at ${new Date(world.store.wallMs() + seconds * SECOND).toISOString()}`

  it('publish once at their time, and are gone with it', async () => {
    await publish('s.one', schedule(inSeconds(30), { Other: 'kept', 'Nats-Schedule-TTL': '5m' }))
    await world.pass(29 * SECOND)
    assert.equal((await on('s.target')).length, 0)
    await world.pass(2 * SECOND)
    assert.deepEqual(await on('s.target'), [
      {
        headers:
          'NATS/1.0\r\nOther: kept\r\nNats-Scheduler: s.one\r\nNats-Schedule-Next: purge\r\nNats-TTL: 5m\r\n\r\n',
        payload: 'x',
      },
    ])
    assert.equal((await on('s.one')).length, 0)
    await world.crash()
    await world.pass(60 * SECOND)
    assert.equal((await on('s.target')).length, 1)
    await world.pass(300 * SECOND)
    assert.equal((await on('s.target')).length, 0, 'the lifetime of what was published')
  })

  it('publish again and again, over crashes too, and make up for one time', async () => {
    await publish('s.every', schedule('@every 10s'))
    await world.pass(35 * SECOND)
    assert.equal((await on('s.target')).length, 3)
    await world.crash()
    await world.pass(4 * SECOND)
    assert.equal((await on('s.target')).length, 3)
    await world.pass(3 * SECOND)
    assert.equal((await on('s.target')).length, 4)
    world.jump(20 * SECOND)
    await world.crash()
    await world.pass(1 * SECOND)
    assert.equal((await on('s.target')).length, 5)
    await world.pass(8 * SECOND)
    assert.equal((await on('s.target')).length, 5)
    await world.pass(4 * SECOND)
    assert.equal((await on('s.target')).length, 6)
  })

  it('publish what is last on another subject, or what they hold themselves', async () => {
    await publish('s.every', schedule('@every 10s', { 'Nats-Schedule-Source': 's.source' }), 'own')
    await world.pass(11 * SECOND)
    await publish('s.source', { A: '1', 'Nats-TTL': '1h', 'Nats-Msg-Id': 'id' }, 'latest')
    await world.pass(10 * SECOND)
    const payloads = (await on('s.target')).map(({ payload }) => payload)
    assert.deepEqual(payloads, ['own', 'latest'])
    const [, second] = await on('s.target')
    assert.match(second?.headers ?? '', /^NATS\/1.0\r\nA: 1\r\nNats-Scheduler: s.every\r\n/)
    assert.doesNotMatch(second?.headers ?? '', /TTL|Msg-Id|Source/)
  })

  it('end when they are replaced, removed, purged or told to', async () => {
    for (const subject of ['s.a', 's.b', 's.c', 's.d', 's.e']) {
      await publish(subject, schedule('@every 10s'))
    }
    await publish('s.a')
    const stream = world.engine.stream('S')!
    await stream.removeMessage(stream.store.lastSeqOf('s.b'))
    await stream.purge({ keep: 0, throughSeq: stream.store.lastSeqOf('s.c') })
    await publish('s.other', { 'Nats-Schedule-Next': 'purge', 'Nats-Scheduler': 's.d' })
    await world.pass(11 * SECOND)
    const from = (await on('s.target')).map(({ headers }) => /Scheduler: (.*)\r/.exec(headers)?.[1])
    assert.deepEqual(from, ['s.e'])
    const states = [...stream.store.states.entries()].map(([key]) => key)
    assert.deepEqual(states, ['schedule/s.e'])
  })

  it('are not lost when the store does not take what they publish', async () => {
    await publish('s.one', schedule(inSeconds(5)))
    world.store.isAuto = false
    await world.pass(6 * SECOND)
    assert.equal(world.engine.stream('S')!.store.assignedSeq, 2)
    world.store.isAuto = true
    world.store.failCommit()
    await world.pass(2 * SECOND)
    assert.equal((await on('s.target')).length, 1)
    assert.equal((await on('s.one')).length, 0)
  })

  it('do not fire early because a clock jumped ahead', async () => {
    await publish('s.one', schedule(inSeconds(3_600)))
    world.jump(2 * 3_600 * SECOND)
    await world.pass(300 * SECOND)
    assert.equal((await on('s.target')).length, 0)
  })
})
