import assert from 'node:assert/strict'
import { QOS1_HEADERS, QOS2_HEADERS } from '../../../../bridge-mqtt/headers/index.ts'
import {
  DELIVERY_PENDING_BYTES_MAX,
  RETAINED_AHEAD_MESSAGES,
  RETAINED_PAGE_MESSAGES,
} from '../../../../bridge-mqtt/limits.ts'
import { type RetainedStore, RetainedStores } from '../../../../bridge-mqtt/retained/index.ts'
import type { RetainedSource } from '../../../../bridge-mqtt/session/subscriber-ports.ts'
import { PetioleError, SeededRandom } from '../../../../shared/runtime/index.ts'
import type { Store } from '../../../../shared/store/index.ts'
import { DurableWorld } from '../../../support/durable-world.ts'
import { eventually } from '../../../support/link-node.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { StoreFolder } from '../../../support/opened-store.ts'
import { StoreClock, settle } from '../../../support/store-clock.ts'
import { type SubscribedClient, SubscriberScene } from '../../../support/subscriber-scene.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

/** What is retained, sent to clients whose sessions last: it goes by way of the session's log, ahead of the window. */
describe('retained messages for a session that lasts', () => {
  let clock: StoreClock
  let world: DurableWorld
  let stores: RetainedStores
  let retained: RetainedStore
  let scene: SubscriberScene

  async function open<Opened extends Store>(store: Opened): Promise<Opened> {
    world = await DurableWorld.start({ store, clock })
    stores = await RetainedStores.open({ store, clock })
    retained = stores.of('A')
    const limits = { queuedMessagesMax: 10 }
    scene = new SubscriberScene({ space: world.space, clock, limits, ackPendingMax: 1_000 })
    return store
  }

  beforeEach(() => {
    clock = new StoreClock()
  })

  afterEach(() => {
    scene.close()
    world.logs.destroy()
    stores.close()
  })

  async function retain(count: number, qos: 1 | 2): Promise<string[]> {
    const payloads = Array.from({ length: count }, (_, i) => `${i}`)
    let stored = 0
    for (const payload of payloads) {
      set(payload, payload, qos, () => stored++)
    }
    await eventually(() => stored === count, 'what is retained')
    return payloads
  }

  function set(name: string, payload: string, qos: number, committed = (): void => {}): void {
    const headers = qos === 0 ? Buffer.alloc(0) : qos === 1 ? QOS1_HEADERS : QOS2_HEADERS
    retained.set(Buffer.from(`r.${name}`), headers, Buffer.from(payload), committed)
  }

  function connect(receiveMaximum: number, source: RetainedSource = retained): SubscribedClient {
    const durable = world.session('c')
    return scene.client('c', { retained: source, receiveMaximum, durable })
  }

  async function replayed(client: SubscribedClient, count: number): Promise<string[]> {
    const got: string[] = []
    await eventually(() => {
      got.push(...client.acknowledgeAll().map(({ payload }) => payload))
      return got.length >= count
    }, `${count} messages`)
    await settle()
    got.push(...client.payloads())
    return got
  }

  it('cost a commit for each page of them, however small the window', async () => {
    const folder = new StoreFolder()
    try {
      const store = await open(await folder.open({ clock }))
      const payloads = await retain(5_000, 1)
      const client = connect(10)
      const before = store.stats.commits
      client.subscribe({ 'r/#': 1 })
      assert.deepEqual(await replayed(client, payloads.length), payloads)
      const commits = store.stats.commits - before
      const pages = Math.ceil(payloads.length / RETAINED_PAGE_MESSAGES)
      assert.ok(commits <= pages + 5, `${commits} commits for ${pages} pages`)
    } finally {
      await folder.remove()
    }
  })

  it(`come once each at QoS 2, and none is missing, however often the client is cut off (seed=${SEED})`, async () => {
    await open(new MemoryStore(() => clock.wallMs()))
    const random = new SeededRandom(SEED)
    const payloads = await retain(3 * RETAINED_AHEAD_MESSAGES, 2)
    const got: string[] = []
    /** Identifiers whose message the client has, and has not forgotten yet. */
    const known = new Set<number>()
    let client = connect(7)
    client.subscribe({ 'r/#': 2 })
    let quiet = 0
    while (quiet < 20) {
      await settle(1 + random.below(4))
      const packets = client.take() as { packetId: number; payload?: string }[]
      quiet = packets.length === 0 ? quiet + 1 : 0
      const isCut = quiet === 0 && random.below(12) === 0
      // What it did not read is gone with the connection.
      for (const packet of isCut ? packets.slice(0, random.below(packets.length)) : packets) {
        const { packetId, payload } = packet
        if ('codes' in packet) continue
        if (payload === undefined) {
          known.delete(packetId)
          if (!isCut) client.acknowledge('pubcomp', packetId)
          continue
        }
        if (!known.has(packetId)) got.push(Buffer.from(payload, 'hex').toString())
        known.add(packetId)
        if (!isCut) client.acknowledge('pubrec', packetId)
      }
      if (!isCut) continue
      client.subscriber.close()
      client = connect(1 + random.below(20))
    }
    assert.deepEqual(got, payloads, `seed=${SEED}`)
  })

  it('come once at QoS 2, also when others of their page could not leave before the client did', async () => {
    await open(new MemoryStore(() => clock.wallMs()))
    for (let i = 0; i < 20; i++) set(`${i}`, `${i}`, 2 * (i % 2))
    const falling: RetainedSource = {
      replay(...args) {
        const pages = retained.replay(...args)
        const next = pages.next.bind(pages)
        pages.next = (max) => {
          client.channel.pendingBytes = DELIVERY_PENDING_BYTES_MAX
          return next(max)
        }
        return pages
      },
    }
    let client = connect(5, falling)
    client.subscribe({ 'r/#': 2 })
    await settle()
    assert.deepEqual(client.payloads(), [])
    client.subscriber.close()
    client = connect(20)
    await settle()
    const got = client.publishes().filter(({ qos }) => qos === 2)
    const wanted = Array.from({ length: 10 }, (_, i) => `${2 * i + 1}`)
    assert.deepEqual(
      got.map(({ payload }) => payload),
      wanted,
    )
  })

  it('are left out when they were replaced or removed before they were sent', async () => {
    await open(new MemoryStore(() => clock.wallMs()))
    const payloads = await retain(20, 1)
    const client = connect(5)
    client.subscribe({ 'r/#': 1 })
    await settle()
    // A client gets QoS 0 at once, whatever its window.
    set('7', 'seven', 0)
    await world.publish('r.7', 'seven', 0)
    set('8', '', 0)
    await world.publish('r.8', '', 0)
    set('9', 'nine', 1)
    await world.publish('r.9', 'nine', 1)
    const wanted = payloads.filter((it) => !['7', '8', '9'].includes(it))
    wanted.splice(5, 0, 'seven', '')
    assert.deepEqual(await replayed(client, wanted.length + 1), [...wanted, 'nine'])
    assert.equal(world.session('c').inflight, 0)
  })

  it('come no more when their filter is unsubscribed, and once when it is subscribed again by who comes back', async () => {
    await open(new MemoryStore(() => clock.wallMs()))
    const payloads = await retain(30, 1)
    const client = connect(5)
    client.subscribe({ 'r/#': 1 })
    await settle()
    client.unsubscribe('r/#')
    await settle()
    assert.deepEqual(await replayed(client, 5), payloads.slice(0, 5))
    client.subscribe({ 'r/#': 1 })
    await settle()
    client.subscriber.close()
    const back = connect(5)
    back.subscribe({ 'r/#': 1 })
    const again = payloads.slice(0, 5)
    assert.deepEqual(await replayed(back, payloads.length + 5), [...again, ...payloads])
    assert.equal(world.session('c').inflight, 0)
  })

  it('are read again when they did not get to the disk', async () => {
    const store = await open(new MemoryStore(() => clock.wallMs()))
    const payloads = await retain(RETAINED_AHEAD_MESSAGES, 2)
    const client = connect(1_000)
    client.subscribe({ 'r/#': 1 })
    store.isAuto = false
    store.commit()
    await settle()
    assert.deepEqual(client.publishes(), [])
    store.failCommit()
    await settle()
    store.isAuto = true
    store.commit()
    assert.deepEqual(await replayed(client, payloads.length), payloads)
  })

  for (const isBack of [true, false]) {
    it(`are read again for a client that has ${isBack ? 'come back' : 'gone'} when they did not get to the disk`, async () => {
      const store = await open(new MemoryStore(() => clock.wallMs()))
      const payloads = await retain(2 * RETAINED_AHEAD_MESSAGES, 2)
      let client = connect(1_000)
      client.subscribe({ 'r/#': 1, 'r/1': 1 })
      store.isAuto = false
      store.commit()
      await settle()
      client.unsubscribe('r/1')
      client.subscriber.close()
      if (isBack) client = connect(1_000)
      await settle()
      store.failCommit()
      await settle()
      if (!isBack) client = connect(1_000)
      store.isAuto = true
      store.commit()
      assert.deepEqual(await replayed(client, payloads.length), payloads)
    })
  }

  it('come by the window from a store that takes nothing, and none is dropped', async () => {
    const store = await open(new MemoryStore(() => clock.wallMs()))
    const payloads = await retain(300, 1)
    const client = connect(10)
    for (const [name, stream] of store.streams) {
      if (name.startsWith('mqtt-retained')) continue
      stream.append = () => {
        throw new PetioleError('PETIOLE_STORE_FULL', 'no room')
      }
    }
    client.subscribe({ 'r/#': 1 })
    assert.deepEqual(await replayed(client, payloads.length), payloads)
    assert.equal(scene.counters.droppedQos1, 0)
  })
})
