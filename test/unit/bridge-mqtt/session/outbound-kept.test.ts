import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { MqttCounters } from '../../../../bridge-mqtt/counters.ts'
import { costOf, KeptMessages } from '../../../../bridge-mqtt/session/outbound-kept.ts'
import { OutboundMessage } from '../../../../bridge-mqtt/session/outbound-message.ts'
import { OutboundQueue } from '../../../../bridge-mqtt/session/outbound-queue.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const KIB = 1024
const UNLIMITED = Number.POSITIVE_INFINITY
const TOPIC = Buffer.from('a/topic')
const PROPERTIES = Buffer.alloc(40)
const seeds = process.env['SEED'] ?? Array.from({ length: 12 }, (_, i) => Date.now() + i).join()

describe('kept messages', () => {
  let counters: MqttCounters
  let bytesMax: number
  let told: number[]
  let kept: KeptMessages

  beforeEach(() => {
    counters = new MqttCounters()
    bytesMax = UNLIMITED
    told = []
    kept = new KeptMessages({
      counters,
      bytesMax: () => bytesMax,
      filled: (bytes) => told.push(bytes),
    })
  })

  function message(serial: number, parts: Partial<OutboundMessage> = {}): OutboundMessage {
    const payload = Buffer.alloc(4 * KIB, serial)
    return Object.assign(new OutboundMessage(), { topic: TOPIC, payload, qos: 1, serial }, parts)
  }

  function queues(count: number): OutboundQueue[] {
    return Array.from({ length: count }, () => new OutboundQueue(kept))
  }

  function push(queue: OutboundQueue, it: OutboundMessage): boolean {
    return queue.push(it, UNLIMITED, UNLIMITED, 0)
  }

  it('are one copy for all who wait for the same', () => {
    const all = queues(1_000)
    const it = message(1)
    for (const queue of all) assert.ok(push(queue, it))
    it.payload.fill(0)
    assert.equal(new Set(all.map((queue) => queue.first)).size, 1)
    assert.deepEqual(all[7]?.first?.payload, new Uint8Array(4 * KIB).fill(1))
    assert.equal(counters.queuedMessages, 1_000)
    assert.ok(counters.queuedBytes > 4 * KIB + TOPIC.length)
    assert.ok(counters.queuedBytes < 5 * KIB + 1_000 * 16)
    for (const queue of all.slice(1)) queue.clear()
    assert.equal(counters.queuedMessages, 1)
    assert.ok(counters.queuedBytes > 4 * KIB, 'one still waits')
    all[0]?.shift()
    assert.deepEqual([counters.queuedMessages, counters.queuedBytes], [0, 0])
  })

  it('share the payload also when they are delivered in other ways', () => {
    const all = queues(100)
    for (const [i, queue] of all.entries()) {
      push(queue, message(1, { qos: 1 + (i % 2), isRetain: i % 3 === 0 }))
    }
    assert.equal(new Set(all.map((queue) => queue.first?.payload)).size, 1)
    assert.deepEqual([all[4]?.first?.qos, all[5]?.first?.qos], [1, 2])
    assert.ok(counters.queuedBytes < 5 * KIB + 100 * 256, `${counters.queuedBytes}`)
  })

  it('share it also when members of shared subscriptions wait, whose copies others are to get', () => {
    const all = queues(3)
    const it = message(1)
    for (const [i, queue] of all.entries()) {
      const { payload } = it
      const copy = {
        ...{ group: `g${i}`, subject: TOPIC, reply: PROPERTIES, headers: PROPERTIES },
        ...{ payload: new Uint8Array(payload), qos: 1, messageExpiry: -1, copiedMs: 0 },
      }
      push(queue, i === 0 ? it : Object.assign(message(1), { copy }))
    }
    const kept = all.map((queue) => queue.first)
    assert.deepEqual(
      kept.map((one) => one?.copy?.group),
      [undefined, 'g1', 'g2'],
    )
    const payloads = kept.flatMap((one) => [one?.payload, one?.copy?.payload])
    assert.equal(new Set(payloads.filter((it) => it !== undefined)).size, 1)
    assert.ok(counters.queuedBytes < 5 * KIB + 3 * 512, `${counters.queuedBytes}`)
    for (const queue of all) queue.clear()
    assert.equal(counters.queuedBytes, 0)
  })

  it('are gone when they have left a queue of which more is waiting', async () => {
    const [queue] = queues(1) as [OutboundQueue]
    for (let serial = 1; serial <= 10; serial++) push(queue, message(serial))
    const left: WeakRef<object>[] = []
    for (let i = 0; i < 4; i++) {
      left.push(new WeakRef(queue.first ?? {}))
      queue.shift()
    }
    // What a WeakRef was made of lives on until the turn is over.
    await new Promise((resolve) => setImmediate(resolve))
    collectGarbage()
    assert.deepEqual(
      left.map((one) => one.deref()),
      [undefined, undefined, undefined, undefined],
    )
    assert.equal(queue.size, 6)
    assert.equal(queue.waiting.length, 6)
  })

  it('are copies of their own when they are other messages, or come from nowhere', () => {
    const [queue] = queues(1) as [OutboundQueue]
    for (const serial of [1, 2, 0, 0]) push(queue, message(serial))
    assert.ok(counters.queuedBytes > 16 * KIB)
    queue.clear()
    assert.deepEqual([counters.queuedMessages, counters.queuedBytes, queue.bytes], [0, 0, 0])
  })

  it('count for their topic, properties and identifiers', () => {
    const plain = costOf(message(1))
    assert.ok(plain > 4 * KIB + TOPIC.length)
    const rich = message(1, {
      topic: Buffer.alloc(500),
      shared: PROPERTIES,
      subscriptionIds: [1, 2, 3],
    })
    assert.equal(costOf(rich) - plain, 500 - TOPIC.length + PROPERTIES.length + 3 * 8)
    const [queue] = queues(1) as [OutboundQueue]
    push(queue, rich)
    assert.equal(counters.queuedBytes, queue.bytes, 'alone it costs what it counts for')
  })

  it('are bounded together: the longest queues stop first, and a short one still has room', () => {
    bytesMax = 1024 * KIB
    const hogs = queues(20)
    let serial = 0
    for (let round = 0; round < 200; round++) {
      for (const hog of hogs) push(hog, message(++serial))
    }
    assert.ok(counters.queuedBytes <= bytesMax, `${counters.queuedBytes}`)
    assert.ok(counters.queuedBytes > bytesMax / 2)
    assert.ok(counters.droppedQueuesFull > 0)
    assert.equal(told.length, 1, 'it is told once')
    const [late] = queues(1) as [OutboundQueue]
    assert.ok(push(late, message(++serial)), 'who has just fallen behind has room')
    const sizes = hogs.map(({ size }) => size)
    assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `${sizes}`)
    for (const hog of hogs) hog.clear()
    for (let i = 0; i < 400; i++) push(late, message(++serial))
    assert.equal(told.length, 2, 'and again when that was over in between')
  })

  it('drop nothing of a backlog that is the same for all, however many wait for it', () => {
    bytesMax = 1024 * KIB
    const all = queues(500)
    for (let serial = 1; serial <= 50; serial++) {
      const it = message(serial)
      for (const queue of all) assert.ok(push(queue, it))
    }
    assert.equal(counters.queuedMessages, 25_000)
    assert.equal(counters.droppedQueuesFull, 0)
    assert.ok(counters.queuedBytes < bytesMax)
  })

  for (const seed of seeds.split(',').map(Number)) {
    it(`count what there is, in whatever order it comes and goes, seed=${seed}`, () => {
      const random = new SeededRandom(seed)
      bytesMax = (64 + random.below(512)) * KIB
      const all = queues(1 + random.below(12))
      const expected = all.map(() => [] as number[])
      let serial = 0
      for (let step = 0; step < 500; step++) {
        serial += 1
        const qos = random.below(3)
        for (const [i, queue] of all.entries()) {
          if (random.below(4) === 0) {
            assert.equal(queue.first?.payload[0], expected[i]?.[0], `seed=${seed}`)
            queue.shift()
            expected[i]?.shift()
          } else if (random.below(100) === 0) {
            queue.clear()
            expected[i]?.splice(0)
          } else if (push(queue, message(serial, { qos: Math.min(qos, random.below(3)) }))) {
            expected[i]?.push(serial & 0xff)
          }
        }
        assert.ok(counters.queuedBytes <= bytesMax, `seed=${seed}`)
        const size = expected.reduce((sum, { length }) => sum + length, 0)
        assert.equal(counters.queuedMessages, size, `seed=${seed}`)
      }
      for (const queue of all) queue.clear()
      assert.deepEqual([counters.queuedMessages, counters.queuedBytes], [0, 0], `seed=${seed}`)
    })
  }
})
