import assert from 'node:assert/strict'
import { DurableWorld, filterOf } from '../../../support/durable-world.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { StoreClock, settle } from '../../../support/store-clock.ts'

describe('mqtt durable: shared subscriptions', () => {
  let clock: StoreClock
  let store: MemoryStore
  let world: DurableWorld

  beforeEach(async () => {
    clock = new StoreClock()
    store = new MemoryStore(() => clock.wallMs())
    world = await DurableWorld.start({ store, clock })
    for (const id of ['c', 'd']) {
      await world.subscribe(id, filterOf('$share/g/a/#', 1, { subscriptionId: 5 }))
    }
  })

  afterEach(() => world.logs.destroy())

  const publish = async (count: number, qos = 1): Promise<void> => {
    for (let i = 0; i < count; i++) await world.publish('a.x', `${i}`, qos)
    await settle()
  }

  it('shares messages among those who are here', async () => {
    const lines = [world.attach('c'), world.attach('d')]
    await publish(100)
    await publish(100, 0)
    const [c, d] = lines.map((line) => line.sent.length) as [number, number]
    assert.equal(c + d, 100)
    assert.ok(c > 10 && d > 10, `${c} and ${d}`)
    assert.deepEqual(lines[0]?.sent[0]?.ids, [5])
    assert.equal(lines[0]?.sent[0]?.subject, 'a.x')
    assert.equal(lines.flatMap((line) => line.directs).length, 100)
  })

  it('nobody who is away takes a message while somebody is here', async () => {
    const line = world.attach('c')
    await publish(20)
    assert.equal(line.sent.length, 20)
    assert.equal(world.session('d').backlog, 0)
  })

  it('a member of the group that is no durable session is somebody who is here', async () => {
    const got: string[] = []
    const other = {
      kind: 'local',
      id: 4,
      echo: true,
      deliver: (_: unknown, message: { payload: Uint8Array }) =>
        void got.push(Buffer.from(message.payload).toString()),
    } as const
    world.space.subscribe(other, { subject: 'a.x', queue: 'g' })
    await publish(20)
    assert.equal(got.length, 20)
  })

  it('one that may not receive a message is nobody who is here', async () => {
    const asked: string[] = []
    const other = {
      kind: 'mqtt',
      id: 4,
      echo: true,
      deliver: () => {},
      offer: () => false,
      mayReceive: (subject: string, queue: string) => {
        asked.push(`${subject} of ${queue}`)
        return false
      },
    } as const
    world.space.subscribe(other, { subject: 'a.x', queue: 'g' })
    await publish(20)
    assert.equal(world.session('c').backlog + world.session('d').backlog, 20)
    assert.deepEqual(new Set(asked), new Set(['a.x of g']))
  })

  it('when all are away they share what comes, each gets his part, also after a restart', async () => {
    await publish(40)
    await publish(3, 0)
    world.logs.destroy()
    store = store.restarted()
    world = await DurableWorld.start({ store, clock, seed: 3 })
    await publish(2)
    const lines = [world.attach('c'), world.attach('d')]
    await settle()
    const counts = lines.map((line) => line.sent.length) as [number, number]
    assert.equal(counts[0] + counts[1], 42)
    assert.ok(counts[0] > 4 && counts[1] > 4, `${counts}`)
    for (const [i, id] of ['c', 'd'].entries()) {
      for (const { packetId } of lines[i]?.sent ?? []) world.session(id).puback(packetId, 0)
    }
    clock.advance(2_000)
    await settle()
    assert.equal(world.log.stats.messages, 0)
  })

  it('one that has room is preferred; with none the message waits for the chosen one', async () => {
    const [c, d] = [world.attach('c'), world.attach('d')]
    c.isBehind = true
    await publish(20)
    assert.equal(d.sent.length, 20)
    d.isBehind = true
    await publish(20)
    await publish(20, 0)
    assert.equal(world.session('c').backlog + world.session('d').backlog, 40)
    c.isBehind = false
    d.isBehind = false
    for (const id of ['c', 'd']) world.session(id).wake()
    assert.equal(c.sent.length + d.sent.length, 40)
    // Of QoS 0 the connection takes as much as may wait for it.
    assert.equal(c.directs.length + d.directs.length, 20)
  })

  it('QoS 0 waits for no acknowledgement: also the only one who is here gets it, whatever is in flight', async () => {
    world.session('c').window.max = 2
    const line = world.attach('c')
    await publish(5)
    assert.equal(line.sent.length, 2)
    await publish(3, 0)
    assert.equal(line.directs.length, 3)
    const other = world.attach('d')
    await publish(3, 0)
    assert.equal(other.directs.length, 3, 'who has room is preferred')
    world.session('c').detach()
    world.session('d').detach()
    await publish(3, 0)
    assert.deepEqual([line.directs.length, other.directs.length], [3, 3])
  })

  it('one whose user may not receive a message does not take it', async () => {
    const [c, d] = [world.attach('c'), world.attach('d')]
    c.allows = (subject, group) => subject !== 'a.x' || group !== 'g'
    await publish(20)
    await publish(20, 0)
    assert.deepEqual([c.sent.length, c.directs.length], [0, 0])
    assert.deepEqual([d.sent.length, d.directs.length], [20, 20])
    d.allows = c.allows
    await publish(20)
    assert.equal(world.session('c').backlog, 0)
  })

  it('one whose user may not receive a message keeps nobody else from it', async () => {
    const [c, d] = [world.attach('c'), world.attach('d')]
    c.allows = () => false
    d.isBehind = true
    await publish(20)
    assert.equal(world.session('d').backlog, 20, 'waits, though somebody has room')
    world.session('d').detach()
    await publish(20)
    assert.equal(world.session('d').backlog, 40, 'waits, though somebody is here')
    assert.equal(c.sent.length, 0)
  })

  it('one who has a filter of his own too gets both', async () => {
    await world.subscribe('c', 'a/x')
    await new Promise((resolve) => world.session('d').unsubscribe(['$share/g/a/#'], resolve))
    const line = world.attach('c')
    await publish(1)
    assert.equal(line.sent.length, 2)
  })

  it('one who is in two groups is told with each message which one it is for', async () => {
    await world.subscribe('c', filterOf('$share/h/a/+', 1, { subscriptionId: 6 }))
    await new Promise((resolve) => world.session('d').unsubscribe(['$share/g/a/#'], resolve))
    const line = world.attach('c')
    await publish(1)
    assert.deepEqual(line.sent.flatMap(({ ids }) => ids).toSorted(), [5, 6])
  })

  it('what was for a group is judged as that, also when its filter has been ended', async () => {
    const line = world.attach('c')
    await new Promise((resolve) => world.session('d').unsubscribe(['$share/g/a/#'], resolve))
    line.isBehind = true
    await publish(1)
    await new Promise((resolve) => world.session('c').unsubscribe(['$share/g/a/#'], resolve))
    line.isBehind = false
    line.accepts = ({ groups }) => groups.join() === 'g'
    world.session('c').wake()
    assert.equal(line.sent.length, 1)
  })

  it('a retained message that was asked for without them says nothing of groups', async () => {
    await world.subscribe('c', filterOf('a/x', 1, { subscriptionId: 6 }))
    const line = world.attach('c')
    const headers = Buffer.from('NATS/1.0\r\nPetiole-Qos: 1\r\nPetiole-Retain: 1\r\n\r\n')
    const message = { subject: Buffer.from('a.x'), headers, payload: Buffer.from('kept') }
    world.session('c').keep([message], () => {})
    await settle()
    assert.deepEqual(
      line.sent.map(({ ids, isRetainAsPublished }) => [...ids, isRetainAsPublished]),
      [[6, true]],
    )
  })

  it('delivers with no more than was granted, and says what was published with RETAIN', async () => {
    const line = world.attach('c')
    world.publisher.publishingRetain = true
    await publish(1, 2)
    assert.equal(line.sent[0]?.qos, 1)
    assert.match(line.sent[0]?.headers ?? '', /Petiole-Retain: 1/)
  })

  it('what was for a session that has ended is removed', async () => {
    await publish(10)
    world.session('c').end()
    world.session('d').end()
    await settle()
    clock.advance(2_000)
    await settle()
    assert.equal(world.log.stats.messages, 0)
  })
})
