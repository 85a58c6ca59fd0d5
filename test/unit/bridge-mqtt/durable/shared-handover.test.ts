import assert from 'node:assert/strict'
import { HANDING_OVER_MAX, READ_RETRY_MS } from '../../../../bridge-mqtt/durable/limits.ts'
import { SessionRecords } from '../../../../bridge-mqtt/durable/session-records.ts'
import type { Subscription } from '../../../../shared/broker/index.ts'
import { PetioleError } from '../../../../shared/runtime/index.ts'
import { DurableWorld, filterOf, type TestLine } from '../../../support/durable-world.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { RecordingPeer } from '../../../support/recording-peer.ts'
import { StoreClock, settle } from '../../../support/store-clock.ts'

const GROUP = '$share/g/a/#'
const MANY = 1_000

describe('mqtt durable: a session of a shared subscription that ends', () => {
  let clock: StoreClock
  let store: MemoryStore
  let world: DurableWorld

  beforeEach(async () => {
    clock = new StoreClock()
    store = new MemoryStore(() => clock.wallMs())
    world = await DurableWorld.start({ store, clock })
    await world.subscribe('c', filterOf(GROUP, 2))
  })

  afterEach(() => world.logs.destroy())

  /** For the only member so far. */
  async function publish(count: number, qos = 1): Promise<string[]> {
    const payloads = Array.from({ length: count }, (_, i) => `${qos}:${i}`)
    for (const payload of payloads) await world.publish('a.x', payload, qos)
    await settle()
    return payloads
  }

  async function join(clientId: string): Promise<TestLine> {
    await world.subscribe(clientId, filterOf(GROUP, 2))
    return world.attach(clientId)
  }

  async function isEmpty(): Promise<void> {
    clock.advance(2_000)
    await settle()
    assert.equal(world.log.stats.messages, 0)
    const left = [...store.streams.values()].flatMap(({ states }) =>
      [...states.entries()].map(([key]) => key.split('/')[0]),
    )
    assert.deepEqual(left, [])
  }

  it('leaves what it has not acknowledged, and what waits for it, to another one', async () => {
    const c = world.attach('c')
    world.session('c').window.max = 5
    const payloads = await publish(300)
    assert.equal(c.sent.length, 5)
    world.session('c').puback(c.sent[0]!.packetId, 0)
    await settle()
    const d = await join('d')
    world.session('c').end()
    await settle()
    assert.deepEqual(d.payloads.toSorted(byNumber), payloads.slice(1))
    assert.ok(d.sent.every(({ isDup, qos }) => !isDup && qos === 1))
    for (const { packetId } of d.sent) world.session('d').puback(packetId, 0)
    world.session('d').end()
    await isEmpty()
  })

  for (const isRestarted of [false, true]) {
    const when = isRestarted ? 'in a start between' : 'before'
    it(`leaves to its group what waits for a filter that it had ended itself, ${when}`, async () => {
      const c = world.attach('c')
      world.session('c').window.max = 5
      const payloads = await publish(40)
      assert.equal(c.sent.length, 5)
      world.session('c').unsubscribe([GROUP], () => {})
      await world.subscribe('c', filterOf('$share/h/a/#', 1))
      await settle()
      if (isRestarted) {
        world.logs.destroy()
        store = store.restarted()
        world = await DurableWorld.start({ store, clock, seed: 3 })
        await settle()
      }
      const d = await join('d')
      const other = new RecordingPeer('local')
      world.space.subscribe(other, { subject: 'a.>', queue: 'h' })
      world.session('c').end()
      await settle()
      assert.deepEqual(d.payloads.toSorted(byNumber), payloads)
      assert.equal(other.got.length, 0)
      for (const { packetId, headers } of d.sent) {
        assert.equal(headers, 'NATS/1.0\r\nPetiole-Qos: 1\r\nPetiole-Group: g\r\n\r\n')
        world.session('d').puback(packetId, 0)
      }
      world.session('d').end()
      await isEmpty()
    })
  }

  it('is asked what it leaves, and one that never was of a group is not', async () => {
    await world.subscribe('d', 'a/x')
    world.attach('d')
    await publish(3)
    let asked = 0
    for (const stream of store.streams.values()) {
      const ask = stream.firstSeqMatching
      stream.firstSeqMatching = (filter, fromSeq) => {
        asked++
        return ask.call(stream, filter, fromSeq)
      }
    }
    world.session('d').end()
    assert.equal(asked, 0)
    world.session('c').unsubscribe([GROUP], () => {})
    await settle()
    world.session('c').end()
    assert.equal(asked, 1)
    await settle()
    await isEmpty()
  })

  it('leaves nothing at QoS 2 that was sent to it [MQTT-4.8.2-5], and all that was not', async () => {
    const c = world.attach('c')
    world.session('c').window.max = 5
    const payloads = await publish(20, 2)
    assert.equal(c.sent.length, 5)
    world.session('c').pubrec(c.sent[0]!.packetId, 0)
    await settle()
    const d = await join('d')
    world.session('c').end()
    await settle()
    assert.deepEqual(d.payloads, payloads.slice(5))
  })

  it('leaves it to members that are no durable sessions too, and to the group alone', async () => {
    const [member, subscriber] = [new RecordingPeer('local'), new RecordingPeer('local')]
    await publish(10)
    world.space.subscribe(member, { subject: 'a.>', queue: 'g' })
    world.space.subscribe(subscriber, { subject: 'a.>' })
    world.space.subscribe(subscriber, { subject: 'a.>', isCapture: true })
    world.space.subscribe(subscriber, { subject: 'a.>', queue: 'h' })
    world.session('c').end()
    await settle()
    assert.equal(member.got.length, 10)
    assert.equal(member.got[0]?.headers, 'NATS/1.0\r\nPetiole-Qos: 1\r\n\r\n')
    assert.equal(subscriber.got.length, 0)
    await isEmpty()
  })

  it('leaves what has expired to nobody, and of the rest what is left of its time', async () => {
    const headers = (seconds: number): Uint8Array =>
      Buffer.from(`NATS/1.0\r\nPetiole-Qos: 1\r\nMqtt-Message-Expiry: ${seconds}\r\n\r\n`)
    const nothing = Buffer.alloc(0)
    const at = { subject: Buffer.from('a.x'), reply: nothing, payload: nothing }
    world.publisher.publishingQos = 1
    for (const seconds of [5, 100]) {
      world.space.publish(world.publisher, { ...at, headers: headers(seconds) })
    }
    await settle()
    clock.advance(30_000)
    const d = await join('d')
    world.session('c').end()
    await settle()
    assert.deepEqual(
      d.sent.map(({ headers: got }) => /Expiry: (\d+)/.exec(got)?.[1]),
      ['70'],
    )
  })

  it('leaves what was retained for a filter of its own to nobody', async () => {
    await world.subscribe('c', 'a/x')
    const kept = {
      subject: Buffer.from('a.x'),
      headers: Buffer.from('NATS/1.0\r\nPetiole-Qos: 1\r\nPetiole-Retain: 1\r\n\r\n'),
      payload: Buffer.from('retained'),
    }
    world.session('c').keep([kept])
    await settle()
    const d = await join('d')
    world.session('c').end()
    await settle()
    assert.deepEqual(d.payloads, [])
    world.session('d').end()
    await isEmpty()
  })

  it('has ended on disk before all is handed over, and that goes on after a crash', async () => {
    world.attach('c')
    world.session('c').window.max = 5
    const payloads = await publish(300)
    await world.subscribe('d', filterOf(GROUP, 2))
    store.isAuto = false
    let isCommitted = false
    world.session('c').end((error) => {
      isCommitted = error === undefined
    })
    await settle()
    assert.equal(isCommitted, false)
    // Its end is on disk, then some batches.
    for (let commits = 0; commits < 3; commits++) {
      store.commit()
      await settle()
    }
    assert.equal(isCommitted, true)
    world.logs.destroy()
    store = store.restarted()
    world = await DurableWorld.start({ store, clock, seed: 3 })
    await settle()
    assert.equal(world.log.sessions.get('c'), undefined)
    const d = world.attach('d')
    await settle()
    assert.deepEqual([...new Set(d.payloads)].toSorted(byNumber), payloads)
    assert.ok(d.payloads.length < payloads.length * 2, 'it did not begin anew')
    for (const { packetId } of d.sent) world.session('d').puback(packetId, 0)
    world.session('d').end()
    await isEmpty()
  })

  it('leaves what was not sent to it at QoS 2, when the server ends before that is handed over', async () => {
    const c = world.attach('c')
    await world.subscribe('d', filterOf(GROUP, 2))
    const payloads = await publish(5, 2)
    assert.deepEqual(c.payloads, payloads)
    store.isAuto = false
    // Stored for it, and given packet identifiers that did not get to the disk.
    for (let i = 5; i < 25; i++) void world.publish('a.x', `2:${i}`, 2)
    await settle()
    store.commit()
    await settle()
    assert.equal(world.session('c').inflight, 25)
    assert.equal(c.sent.length, 5)
    world.session('c').end()
    await settle()
    store.commit()
    world.logs.destroy()
    store = store.restarted()
    world = await DurableWorld.start({ store, clock, seed: 3 })
    await settle()
    const d = world.attach('d')
    await settle()
    const unsent = Array.from({ length: 20 }, (_, i) => `2:${i + 5}`)
    assert.deepEqual(d.payloads.toSorted(byNumber), unsent)
  })

  it('tries again when its messages cannot be stored for others', async () => {
    const payloads = await publish(10)
    const d = await join('d')
    const transaction = store.transaction.bind(store)
    let failures = 0
    store.transaction = (write) => {
      if (failures++ === 1) throw new Error('no room')
      transaction(write)
    }
    world.session('c').end()
    await settle()
    assert.deepEqual(d.payloads, [])
    clock.advance(10_000)
    await settle()
    assert.deepEqual(d.payloads, payloads)
  })

  it('leaves each message once to those who store nothing, while others of the group have no room', async () => {
    const payloads = await publish(20, 2)
    const d = await join('d')
    const member = new RecordingPeer('local')
    world.space.subscribe(member, { subject: 'a.>', queue: 'g' })
    const [stream] = store.streams.values()
    assert.ok(stream)
    const append = stream.append.bind(stream)
    stream.append = () => {
      throw new PetioleError('PETIOLE_STORE_FULL', 'full')
    }
    world.session('c').end()
    for (let tries = 0; tries < 5; tries++) {
      await settle()
      clock.advance(10_000)
    }
    stream.append = append
    clock.advance(10_000)
    await settle()
    const got = member.got.map(({ payload }) => payload)
    assert.deepEqual([...got, ...d.payloads].toSorted(byNumber), payloads)
    assert.deepEqual([got, d.payloads], [got.toSorted(byNumber), d.payloads.toSorted(byNumber)])
  })

  it('leaves each message once to those who store nothing, when commits fail behind that', async () => {
    const payloads = await publish(20, 2)
    const d = await join('d')
    const member = new RecordingPeer('local')
    world.space.subscribe(member, { subject: 'a.>', queue: 'g' })
    store.isAuto = false
    world.session('c').end()
    for (let tries = 0; tries < 3; tries++) {
      await settle()
      store.commit()
      await settle()
      store.failCommit()
      await settle()
      assert.deepEqual(d.payloads, [])
      clock.advance(READ_RETRY_MS)
    }
    assert.ok(member.got.length > 0)
    store.isAuto = true
    clock.advance(READ_RETRY_MS)
    await settle()
    store.commit()
    await settle()
    const got = member.got.map(({ payload }) => payload)
    assert.deepEqual([...got, ...d.payloads].toSorted(byNumber), payloads)
    for (const { packetId } of d.sent) {
      world.session('d').pubrec(packetId, 0)
      await settle(2)
      world.session('d').pubcomp(packetId)
    }
    world.session('d').end()
    await isEmpty()
  })

  it('leaves each message once to those who store nothing, when its progress cannot be written', async () => {
    const payloads = await publish(20)
    const member = new RecordingPeer('local')
    world.space.subscribe(member, { subject: 'a.>', queue: 'g' })
    const states = [...store.streams.values()][0]!.states
    const set = states.set.bind(states)
    let cursors = 0
    states.set = (key, ...rest) => {
      if (key.startsWith('c/') && ++cursors === 2) throw new Error('no room')
      set(key, ...rest)
    }
    world.session('c').end()
    await settle()
    clock.advance(READ_RETRY_MS)
    await settle()
    assert.deepEqual(
      member.got.map(({ payload }) => payload),
      payloads,
    )
    await isEmpty()
  })

  it('has left when what it had is handed over, though others publish without a pause', async () => {
    const payloads = await publish(20)
    const d = await join('d')
    await world.subscribe('e', 'b')
    store.isAuto = false
    const cursorKey = SessionRecords.cursorKey(world.session('c').key)
    const isThere = (): boolean =>
      [...store.streams.values()].some(({ states }) => states.get(cursorKey) !== undefined)
    world.session('c').end()
    let commits = 0
    do {
      void world.publish('b', '')
      await settle(5)
      store.commit()
      await settle(5)
    } while (isThere() && ++commits < 20)
    assert.ok(commits < 20)
    assert.deepEqual(d.payloads, payloads)
    store.isAuto = true
  })

  it('hands over some at a time when thousands end at once', async () => {
    const names = Array.from({ length: MANY }, (_, i) => `many-${i}`)
    for (const name of names) {
      world.session(name).subscribe([filterOf(GROUP, 1)], () => {})
    }
    await settle()
    const payloads = Array.from({ length: 5 * MANY }, (_, i) => `1:${i}`)
    for (const payload of payloads) void world.publish('a.x', payload)
    await settle()
    const d = await join('d')
    const before = store.commits
    for (const name of ['c', ...names]) world.session(name).end()
    let turns = 0
    while (new Set(d.payloads).size < payloads.length && turns++ < 5 * MANY) await settle(1)
    await settle()
    assert.deepEqual(d.payloads.toSorted(byNumber), payloads)
    const commits = store.commits - before
    assert.ok(commits <= (4 * MANY) / HANDING_OVER_MAX, `${commits} commits for ${MANY} sessions`)
    for (const { packetId } of d.sent) world.session('d').puback(packetId, 0)
    world.session('d').end()
    await isEmpty()
  })

  it('leaves nothing when nobody else is in its group', async () => {
    await publish(10)
    const subscribed: Subscription[] = [...world.space.subscriptions()]
    assert.equal(subscribed.length, 2)
    world.session('c').end()
    await settle()
    await isEmpty()
  })
})

function byNumber(a: string, b: string): number {
  return Number(a.slice(2)) - Number(b.slice(2))
}
