import assert from 'node:assert/strict'
import { NO_PROPERTIES } from '../../../../bridge-mqtt/codec/index.ts'
import { QOS1_HEADERS, QOS2_HEADERS } from '../../../../bridge-mqtt/headers/index.ts'
import {
  DELIVERY_PENDING_BYTES_MAX,
  RETAINED_AHEAD_MESSAGES,
  RETAINED_RETRY_MS,
} from '../../../../bridge-mqtt/limits.ts'
import { RetainedStores } from '../../../../bridge-mqtt/retained/index.ts'
import { compilePermissions, type Identity } from '../../../../shared/account/index.ts'
import { DurableWorld } from '../../../support/durable-world.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { StoreClock, settle } from '../../../support/store-clock.ts'
import { type SubscribedClient, SubscriberScene } from '../../../support/subscriber-scene.ts'

/** A user with these rights to subscribe. */
function userWith({ deny }: { deny: string[] }): Identity {
  const permissions = compilePermissions({
    publish: { allow: undefined, deny: [] },
    subscribe: { allow: undefined, deny },
    allow_responses: undefined,
  })
  return { user: 'u', account: 'A', permissions }
}

describe('subscriber of a durable session', () => {
  let clock: StoreClock
  let store: MemoryStore
  let world: DurableWorld
  let scene: SubscriberScene

  beforeEach(async () => {
    clock = new StoreClock()
    store = new MemoryStore(() => clock.wallMs())
    world = await DurableWorld.start({ store, clock })
    scene = new SubscriberScene({ space: world.space, clock })
  })

  afterEach(() => {
    scene.close()
    world.logs.destroy()
  })

  function connect(clientId = 'c', owner: Parameters<SubscriberScene['client']>[1] = {}) {
    return scene.client(clientId, { ...owner, durable: world.session(clientId) })
  }

  async function subscribe(
    client: SubscribedClient,
    ...args: Parameters<SubscribedClient['subscribe']>
  ): Promise<void> {
    client.subscribe(...args)
    await settle()
    client.take()
  }

  async function got(client: SubscribedClient): Promise<string[]> {
    await settle()
    return client.payloads()
  }

  it('has its answer when the filters are on disk', async () => {
    store.isAuto = false
    const client = connect()
    client.subscribe({ a: 1, b: 0 })
    await settle()
    assert.deepEqual(client.take(), [])
    store.commit()
    await settle()
    assert.deepEqual(client.take(), [{ packetId: 1, codes: [1, 0], properties: {} }])
    client.unsubscribe('a', 'c')
    await settle()
    assert.deepEqual(client.take(), [])
    store.commit()
    await settle()
    assert.deepEqual(client.take(), [{ packetId: 2, codes: [0, 0x11], properties: {} }])
  })

  it('is told when they could not be stored, and has what it had before', async () => {
    const client = connect('c', { wantsReasons: false })
    await subscribe(client, { a: 0 })
    store.isAuto = false
    client.subscribe({ a: 1, b: 0 })
    store.failCommit()
    await settle()
    assert.deepEqual(client.take(), [{ packetId: 1, codes: [0x83, 0x83], properties: {} }])
    assert.equal(client.subscriber.subscriptionCount, 1)
    assert.equal(scene.counters.filters, 1)
    client.unsubscribe('a')
    store.failCommit()
    await settle()
    assert.deepEqual(client.take(), [{ packetId: 2, codes: [0x83], properties: {} }])
    store.isAuto = true
    scene.publish('a', 'x', { qos: 1 })
    const [publish] = client.publishes()
    assert.deepEqual([publish?.payload, publish?.qos], ['x', 0])
  })

  it('gets each message once: what is stored from the log, all else from the router', async () => {
    const client = connect()
    await subscribe(client, { 'a/#': 2 }, { subscriptionIds: [1] })
    await subscribe(client, { 'a/+': 0 }, { subscriptionIds: [2] })
    await subscribe(client, { '+/c': { qos: 1, isRetainAsPublished: true } })
    await subscribe(client, { zero: 0 })
    await world.publish('a.b', 'two', 2)
    await world.publish('a.b', 'none', 0)
    await world.publish('zero', 'lowered', 1)
    world.publisher.publishingRetain = true
    await world.publish('x.c', 'retained', 1)
    await settle()
    const publishes = client.publishes().sort((x, y) => x.payload.localeCompare(y.payload))
    assert.deepEqual(
      publishes.map((it) => [it.payload, it.qos, it.isRetain, it.properties.subscriptionIds]),
      [
        ['lowered', 0, false, undefined],
        ['none', 0, false, [1, 2]],
        ['retained', 1, true, undefined],
        ['two', 2, false, [1, 2]],
      ],
    )
  })

  it('gets what was published while its client was away, and again what was not acknowledged', async () => {
    const before = connect()
    await subscribe(before, { a: 1, 'b/#': 2 })
    await world.publish('a', 'one')
    await world.publish('b.1', 'two', 2)
    assert.deepEqual(await got(before), ['one', 'two'])
    before.acknowledge('pubrec', 2)
    await settle()
    before.subscriber.close()
    assert.equal(scene.counters.filters, 0)
    await world.publish('a', 'three')
    await world.publish('a', 'not stored', 0)
    const after = connect()
    assert.equal(after.subscriber.subscriptionCount, 2)
    assert.equal(scene.counters.filters, 2)
    await settle()
    const packets = after.take() as { payload?: string; isDup?: boolean; packetId: number }[]
    const text = packets.map(({ payload, isDup, packetId }) => [
      payload === undefined ? 'pubrel' : Buffer.from(payload, 'hex').toString(),
      isDup ?? false,
      packetId,
    ])
    assert.deepEqual(
      text.sort((x, y) => Number(x[2]) - Number(y[2])),
      [
        ['one', true, 1],
        ['pubrel', false, 2],
        ['three', false, 3],
      ],
    )
    for (const packetId of [1, 3]) after.acknowledge('puback', packetId)
    after.acknowledge('pubcomp', 2)
    await settle()
    assert.equal(world.session('c').inflight, 0)
    scene.publish('b.x', 'direct')
    assert.deepEqual(await got(after), ['direct'])
  })

  it('counts the time that messages were stored, and drops those that have none left', async () => {
    const client = connect()
    await subscribe(client, { a: 1 })
    client.subscriber.close()
    for (const seconds of [2, 60]) {
      scene.publish('a', `${seconds}`, { qos: 1, properties: { messageExpirySeconds: seconds } })
    }
    await settle()
    clock.advance(10_500)
    const after = connect()
    await settle()
    assert.deepEqual(
      after
        .publishes()
        .map(({ payload, packetId, properties }) => [
          payload,
          packetId,
          properties.messageExpirySeconds,
        ]),
      [['60', 2, 50]],
    )
    assert.equal(scene.counters.expired, 1)
  })

  it('drops none for a wall clock that has jumped ahead', async () => {
    const client = connect()
    await subscribe(client, { a: 1 })
    client.subscriber.close()
    scene.publish('a', 'kept', { qos: 1, properties: { messageExpirySeconds: 60 } })
    await settle()
    clock.advance(10_500)
    clock.wall += 24 * 3_600_000
    const after = connect()
    await settle()
    const [publish] = after.publishes()
    assert.deepEqual([publish?.payload, publish?.properties.messageExpirySeconds], ['kept', 50])
  })

  it('is sent no more than its window and its output have room for', async () => {
    const client = connect('c', { receiveMaximum: 2 })
    await subscribe(client, { a: 1 })
    for (let i = 0; i < 5; i++) await world.publish('a', `${i}`)
    assert.deepEqual(await got(client), ['0', '1'])
    client.channel.pendingBytes = DELIVERY_PENDING_BYTES_MAX
    for (const packetId of [1, 2]) client.acknowledge('puback', packetId)
    assert.deepEqual(await got(client), [])
    client.channel.pendingBytes = 0
    client.subscriber.flushQueue()
    assert.deepEqual(await got(client), ['2', '3'])
  })

  it('is sent nothing above its packet size: the message counts as done', async () => {
    const client = connect('c', { packetBytesMax: 100 })
    await subscribe(client, { a: 1 })
    await world.publish('a', 'x'.repeat(100))
    await world.publish('a', 'small')
    await settle()
    assert.deepEqual(
      client.publishes().map(({ payload, packetId }) => [payload, packetId]),
      [['small', 2]],
    )
    assert.equal(world.session('c').inflight, 1)
  })

  it('loses the filters that its user may not have any more, here and on disk', async () => {
    const client = connect()
    await subscribe(client, { 'secret/a': 1, open: 1 })
    client.subscriber.close()
    const after = connect('c', { identity: userWith({ deny: ['secret.>'] }) })
    assert.equal(after.subscriber.subscriptionCount, 1)
    assert.deepEqual([...world.session('c').filters.keys()], ['open'])
  })

  it('leaves shared subscriptions to the log, and is chosen by it', async () => {
    const client = connect()
    await subscribe(client, { '$share/my group/a': 1 }, { subscriptionIds: [7] })
    const [member] = world.space.matching('a')
    assert.deepEqual([member?.subject, member?.queue], ['a', 'my/%20group'])
    await world.publish('a', 'stored', 1)
    await world.publish('a', 'passing', 0)
    await settle()
    const publishes = client.publishes().sort((x, y) => y.qos - x.qos)
    assert.deepEqual(
      publishes.map(({ payload, qos, properties }) => [payload, qos, properties.subscriptionIds]),
      [
        ['stored', 1, [7]],
        ['passing', 0, [7]],
      ],
    )
  })

  it('leaves to others of its group what its user may not receive', async () => {
    const denied = connect('denied', { identity: userWith({ deny: ['secret.>'] }) })
    const allowed = connect('allowed')
    for (const client of [denied, allowed]) await subscribe(client, { '$share/g/#': 1 })
    for (let i = 0; i < 10; i++) {
      for (const qos of [0, 1]) await world.publish('secret.x', `${i}`, qos)
    }
    assert.deepEqual(await got(denied), [])
    assert.equal((await got(allowed)).length, 20)
  })

  it('gets nothing that its user may not receive any more as a member of the group', async () => {
    const client = connect()
    await subscribe(client, { '$share/g/jobs/+': 1 })
    client.subscriber.close()
    for (const name of ['closed', 'open', 'own']) await world.publish(`jobs.${name}`, name)
    const identity = userWith({ deny: ['jobs.closed g', 'jobs.own g'] })
    await world.subscribe('c', 'jobs/own')
    const after = connect('c', { identity })
    // Its own filter is another way in which it may have the message.
    assert.deepEqual(await got(after), ['open', 'own'])
    for (const packetId of [2, 3]) after.acknowledge('puback', packetId)
    assert.equal(world.session('c').backlog, 0, 'what was not sent is done')
  })

  it('takes an acknowledgement of another kind for a violation', async () => {
    const client = connect()
    await subscribe(client, { a: 2 })
    await world.publish('a', 'one', 1)
    await world.publish('a', 'two', 2)
    await settle()
    assert.equal(client.acknowledge('puback', 9), undefined)
    assert.ok(client.acknowledge('pubrec', 1))
    assert.ok(client.acknowledge('puback', 2))
    assert.ok(client.acknowledge('pubcomp', 2))
    assert.equal(client.acknowledge('puback', 1), undefined)
  })

  for (const qos of [1, 2] as const) {
    it(`is sent again what is retained and not acknowledged, and the rest, at QoS ${qos} [MQTT-4.4.0-1]`, async () => {
      const stores = await RetainedStores.open({ store, clock })
      const retained = stores.of('A')
      const retain = (name: string, payload: string): void =>
        retained.set(
          Buffer.from(`r.${name}`),
          qos === 1 ? QOS1_HEADERS : QOS2_HEADERS,
          Buffer.from(payload),
        )
      // Those lie in the log when the client leaves; two of them do not.
      const ahead = Array.from({ length: RETAINED_AHEAD_MESSAGES - 2 }, (_, i) => `${i}`)
      for (const name of ['a', 'b', ...ahead, 'c', 'd']) retain(name, name)
      const client = connect('c', { retained, receiveMaximum: 2 })
      client.subscribe({ 'r/#': qos })
      await settle()
      const sent = client.publishes()
      assert.deepEqual(
        sent.map(({ payload, isRetain }) => [payload, isRetain]),
        [
          ['a', true],
          ['b', true],
        ],
      )
      client.subscriber.close()
      // The log has it as it was published: it is not sent twice.
      retain('d', 'newer')
      await world.publish('r.d', 'newer', qos)
      const last = connect('c', { retained, receiveMaximum: 2 })
      const seen: (readonly [string, boolean, number])[] = []
      for (let isMore = true; isMore; ) {
        clock.advance(RETAINED_RETRY_MS)
        await settle()
        const publishes = last.publishes()
        isMore = publishes.length > 0
        for (const { payload, isDup, isRetain, packetId } of publishes) {
          seen.push([payload, isDup, packetId])
          assert.equal(isRetain, payload !== 'newer')
          last.acknowledge(qos === 1 ? 'puback' : 'pubrec', packetId)
          await settle()
          if (qos === 2) last.acknowledge('pubcomp', packetId)
        }
      }
      const [a, b] = sent.map(({ packetId }) => packetId)
      assert.deepEqual(seen.slice(0, 2), [
        ['a', true, a],
        ['b', true, b],
      ])
      const rest = seen.slice(2).map(([payload, isDup]) => [payload, isDup])
      assert.deepEqual(rest, [
        ...ahead.map((name) => [name, false]),
        ['newer', false],
        ['c', false],
      ])
      last.subscriber.close()
      assert.deepEqual(await got(connect('c', { retained })), [])
      stores.close()
    })
  }

  it('goes on with what is retained as soon as the log has been read that comes before it', async () => {
    const stores = await RetainedStores.open({ store, clock })
    const retained = stores.of('A')
    scene.close()
    scene = new SubscriberScene({ space: world.space, clock, ackPendingMax: 1_000 })
    const ahead = Array.from({ length: RETAINED_AHEAD_MESSAGES }, (_, i) => `${i}`)
    const names = [...ahead, 'c', 'd']
    for (const name of names) {
      retained.set(Buffer.from(`r.${name}`), QOS1_HEADERS, Buffer.from(name))
    }
    const client = connect('c', { retained, receiveMaximum: 2 })
    client.subscribe({ 'r/#': 1, x: 1 })
    await settle()
    assert.equal(client.publishes().length, 2)
    client.subscriber.close()
    await world.publish('x', 'away', 1)
    const last = connect('c', { retained, receiveMaximum: 1_000 })
    // The clock stands: nobody looks again after a while.
    assert.deepEqual(await got(last), [...ahead, 'away', 'c', 'd'])
    stores.close()
  })

  it('answers before its retained messages, also when the disk is slow', async () => {
    let asked = 0
    const replay = () => ({
      next: () => {
        asked++
        return Promise.resolve([])
      },
      isNewest: () => true,
    })
    const client = connect('c', { retained: { replay } })
    store.isAuto = false
    client.subscribe({ a: 1 }, NO_PROPERTIES)
    client.subscriber.flushQueue()
    await settle()
    assert.equal(asked, 0)
    store.commit()
    await settle()
    assert.equal(asked, 1)
  })
})
