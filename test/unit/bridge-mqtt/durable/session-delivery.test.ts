import assert from 'node:assert/strict'
import { ImportedOrigin } from '../../../../shared/imports/index.ts'
import { DurableWorld, filterOf, TestPublisher } from '../../../support/durable-world.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { StoreClock, settle } from '../../../support/store-clock.ts'

describe('mqtt durable: delivery to a session', () => {
  let clock: StoreClock
  let store: MemoryStore
  let world: DurableWorld

  beforeEach(async () => {
    clock = new StoreClock()
    store = new MemoryStore(() => clock.wallMs())
    world = await DurableWorld.start({ store, clock })
  })

  afterEach(() => world.logs.destroy())

  it('tells all subscription identifiers, and delivers with the highest QoS of those that match', async () => {
    await world.subscribe(
      'c',
      filterOf('a/+', 1, { subscriptionId: 7 }),
      filterOf('a/#', 2, { subscriptionId: 9, isRetainAsPublished: true }),
      filterOf('a/1', 0, { subscriptionId: 11 }),
      filterOf('b', 1, { subscriptionId: 13 }),
    )
    const line = world.attach('c')
    await world.publish('a.1', 'x', 2)
    await world.publish('b', 'y', 2)
    await settle()
    assert.deepEqual(
      line.sent.map(({ qos, ids, isRetainAsPublished }) => [
        qos,
        [...ids].sort(),
        isRetainAsPublished,
      ]),
      [
        [2, [11, 7, 9].sort(), true],
        [1, [13], false],
      ],
    )
  })

  it('asks for each message of one subject what its filters say then', async () => {
    await world.subscribe('c', filterOf('a/+', 1, { subscriptionId: 7 }))
    const line = world.attach('c')
    await world.publish('a.1', 'before')
    await world.publish('a.1', 'also before')
    await settle()
    await world.subscribe('c', filterOf('a/#', 2, { subscriptionId: 9 }))
    await world.publish('a.1', 'both', 2)
    await world.publish('a.1', 'both again', 2)
    await settle()
    await new Promise((resolve) => world.session('c').unsubscribe(['a/+'], resolve))
    await world.publish('a.1', 'one', 2)
    await world.publish('a.1', 'at the QoS of each', 1)
    await settle()
    assert.deepEqual(
      line.sent.map(({ qos, ids }) => [qos, [...ids].sort()]),
      [
        [1, [7]],
        [1, [7]],
        [2, [7, 9]],
        [2, [7, 9]],
        [2, [9]],
        [1, [9]],
      ],
    )
  })

  it('a message is nothing for a younger filter, and the next one on its subject is', async () => {
    await world.subscribe('c', 'a')
    world.session('c').window.max = 1
    const line = world.attach('c')
    for (const one of ['x', 'y']) await world.publish('a', one, 2)
    await world.subscribe('c', filterOf('+', 2))
    await world.publish('a', 'z', 2)
    for (const packetId of [1, 2]) {
      await settle()
      world.session('c').puback(packetId, 0)
    }
    await settle()
    assert.deepEqual(
      line.sent.map(({ qos, payload }) => [qos, payload]),
      [
        [1, 'x'],
        [1, 'y'],
        [2, 'z'],
      ],
    )
  })

  it('sends what the second of two batches stores, too, when nothing else happens', async () => {
    await world.subscribe('c', 'a')
    await world.subscribe('away', 'b')
    const line = world.attach('c')
    await settle()
    store.isAuto = false
    const first = world.publish('b', 'for another')
    const { length } = store.waiting
    const second = world.publish('a', '1')
    store.commit(length)
    await first
    assert.deepEqual(line.payloads, [])
    store.commit()
    await second
    assert.deepEqual(line.payloads, ['1'])
  })

  it('looks filters up the same way when there are many', async () => {
    const others = Array.from({ length: 20 }, (_, i) => `other/${i}`)
    await world.subscribe('c', ...others, filterOf('a/+', 1, { subscriptionId: 7 }), '+/1')
    const line = world.attach('c')
    await world.publish('a.1', 'x')
    await world.publish('$x.1', 'no wildcard at the front matches it')
    await world.publish('other.3', 'y')
    await settle()
    assert.deepEqual(line.payloads, ['x', 'y'])
    assert.deepEqual(line.sent[0]?.ids, [7])
  })

  it('a filter matches what is stored from then on, and goes on when it is asked for again', async () => {
    await world.subscribe('c', 'a')
    await world.publish('a', '1')
    await world.publish('b', 'before')
    await world.subscribe('d', 'b')
    await world.publish('b', 'between')
    await world.subscribe('c', 'b', filterOf('a', 2))
    await world.publish('b', '2')
    const line = world.attach('c')
    await settle()
    assert.deepEqual(line.payloads, ['1', '2'])
  })

  it('what matches no filter any more is left out; what is in flight goes on', async () => {
    await world.subscribe('c', 'a', 'b')
    world.session('c').window.max = 1
    world.attach('c')
    for (const one of ['1', '2', '3']) await world.publish('a', one)
    await world.publish('b', '4')
    await settle()
    await new Promise((resolve) => world.session('c').unsubscribe(['a'], resolve))
    const line = world.attach('c')
    await settle()
    world.session('c').puback(1, 0)
    await settle()
    assert.deepEqual(line.payloads, ['1', '4'])
  })

  it('leaves out what the client published itself where it asks for that', async () => {
    const own = new TestPublisher(77, 'c/é\r\n')
    own.hasNoLocal = true
    await world.subscribe('c/é\r\n', filterOf('a/#', 1, { isNoLocal: true }), 'a/both')
    await world.subscribe('d', 'a/#')
    own.publish(world.space, 'a.x', 'own', 1)
    own.publish(world.space, 'a.both', 'by the other filter', 1)
    await world.publish('a.x', 'of another')
    const stranger = new TestPublisher(78, 'c/é\r\n')
    stranger.hasNoLocal = true
    stranger.account = 'B'
    stranger.publish(world.space, 'a.x', 'of another account', 1)
    const line = world.attach('c/é\r\n')
    const other = world.attach('d')
    await settle()
    assert.deepEqual(line.payloads, ['by the other filter', 'of another', 'of another account'])
    assert.equal(other.sent.length, 4)
  })

  it('what is nothing for the client counts as done', async () => {
    await world.subscribe('c', filterOf('a', 2))
    const line = world.attach('c')
    line.accepts = ({ payload }) => Buffer.from(payload).toString() !== 'too large'
    for (const one of ['1', 'too large', '2']) await world.publish('a', one, 2)
    await settle()
    assert.deepEqual(line.payloads, ['1', '2'])
    assert.equal(world.session('c').window.inflight, 2)
    assert.equal(world.session('c').inflight, 2)
  })

  it('a message in flight that is gone from the log gives its identifier back', async () => {
    await world.subscribe('c', filterOf('a', 2), filterOf('b', 1))
    world.attach('c')
    await world.publish('a', '1', 2)
    await world.publish('b', '2')
    await settle()
    world.session('c').detach()
    const [stream] = store.streams.values()
    await stream?.purge({})
    const line = world.attach('c')
    await settle()
    assert.deepEqual(line.payloads, [])
    assert.deepEqual(
      line.pubrels,
      [1],
      'whether the client has it or not, PUBREL frees the identifier',
    )
    world.session('c').pubcomp(1)
    assert.equal(world.session('c').window.inflight, 0)
  })

  it('a client that says no to a QoS 2 message is done with it', async () => {
    await world.subscribe('c', filterOf('a', 2))
    const line = world.attach('c')
    await world.publish('a', '1', 2)
    await settle()
    assert.equal(world.session('c').pubrec(1, 0x80), true)
    await settle()
    assert.deepEqual(line.pubrels, [])
    assert.equal(world.session('c').window.inflight, 0)
    assert.equal(world.session('c').pubrec(1, 0), false)
    assert.equal(world.session('c').pubcomp(1), false)
  })

  it('sends no more again at once than the client takes now', async () => {
    await world.subscribe('c', 'a')
    world.attach('c')
    for (let i = 1; i <= 50; i++) await world.publish('a', `${i}`)
    await settle()
    world.session('c').detach()
    world.session('c').window.max = 3
    const line = world.attach('c')
    await settle()
    assert.deepEqual(line.payloads, ['1', '2', '3'])
    world.session('c').puback(2, 0)
    assert.deepEqual(line.payloads, ['1', '2', '3', '4'])
    for (let i = 1; i <= 50; i++) {
      world.session('c').puback(i, 0)
      await settle(2)
    }
    assert.equal(line.sent.length, 50)
    assert.equal(world.session('c').window.inflight, 0)
  })

  it('keeps messages for one session alone, in turn with the others', async () => {
    await world.subscribe('c', 'a')
    await world.subscribe('d', '#')
    await world.publish('a', '1')
    const kept = {
      subject: Buffer.from('a'),
      headers: Buffer.from('NATS/1.0\r\nPetiole-Qos: 2\r\nPetiole-Retain: 1\r\n\r\n'),
      payload: Buffer.from('kept'),
    }
    world.session('c').keep([kept])
    await world.publish('a', '2')
    const line = world.attach('c')
    const other = world.attach('d')
    await settle()
    assert.deepEqual(
      line.sent.map(({ payload, subject, qos, isRetainAsPublished }) => [
        payload,
        subject,
        qos,
        isRetainAsPublished,
      ]),
      [
        ['1', 'a', 1, false],
        ['kept', 'a', 2, true],
        ['2', 'a', 1, false],
      ],
    )
    assert.deepEqual(other.payloads, ['1', '2'])
  })

  it('stores what a message says beside its payload, and the topic that is to be answered to', async () => {
    await world.subscribe('c', filterOf('a', 2))
    const { publisher, space } = world
    publisher.publishingQos = 1
    publisher.publishingRetain = true
    space.publish(publisher, {
      subject: Buffer.from('a'),
      reply: Buffer.from('answers.to./'),
      headers: Buffer.from('NATS/1.0\r\nPetiole-Qos: 1\r\nx: y\r\n\r\n'),
      payload: Buffer.from('x'),
    })
    const line = world.attach('c')
    await settle()
    assert.equal(
      line.sent[0]?.headers,
      'NATS/1.0\r\nPetiole-Qos: 1\r\nPetiole-Retain: 1\r\nMqtt-Response-Topic: answers/to/\r\nx: y\r\n\r\n',
    )
  })

  it('a publisher of another account waits for the log, too', async () => {
    const none = new Uint8Array(0)
    await world.subscribe('c', filterOf('a', 1))
    let held = 0
    const foreign = new TestPublisher(79)
    foreign.hold = () => {
      held++
      return () => {}
    }
    foreign.publishingQos = 1
    const origin = new ImportedOrigin(foreign, { service: {}, share: false })
    world.space.publish(origin, {
      subject: Buffer.from('a'),
      reply: none,
      headers: none,
      payload: none,
    })
    assert.equal(held, 1)
  })

  it('what a stream stores is worth QoS 2, and what nobody does is not stored here either', async () => {
    const client = { kind: 'client', id: 5, echo: true, deliver: () => {} } as const
    const publish = (subject: string): void => {
      const payload = Buffer.from(subject)
      const none = new Uint8Array(0)
      world.space.publish(client, {
        subject: Buffer.from(subject),
        reply: none,
        headers: none,
        payload,
      })
    }
    await world.subscribe('c', filterOf('#', 2))
    const capture = world.space.subscribe(client, { subject: 's.>', isCapture: true })
    const line = world.attach('c')
    publish('s.1')
    publish('t.1')
    await settle()
    assert.deepEqual(
      line.sent.map(({ payload, qos }) => [payload, qos]),
      [['s.1', 2]],
    )
    world.space.unsubscribe(capture)
    publish('s.1')
    await settle()
    assert.equal(line.sent.length, 1)
  })
})
