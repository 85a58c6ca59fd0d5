import assert from 'node:assert/strict'
import {
  LEFTOVERS_PER_TURN,
  LEFTOVERS_RETRY_MS,
  LEFTOVERS_TRIES,
  SHARED_COPIES_BYTES_MAX,
} from '../../../../bridge-mqtt/limits.ts'
import {
  InflightCopies,
  type SharedCopy,
} from '../../../../bridge-mqtt/session/shared-leftovers.ts'
import { DurableWorld, filterOf } from '../../../support/durable-world.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { RecordingPeer } from '../../../support/recording-peer.ts'
import { StoreClock, settle } from '../../../support/store-clock.ts'
import { type SubscribedClient, SubscriberScene } from '../../../support/subscriber-scene.ts'

const SHARED = '$share/g/a'
const NOTHING = new Uint8Array(0)

describe('a member of a shared subscription whose session ends with its connection', () => {
  let scene: SubscriberScene
  let member: SubscribedClient

  beforeEach(() => {
    scene = new SubscriberScene({ ackPendingMax: 5 })
    member = scene.client('member')
    member.subscribe({ [SHARED]: 2 })
  })

  afterEach(() => scene.close())

  function publish(count: number, qos = 1): string[] {
    const payloads = Array.from({ length: count }, (_, i) => `${i}`)
    for (const payload of payloads) scene.publish('a', payload, { qos })
    return payloads
  }

  function other(): SubscribedClient {
    const client = scene.client('other')
    client.subscribe({ [SHARED]: 2 })
    return client
  }

  /** Ends it; the others have what it leaves when time has passed. */
  function end(): void {
    member.subscriber.close()
    scene.clock.advance(1)
  }

  it('leaves what it has not acknowledged, sent or not, to another one', () => {
    const payloads = publish(20)
    const [first] = member.publishes()
    member.acknowledge('puback', first?.packetId ?? 0)
    const client = other()
    end()
    const got = client.acknowledgeAll()
    assert.deepEqual(
      got.map(({ payload }) => payload),
      payloads.slice(1),
    )
    assert.ok(got.every(({ isDup, qos }) => !isDup && qos === 1))
  })

  it('leaves nothing at QoS 2 that was sent to it, and all that was not [MQTT-4.8.2-5]', () => {
    const payloads = publish(8, 2)
    assert.equal(member.publishes().length, 5)
    const client = other()
    end()
    assert.deepEqual(client.payloads(), payloads.slice(5))
  })

  it('leaves it to its group alone, NATS clients among it, as it came', () => {
    const [nats, subscriber] = [new RecordingPeer('local'), new RecordingPeer('local')]
    const properties = { userProperties: [{ name: 'a', value: 'b' }] }
    scene.publish('a', 'x', { qos: 1, properties, reply: 'back' })
    scene.space.subscribe(nats, { subject: 'a', queue: 'g' })
    scene.space.subscribe(subscriber, { subject: 'a' })
    scene.space.subscribe(subscriber, { subject: 'a', queue: 'h' })
    scene.space.subscribe(subscriber, { subject: 'a', isCapture: true })
    end()
    assert.equal(subscriber.got.length, 0)
    const [{ reply, payload, headers } = assert.fail()] = nats.got
    assert.deepEqual([reply, payload], ['back', 'x'])
    assert.match(headers, /^NATS\/1.0\r\nPetiole-Qos: 1\r\na: b\r\n\r\n$/)
  })

  it('leaves what it got by a filter of its own, or at QoS 0, to nobody', () => {
    member.subscribe({ a: 1 })
    member.unsubscribe(SHARED)
    publish(1)
    member.subscribe({ [SHARED]: 0 })
    member.unsubscribe('a')
    publish(1)
    const client = other()
    end()
    assert.deepEqual(client.payloads(), [])
  })

  it('leaves what is left of the time of a message, and nothing of one that has expired', () => {
    for (const messageExpirySeconds of [5, 100]) {
      scene.publish('a', `${messageExpirySeconds}`, {
        qos: 1,
        properties: { messageExpirySeconds },
      })
    }
    scene.clock.advance(30_000)
    const client = other()
    end()
    const got = client.publishes()
    assert.deepEqual(
      got.map(({ payload, properties }) => [payload, properties.messageExpirySeconds]),
      [['100', 70]],
    )
  })

  it('keeps copies of no more than there is room for, of what is in flight', () => {
    const copies = new InflightCopies()
    const copy = (bytes: number): SharedCopy => ({
      ...{ group: 'g', subject: Buffer.from('a'), reply: NOTHING, headers: NOTHING },
      ...{ payload: Buffer.alloc(bytes), qos: 1, messageExpiry: -1, copiedMs: 0 },
    })
    const kept = (): number[] => [...copies.all].map(({ payload }) => payload.length)
    const half = SHARED_COPIES_BYTES_MAX / 2
    for (const [packetId, bytes] of [half, half, 5].entries()) copies.set(packetId, copy(bytes))
    assert.deepEqual(kept(), [half, 5])
    copies.delete(0)
    copies.set(7, copy(half))
    assert.deepEqual(kept(), [5, half])
  })

  describe('to durable sessions whose commits fail', () => {
    let clock: StoreClock
    let store: MemoryStore
    let world: DurableWorld
    let payloads: string[]

    beforeEach(async () => {
      clock = new StoreClock()
      store = new MemoryStore(() => clock.wallMs())
      world = await DurableWorld.start({ store, clock })
      const { space } = world
      scene.close()
      scene = new SubscriberScene({ ackPendingMax: 5, space, clock })
      member = scene.client('member')
      member.subscribe({ [SHARED]: 2 })
      payloads = publish(20)
      await world.subscribe('d', filterOf(SHARED, 2))
      store.isAuto = false
    })

    afterEach(() => world.logs.destroy())

    async function fail(tries: number): Promise<void> {
      for (let failed = 0; failed < tries; failed++) {
        await settle()
        store.failCommit()
        clock.advance(LEFTOVERS_RETRY_MS)
      }
      await settle()
    }

    it('leaves each once, and to those who store nothing too', async () => {
      const nats = new RecordingPeer('local')
      nats.onDeliver = () => {
        if (nats.got.length === 7) scene.space.unsubscribe(subscription)
      }
      const subscription = scene.space.subscribe(nats, { subject: 'a', queue: 'g' })
      member.subscriber.close()
      await fail(LEFTOVERS_TRIES - 1)
      store.commit()
      store.isAuto = true
      const d = world.attach('d')
      await settle()
      const got = [...nats.got.map(({ payload }) => payload), ...d.payloads]
      assert.deepEqual(
        got.toSorted((a, b) => Number(a) - Number(b)),
        payloads,
      )
    })

    it('gives up when that does not end', async () => {
      member.subscriber.close()
      await fail(LEFTOVERS_TRIES)
      store.isAuto = true
      clock.advance(10 * LEFTOVERS_RETRY_MS)
      const d = world.attach('d')
      await settle()
      assert.deepEqual(d.payloads, [])
    })
  })

  it('leaves very many in turns, and what nobody is there for to nobody', () => {
    publish(LEFTOVERS_PER_TURN * 2)
    const sent: number[] = []
    const nats = new RecordingPeer('local')
    const subscription = scene.space.subscribe(nats, { subject: 'a', queue: 'g' })
    nats.onDeliver = () => {
      sent.push(nats.got.length)
      if (sent.length === LEFTOVERS_PER_TURN + 1) scene.space.unsubscribe(subscription)
    }
    end()
    scene.clock.advance(1)
    assert.equal(sent.length, LEFTOVERS_PER_TURN + 1)
  })
})
