import assert from 'node:assert/strict'
import { DurableWorld, filterOf, type TestLine } from '../../../support/durable-world.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { StoreClock, settle } from '../../../support/store-clock.ts'

/** A SUBSCRIBE at QoS 0 for a filter that had more replaces it, and loses nothing that waits [MQTT-3.8.4-4]. */
describe('mqtt durable: a filter that is asked for again at QoS 0', () => {
  let clock: StoreClock
  let store: MemoryStore
  let world: DurableWorld

  beforeEach(async () => {
    clock = new StoreClock()
    store = new MemoryStore(() => clock.wallMs())
    world = await DurableWorld.start({ store, clock })
  })

  afterEach(() => world.logs.destroy())

  /** One message is in flight, two wait behind it, all on `a.1`. */
  async function behind(qos: number): Promise<TestLine> {
    await world.subscribe('c', filterOf('a/#', qos, { subscriptionId: 3 }))
    world.session('c').window.max = 1
    const line = world.attach('c')
    for (const payload of ['1', '2', '3']) await world.publish('a.1', payload, 2)
    await settle()
    return line
  }

  async function attached(clientId: string): Promise<string[]> {
    const line = world.attach(clientId)
    await settle()
    return line.payloads
  }

  async function acknowledge(...packetIds: number[]): Promise<void> {
    for (const packetId of packetIds) {
      world.session('c').puback(packetId, 0)
      await settle()
    }
  }

  it('gets what waits at the QoS of before, and nothing of the log that comes behind it', async () => {
    const line = await behind(1)
    await world.subscribe('c', filterOf('a/#', 0, { subscriptionId: 4 }))
    await world.publish('a.1', 'live')
    await acknowledge(1, 2, 3)
    assert.deepEqual(
      line.sent.map(({ payload, qos, ids }) => [payload, qos, ...ids]),
      [
        ['1', 1, 3],
        ['2', 1, 4],
        ['3', 1, 4],
      ],
    )
    assert.equal(world.session('c').backlog, 0)
  })

  it('gets it after a restart as well, and nobody else’s message is kept for it', async () => {
    await behind(1)
    await world.subscribe('c', filterOf('a/#', 0))
    await world.subscribe('d', 'a/1')
    await world.publish('a.1', 'for d')
    await world.logs.close()
    world = await DurableWorld.start({ store, clock })
    const other = world.attach('d')
    await settle()
    assert.deepEqual(other.payloads, ['for d'])
    world.session('d').puback(1, 0)
    clock.advance(60_000)
    await settle()
    assert.equal(world.log.stats.messages, 3)
    const line = world.attach('c')
    await settle()
    await acknowledge(1, 2, 3)
    assert.deepEqual(line.payloads, ['1', '2', '3'])
    clock.advance(60_000)
    await settle()
    assert.equal(world.log.stats.messages, 0)
  })

  it('gets it when more is asked for again, but not what came at QoS 0', async () => {
    const line = await behind(2)
    await world.subscribe('c', filterOf('a/#', 0))
    await world.subscribe('d', 'a/1')
    await world.publish('a.1', 'at QoS 0', 2)
    await world.subscribe('c', filterOf('a/#', 1))
    await world.publish('a.1', '4', 2)
    world.session('c').window.max = 9
    world.session('c').wake()
    await settle()
    assert.deepEqual(line.payloads, ['1', '2', '3', '4'])
  })

  it('gets what waited before it was asked for with more, and with less again', async () => {
    const line = await behind(1)
    for (const qos of [0, 1, 0]) await world.subscribe('c', filterOf('a/#', qos))
    await acknowledge(1, 2, 3)
    assert.deepEqual(line.payloads, ['1', '2', '3'])
  })

  it('gets it when nothing was in flight as its client was away', async () => {
    await world.subscribe('c', filterOf('a/#', 1))
    await world.subscribe('d', 'b/1')
    await world.publish('a.1', '1')
    await world.subscribe('c', filterOf('a/#', 0))
    await new Promise((resolve) => world.session('d').unsubscribe(['b/1'], resolve))
    clock.advance(60_000)
    await settle()
    assert.deepEqual(await attached('c'), ['1'])
  })

  it('keeps nothing for a member of a group: what is for it was addressed to it', async () => {
    await world.subscribe('c', filterOf('$share/g/a/#', 1))
    await world.publish('a.1', '1')
    await world.subscribe('c', filterOf('$share/g/a/#', 0))
    assert.equal(world.session('c').isWaiting, false)
    assert.deepEqual(await attached('c'), ['1'])
  })

  it('gets nothing when it is taken back', async () => {
    const line = await behind(1)
    await world.subscribe('c', filterOf('a/#', 0))
    await new Promise((resolve) => world.session('c').unsubscribe(['a/#'], resolve))
    await acknowledge(1)
    assert.deepEqual(line.payloads, ['1'])
    clock.advance(60_000)
    await settle()
    assert.equal(world.log.stats.messages, 0)
  })
})
