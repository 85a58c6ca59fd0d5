import assert from 'node:assert/strict'
import { DurableWorld, filterOf } from '../../../support/durable-world.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { StoreClock, settle } from '../../../support/store-clock.ts'

describe('mqtt durable: log of an account', () => {
  let clock: StoreClock
  let store: MemoryStore
  let world: DurableWorld

  beforeEach(async () => {
    clock = new StoreClock()
    store = new MemoryStore(() => clock.wallMs())
    world = await DurableWorld.start({ store, clock })
  })

  afterEach(() => world.logs.destroy())

  async function restart(): Promise<void> {
    world.logs.destroy()
    store = store.restarted()
    world = await DurableWorld.start({ store, clock, seed: 2 })
  }

  it('a session whose client is away gets what was published meanwhile', async () => {
    await world.subscribe('c', 'a/+')
    await world.publish('a.1', 'one')
    await world.publish('b.1', 'not for it')
    await world.publish('a.2', 'two', 0)
    await world.publish('a.3', 'three', 2)
    const line = world.attach('c')
    await settle()
    assert.deepEqual(line.payloads, ['one', 'three'])
    assert.deepEqual(
      line.sent.map(({ qos, packetId, isDup }) => [qos, packetId, isDup]),
      [
        [1, 1, false],
        [1, 2, false],
      ],
    )
  })

  it('a message is stored once for all sessions and filters that match, and only then', async () => {
    await world.subscribe('c', 'a/+', 'a/#', '#')
    await world.subscribe('d', 'a/+')
    await world.publish('a.1', 'one')
    await world.publish('b', 'two')
    assert.equal(world.log.stats.messages, 2)
    const line = world.attach('c')
    await settle()
    assert.deepEqual(line.payloads, ['one', 'two'])
  })

  it('goes on live when it has caught up, in order', async () => {
    await world.subscribe('c', 'a')
    for (let i = 0; i < 300; i++) await world.publish('a', `${i}`)
    const line = world.attach('c')
    for (let i = 300; i < 600; i++) await world.publish('a', `${i}`)
    await settle()
    assert.deepEqual(
      line.payloads,
      Array.from({ length: 600 }, (_, i) => `${i}`),
    )
  })

  it('acknowledges a publish when it is on disk', async () => {
    await world.subscribe('c', 'a')
    store.isAuto = false
    let isTold = false
    const published = world.publish('a', 'x').then(() => {
      isTold = true
    })
    await settle()
    assert.equal(isTold, false)
    store.commit()
    await published
  })

  it('delivers nothing that is not on disk yet', async () => {
    await world.subscribe('c', 'a')
    const line = world.attach('c')
    await settle()
    store.isAuto = false
    world.publish('a', 'x').catch(() => {})
    await settle()
    assert.deepEqual(line.payloads, [])
    store.failCommit()
    store.isAuto = true
    await world.publish('a', 'y')
    await settle()
    assert.deepEqual(line.payloads, ['y'])
  })

  it('keeps to the window, and goes on with each acknowledgement', async () => {
    await world.subscribe('c', 'a')
    world.session('c').window.max = 2
    const line = world.attach('c')
    for (const one of ['1', '2', '3', '4']) await world.publish('a', one)
    await settle()
    assert.deepEqual(line.payloads, ['1', '2'])
    assert.equal(world.session('c').puback(1, 0), true)
    assert.deepEqual(line.payloads, ['1', '2', '3'])
    assert.equal(world.session('c').puback(77, 0), false)
  })

  it('sends again what was not acknowledged, with its identifier, also after a restart', async () => {
    await world.subscribe('c', 'a')
    world.attach('c')
    for (const one of ['1', '2', '3']) await world.publish('a', one)
    await settle()
    world.session('c').puback(2, 0)
    world.session('c').detach()
    const line = world.attach('c')
    await settle()
    assert.deepEqual(
      line.sent.map(({ payload, packetId, isDup }) => [payload, packetId, isDup]),
      [
        ['1', 1, true],
        ['3', 3, true],
      ],
    )
    clock.advance(1_000)
    await settle()
    await restart()
    await world.publish('a', '4')
    const after = world.attach('c')
    await settle()
    assert.deepEqual(
      after.sent.map(({ payload, packetId, isDup }) => [payload, packetId, isDup]),
      [
        ['1', 1, true],
        ['3', 3, true],
        ['4', 4, false],
      ],
    )
  })

  it('at QoS 2 writes down each step before the next packet leaves', async () => {
    await world.subscribe('c', filterOf('a', 2))
    const line = world.attach('c')
    await settle()
    store.isAuto = false
    const published = world.publish('a', 'x', 2)
    await settle()
    store.commit()
    await published
    await settle()
    assert.deepEqual(line.payloads, [], 'the identifier is not on disk')
    store.commit()
    await settle()
    assert.deepEqual(line.payloads, ['x'])
    assert.equal(world.session('c').pubrec(1, 0), true)
    await settle()
    assert.deepEqual(line.pubrels, [], 'PUBREC is not on disk')
    store.commit()
    assert.deepEqual(line.pubrels, [1])
    assert.equal(world.session('c').pubcomp(1), true)
    assert.equal(world.session('c').window.inflight, 0)
  })

  it('after a crash sends PUBREL for what was received, and PUBLISH with DUP for what was not', async () => {
    await world.subscribe('c', filterOf('a', 2))
    world.attach('c')
    await world.publish('a', 'x', 2)
    await world.publish('a', 'y', 2)
    await settle()
    world.session('c').pubrec(1, 0)
    await settle()
    await restart()
    const line = world.attach('c')
    await settle()
    assert.deepEqual(line.pubrels, [1])
    assert.deepEqual(
      line.sent.map(({ payload, packetId, isDup }) => [payload, packetId, isDup]),
      [['y', 2, true]],
    )
  })

  it('removes what every session has, and nothing that one needs', async () => {
    await world.subscribe('c', 'a')
    await world.subscribe('d', 'a')
    world.attach('c')
    for (const one of ['1', '2', '3']) await world.publish('a', one)
    await settle()
    for (const id of [1, 2, 3]) world.session('c').puback(id, 0)
    clock.advance(2_000)
    await settle()
    assert.equal(world.log.stats.messages, 3)
    world.attach('d')
    await settle()
    for (const id of [1, 3]) world.session('d').puback(id, 0)
    clock.advance(2_000)
    await settle()
    assert.equal(world.log.stats.messages, 1)
    world.session('d').end()
    clock.advance(2_000)
    await settle()
    assert.equal(world.log.stats.messages, 0)
  })
})
