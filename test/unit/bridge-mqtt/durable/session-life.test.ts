import assert from 'node:assert/strict'
import {
  NO_PROPERTIES,
  PLACE,
  propertySection,
  type WillMessage,
} from '../../../../bridge-mqtt/codec/index.ts'
import { NEVER_EXPIRES } from '../../../../bridge-mqtt/durable/index.ts'
import { DurableWorld, filterOf } from '../../../support/durable-world.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { RecordingLog } from '../../../support/mqtt-core.ts'
import { StoreClock, settle } from '../../../support/store-clock.ts'

function willOf(payload: string, delaySeconds?: number): WillMessage {
  const properties =
    delaySeconds === undefined
      ? NO_PROPERTIES
      : { willDelaySeconds: delaySeconds, contentType: 'text/plain' }
  return {
    topic: Buffer.from('will/topic'),
    payload: Buffer.from(payload),
    qos: 1,
    isRetain: true,
    properties,
    section: Buffer.from(propertySection(properties, PLACE.will)),
  }
}

describe('mqtt durable: life of a session', () => {
  let clock: StoreClock
  let store: MemoryStore
  let world: DurableWorld
  let log: RecordingLog

  beforeEach(async () => {
    clock = new StoreClock()
    log = new RecordingLog()
    store = new MemoryStore(() => clock.wallMs())
    world = await DurableWorld.start({ store, clock, log })
  })

  afterEach(() => world.logs.destroy())

  /** @param awayMs how long nothing runs */
  async function restart(awayMs = 0): Promise<void> {
    await settle()
    world.logs.destroy()
    store = store.restarted()
    const { wall } = clock
    clock = new StoreClock()
    clock.wall = wall + awayMs
    world = await DurableWorld.start({ store, clock, log, seed: 2 })
    await settle()
  }

  it('comes back with its filters, its expiry and when it was made', async () => {
    const options = { isNoLocal: true, isRetainAsPublished: true, subscriptionId: 268_435_455 }
    const asked = [
      filterOf('a/+', 2, { ...options, retainHandling: 2 }),
      filterOf('$share/g/b', 1),
      filterOf('q0', 0),
    ]
    world.session('c/*> \u{1f600}', 1_000)
    await world.subscribe('c/*> \u{1f600}', ...asked)
    const { createdMs } = world.session('c/*> \u{1f600}')
    await restart(5)
    const found = world.log.sessions.get('c/*> \u{1f600}')
    assert.ok(found)
    assert.equal(found.expirySeconds, 1_000)
    assert.equal(found.createdMs, createdMs)
    for (const one of asked) {
      const filter = found.filters.get(one.filter)
      for (const [name, value] of Object.entries(one)) {
        assert.equal(filter?.[name as 'qos'], value, `${one.filter} ${name}`)
      }
    }
    assert.equal(world.log.stats.sessions, 1)
    assert.deepEqual(log.messages(), [])
  })

  it('forgets everything when it ends', async () => {
    await world.subscribe('c', 'a', 'b/#')
    world.session('c').setWill(willOf('x'))
    world.session('c').received(5)
    world.attach('c')
    await world.publish('a', '1')
    await settle()
    await new Promise((resolve) => world.session('c').end(resolve))
    assert.equal(world.log.sessions.size, 0)
    clock.advance(2_000)
    await settle()
    const [stream] = store.streams.values()
    assert.deepEqual([...(stream?.states.entries() ?? [])], [])
    assert.equal(world.log.stats.messages, 0)
    await world.publish('a', 'nobody is there for it')
    assert.equal(world.log.stats.messages, 0)
    await restart()
    assert.equal(world.log.sessions.size, 0)
    assert.equal(world.wills.length, 0)
  })

  it('ends when its client was away for its time, and not while it is here', async () => {
    world.session('c', 10)
    world.session('for ever', NEVER_EXPIRES).detach()
    world.attach('c')
    clock.advance(20_000)
    assert.ok(world.log.sessions.get('c'))
    world.session('c').detach()
    clock.advance(9_000)
    world.attach('c')
    clock.advance(9_000)
    world.session('c').detach()
    clock.advance(9_999)
    assert.ok(world.log.sessions.get('c'))
    clock.advance(2)
    assert.equal(world.log.sessions.get('c'), undefined)
    assert.ok(world.log.sessions.get('for ever'))
  })

  it('ends in its time also when its client never got so far as to be attached', () => {
    world.session('c', 10)
    clock.advance(9_999)
    assert.ok(world.log.sessions.get('c'))
    clock.advance(2)
    assert.equal(world.log.sessions.get('c'), undefined)
  })

  it('keeps what is in flight when its filter goes, and over a restart [MQTT-3.10.4-3]', async () => {
    world.session('c')
    await world.subscribe('c', 'a')
    const line = world.attach('c')
    await world.publish('a', 'x')
    await settle()
    assert.equal(line.sent.length, 1)
    world.session('c').detach()
    await new Promise<void>((resolve) => world.session('c').unsubscribe(['a'], () => resolve()))
    clock.advance(60_000)
    await settle()
    assert.equal(world.log.stats.messages, 1)
    await restart()
    clock.advance(60_000)
    await settle()
    const again = world.attach('c')
    await settle()
    assert.equal(again.sent.length, 1)
    world.session('c').puback(again.sent[0]?.packetId ?? 0, 0)
    clock.advance(60_000)
    await settle()
    assert.equal(world.log.stats.messages, 0)
  })

  for (const [when, qos] of [
    ['is asked for anew', 1],
    ['is lowered', 0],
  ] as const) {
    it(`keeps what is in flight over a restart when its filter ${when} [MQTT-3.10.4-3]`, async () => {
      await world.subscribe('c', 'a')
      const line = world.attach('c')
      await world.publish('a', 'x')
      await settle()
      assert.equal(line.sent.length, 1)
      if (qos > 0) {
        await new Promise<void>((resolve) => world.session('c').unsubscribe(['a'], () => resolve()))
      }
      await world.subscribe('c', filterOf('a', qos))
      world.session('c').detach()
      for (const isStarted of [false, true]) {
        if (isStarted) await restart()
        clock.advance(60_000)
        await settle()
      }
      const again = world.attach('c')
      await settle()
      assert.deepEqual(again.payloads, ['x'])
    })
  }

  it('with another expiry ends by that one; with none at once', async () => {
    world.session('c', NEVER_EXPIRES)
    world.attach('c')
    world.session('c').setExpiry(5)
    world.session('c').detach()
    clock.advance(5_001)
    assert.equal(world.log.sessions.get('c'), undefined)
    world.session('d', 100)
    world.attach('d')
    world.session('d').setExpiry(0)
    world.session('d').detach()
    assert.equal(world.log.sessions.get('d'), undefined)
  })

  it('is not ended by a wall clock that jumps, and over a restart by one that can be trusted', async () => {
    world.session('c', 100)
    world.attach('c')
    world.session('c').detach()
    clock.wall += 365 * 24 * 3_600_000
    clock.advance(50_000)
    assert.ok(world.log.sessions.get('c'))
    clock.wall -= 365 * 24 * 3_600_000
    await restart(40_000)
    assert.ok(world.log.sessions.get('c'))
    clock.advance(9_000)
    assert.ok(world.log.sessions.get('c'))
    clock.advance(2_000)
    assert.equal(world.log.sessions.get('c'), undefined)
  })

  it('counts its time anew after a crash while its client was here, and where no clock was right', async () => {
    world.session('c', 10)
    world.attach('c')
    await restart(1_000_000)
    assert.ok(world.log.sessions.get('c'))
    clock.wall = 5_000
    world.attach('c')
    world.session('c').detach()
    await restart(3_000_000_000_000)
    assert.ok(world.log.sessions.get('c'))
    clock.advance(10_001)
    assert.equal(world.log.sessions.get('c'), undefined)
  })

  it('many sessions end in turns', async () => {
    for (let i = 0; i < 300; i++) world.session(`c${i}`, 1)
    for (let i = 0; i < 300; i++) {
      world.attach(`c${i}`)
      world.session(`c${i}`).detach()
    }
    clock.advance(1_001)
    assert.ok(world.log.sessions.size > 0)
    clock.advance(5)
    assert.equal(world.log.sessions.size, 0)
  })

  it('publishes a will at once, after its delay, or never when its client says good-bye or comes back', async () => {
    for (const [id, delay] of [
      ['now', undefined],
      ['later', 5],
      ['back', 5],
      ['bye', 5],
    ] as const) {
      world.session(id, 1_000)
      world.attach(id)
      world.session(id).setWill(willOf(id, delay))
    }
    world.session('bye').setWill(undefined)
    for (const id of ['now', 'later', 'back', 'bye']) world.session(id).detach()
    const wills = (): string[] => world.wills.map(({ clientId }) => clientId)
    assert.deepEqual(wills(), ['now'])
    world.attach('back')
    clock.advance(5_001)
    assert.deepEqual(wills(), ['now', 'later'])
    world.session('back').setWill(undefined)
    await restart()
    clock.advance(100_000)
    assert.deepEqual(wills(), [], 'one that was published is not there any more')
  })

  it('publishes a will when its session ends before its delay', async () => {
    world.session('c', 3)
    world.attach('c')
    world.session('c').setWill(willOf('x', 100))
    world.session('c').detach()
    clock.advance(3_001)
    assert.equal(world.wills.length, 1)
    world.session('d', 1_000)
    world.attach('d')
    world.session('d').setWill(willOf('y', 100))
    world.session('d').detach()
    world.session('d').end()
    assert.equal(world.wills.length, 2)
  })

  it('publishes a will after a crash, when its client does not come back', async () => {
    for (const id of ['c', 'd']) {
      world.session(id)
      world.attach(id)
      world.session(id).setWill(willOf(id, 60))
    }
    await restart(1_000)
    world.attach('d')
    clock.advance(59_000)
    assert.equal(world.wills.length, 0)
    clock.advance(2_000)
    assert.deepEqual(
      world.wills.map(({ clientId, will: { topic, payload, ...rest } }) => [
        clientId,
        Buffer.from(topic).toString(),
        Buffer.from(payload).toString(),
        rest,
      ]),
      [
        [
          'c',
          'will/topic',
          'c',
          {
            qos: 1,
            isRetain: true,
            properties: willOf('', 60).properties,
            section: willOf('', 60).section,
          },
        ],
      ],
    )
  })

  it('a purge leaves nothing of an account, and sessions can be made again', async () => {
    await world.subscribe('c', 'a')
    world.session('c').setWill(willOf('x'))
    await world.publish('a', '1')
    await world.logs.purge('A')
    assert.equal(store.streams.size, 0)
    assert.equal(world.log.stats.sessions, 0)
    assert.equal([...world.space.subscriptions()].length, 0)
    await world.subscribe('c', 'a')
    await world.publish('a', '2')
    const line = world.attach('c')
    await settle()
    assert.deepEqual(line.payloads, ['2'])
    assert.equal(world.wills.length, 0)
  })

  it('an old connection neither ends nor detaches what another one has by now', async () => {
    await world.subscribe('c', 'a')
    const session = world.session('c')
    const old = world.attach('c')
    const line = world.attach('c')
    session.detach(old)
    await world.publish('a', '1')
    await settle()
    assert.deepEqual(line.payloads, ['1'])
    session.detach(line)
    assert.equal(session.isOnline, false)
  })

  it('writes nothing of a session that has ended', async () => {
    await world.subscribe('c', 'a')
    const session = world.session('c')
    world.attach('c')
    await world.publish('a', '1')
    await settle()
    session.end()
    session.puback(1, 0)
    session.setWill(willOf('x'))
    session.setExpiry(5)
    await new Promise((resolve) => session.released(1, resolve))
    await new Promise((resolve) => session.subscribe([filterOf('b')], resolve))
    await new Promise((resolve) => session.unsubscribe(['a'], resolve))
    clock.advance(1_000)
    await settle()
    const [stream] = store.streams.values()
    assert.deepEqual([...(stream?.states.entries() ?? [])], [])
  })

  it('of two sessions of one client the younger one stays', async () => {
    world.session('c', 1_000)
    const [stream] = store.streams.values()
    const [key = '', bytes = new Uint8Array(0)] = [...(stream?.states.entries() ?? [])][0] ?? []
    const older = JSON.parse(Buffer.from(bytes).toString()) as { createdMs: number }
    older.createdMs -= 1
    stream?.states.set(key.replace(/.$/, 'x'), Buffer.from(JSON.stringify(older)))
    const { createdMs } = world.session('c')
    await restart()
    assert.equal(world.log.sessions.size, 1)
    assert.equal(world.session('c').createdMs, createdMs)
    await restart()
    assert.equal(world.log.sessions.size, 1)
  })

  it('goes on behind what the limit of the log took away, and says so', async () => {
    await world.subscribe('c', 'a')
    for (let i = 0; i < 10; i++) await world.publish('a', `${i}`)
    const [stream] = store.streams.values()
    stream?.configure(stream.config, { ...stream.limits, messagesMax: 4 })
    await settle()
    assert.equal(world.log.stats.evicted, 6)
    assert.deepEqual(log.messages(), ['durable sessions have lost messages that they had not got'])
    const line = world.attach('c')
    await settle()
    assert.deepEqual(line.payloads, ['6', '7', '8', '9'])
  })

  it('refuses more sessions than there may be, and any where nothing is stored', async () => {
    const small = await DurableWorld.start({ store, clock, limits: { sessionsMax: 2 }, log })
    small.session('a')
    small.session('b')
    assert.throws(() => small.session('c'), { code: 'PETIOLE_SESSIONS_FULL' })
    small.session('a').end()
    small.session('c')
    small.logs.destroy()
  })

  it('remembers QoS 2 publishes until they are released, and nothing of a transaction that is taken back', async () => {
    const session = world.session('c')
    store.transaction(() => session.received(7))
    assert.equal(session.hasReceived(7), true)
    assert.throws(() =>
      store.transaction(() => {
        session.received(8)
        throw new Error('refused')
      }),
    )
    assert.equal(session.hasReceived(8), false)
    for (const id of [9, 1, 65_535]) store.transaction(() => session.received(id))
    await settle()
    store.isAuto = false
    store.transaction(() => session.received(20))
    assert.equal(session.hasReceived(20), true)
    store.failCommit()
    assert.equal(session.hasReceived(20), false)
    store.isAuto = true
    const releases = [7, 1].map((id) => new Promise((resolve) => session.released(id, resolve)))
    assert.deepEqual(await Promise.all(releases), [undefined, undefined])
    await restart()
    const found = world.session('c')
    assert.deepEqual(
      [1, 7, 8, 9, 20, 65_535].filter((id) => found.hasReceived(id)),
      [9, 65_535],
    )
  })

  it('knows the QoS 2 publishes that an earlier version wrote down in one record', async () => {
    const ids = [1, 255, 256, 4_242, 4_243, 4_244, 65_535]
    world.session('c')
    world.session('d')
    await settle()
    const [stream] = store.streams.values()
    assert.ok(stream)
    const { states } = stream
    const [c, d] = ['c', 'd'].map((client) => `i/${world.session(client).key}`)
    const runs = [1, 1, 255, 256, 4_242, 4_244, 65_535, 65_535]
    states.set(`${c}`, Buffer.concat([Buffer.of(1), Buffer.from(Uint16Array.from(runs).buffer)]))
    states.set(`${d}`, Buffer.of(1, 5, 0, 4, 0))
    await restart()
    assert.deepEqual(log.messages(), ['damaged state of a session'], 'a run that falls')
    const found = world.session('c')
    assert.deepEqual(
      [...Array(65_536).keys()].filter((id) => found.hasReceived(id)),
      ids,
    )
    await new Promise((resolve) => found.released(4_243, resolve))
    await restart()
    const again = world.session('c')
    assert.deepEqual(
      [...Array(65_536).keys()].filter((id) => again.hasReceived(id)),
      ids.filter((id) => id !== 4_243),
    )
    assert.equal(log.messages().length, 1, 'and what makes no sense is told once')
    const [left] = store.streams.values()
    assert.equal(left?.states.get(`${c}`), undefined)
  })

  it('begins at its oldest message when its progress is damaged, and is not there without what it is', async () => {
    await world.subscribe('c', 'a')
    world.session('d')
    world.attach('c')
    await world.publish('a', '1')
    await settle()
    clock.advance(1_000)
    await settle()
    const [stream] = store.streams.values()
    assert.ok(stream)
    const keys = [...stream.states.entries()].map(([key]) => key)
    const cKey = keys.find((key) => key.startsWith('c/')) ?? ''
    stream.states.set(cKey, Buffer.from([1, 2, 3]))
    for (const [key, bytes] of stream.states.entries()) {
      if (key.startsWith('s/')) stream.states.set(key, bytes.subarray(3))
    }
    await restart()
    assert.deepEqual(new Set(log.messages()), new Set(['damaged state of a session']))
    assert.equal(world.log.stats.sessions, 2, 'what it is lies there twice')
    const line = world.attach('c')
    await settle()
    assert.deepEqual(line.payloads, ['1'])
  })
})
