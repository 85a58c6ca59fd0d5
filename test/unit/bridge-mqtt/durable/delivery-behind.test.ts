/** A session that does not keep up, and catches up: out of memory or from the disk, with the same result. */
import assert from 'node:assert/strict'
import {
  READ_MESSAGES,
  READY_MAX,
  RECENT_PLACES_MAX,
} from '../../../../bridge-mqtt/durable/limits.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import { DurableWorld, filterOf, type TestLine } from '../../../support/durable-world.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { StoreClock, settle } from '../../../support/store-clock.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const STEPS = 400
const TOPICS = ['a', 'b', 'c.d', 'c.e', 'f'] as const

describe('mqtt durable: a session that falls behind', () => {
  let store: MemoryStore
  let world: DurableWorld

  beforeEach(async () => {
    const clock = new StoreClock()
    store = new MemoryStore(() => clock.wallMs())
    world = await DurableWorld.start({ store, clock })
  })

  afterEach(() => world.logs.destroy())

  /** Counts what is read of the log from now on. */
  function countReads(): () => number {
    const [stream] = store.streams.values()
    assert.ok(stream)
    const read = stream.read.bind(stream)
    let reads = 0
    stream.read = (options) => {
      reads++
      return read(options)
    }
    return () => reads
  }

  function acknowledge(line: TestLine): void {
    line.onSent = ({ packetId }) => queueMicrotask(() => world.session('c').puback(packetId, 0))
  }

  async function publish(count: number, from = 0): Promise<void> {
    const all = Array.from({ length: count }, (_, i) => world.publish('a', `${from + i}`))
    await Promise.all(all)
  }

  it('has from memory what came while it was here, and reads no disk for it', async () => {
    await world.subscribe('c', 'a')
    const line = world.attach('c')
    acknowledge(line)
    await settle()
    const reads = countReads()
    line.isBehind = true
    await publish(3 * READY_MAX)
    assert.equal(line.sent.length, 0)
    line.isBehind = false
    world.session('c').wake()
    await settle(20)
    assert.deepEqual(
      line.payloads,
      Array.from({ length: 3 * READY_MAX }, (_, i) => `${i}`),
    )
    assert.equal(reads(), 0)
  })

  it('reads the disk for what memory has let go, and for what came before it was here', async () => {
    await world.subscribe('c', 'a')
    await publish(10)
    const line = world.attach('c')
    acknowledge(line)
    line.isBehind = true
    const reads = countReads()
    const count = RECENT_PLACES_MAX + 100
    await publish(count, 10)
    const toldBefore = line.caughtUps
    line.isBehind = false
    world.session('c').wake()
    await settle(100)
    assert.equal(line.caughtUps, toldBefore + 1)
    assert.deepEqual(
      line.payloads,
      Array.from({ length: count + 10 }, (_, i) => `${i}`),
    )
    assert.ok(reads() > 0)
  })

  it('gets what a read had left for it to take as it came, when that is more than can wait', async () => {
    await world.subscribe('c', 'a')
    await publish(READ_MESSAGES + 10)
    const line = world.attach('c')
    const stopAt = (sent: number): void => {
      line.onSent = () => {
        if (line.sent.length === sent) line.isBehind = true
      }
    }
    const goOn = async (): Promise<void> => {
      line.isBehind = false
      world.session('c').wake()
      await settle(20)
    }
    stopAt(READ_MESSAGES - 10)
    await settle(20)
    await publish(100, READ_MESSAGES + 10)
    // The second read comes to these too.
    stopAt(READ_MESSAGES + 5)
    await goOn()
    assert.equal(line.sent.length, READ_MESSAGES + 5)
    await publish(2 * READY_MAX, READ_MESSAGES + 110)
    line.onSent = () => {}
    await goOn()
    assert.deepEqual(
      line.payloads,
      Array.from({ length: READ_MESSAGES + 110 + 2 * READY_MAX }, (_, i) => `${i}`),
    )
  })

  it(`gets all that its filters match, in order, whatever it does meanwhile (SEED=${SEED})`, async function () {
    this.timeout(20_000)
    const random = new SeededRandom(SEED)
    await world.subscribe('c', 'a')
    await world.subscribe('elder', '#')
    let line = world.attach('c')
    const lines = [line]
    acknowledge(line)
    const filters = new Set(['a'])
    const expected: string[] = []
    for (let step = 0; step < STEPS; step++) {
      switch (random.below(12)) {
        case 0:
        case 1:
          line.isBehind = !line.isBehind
          if (!line.isBehind) world.session('c').wake()
          break
        case 2: {
          const filter = ['b', 'c/+', 'f'][random.below(3)] as string
          await world.subscribe('c', filterOf(filter))
          filters.add(filter)
          break
        }
        case 3:
          // All of it has been seen to its end first: nothing is sent again.
          if (line.isBehind) break
          await settle()
          world.session('c').detach(line)
          if (random.below(2) === 0) await publishDrawn(random, filters, expected)
          line = world.attach('c')
          lines.push(line)
          acknowledge(line)
          break
        default:
          await publishDrawn(random, filters, expected)
      }
      if (random.below(3) === 0) await settle(random.below(4))
    }
    line.isBehind = false
    world.session('c').wake()
    await settle(200)
    const got = lines.flatMap(({ payloads }) => payloads)
    assert.deepEqual(got, expected, `SEED=${SEED}`)
  })

  let count = 0
  async function publishDrawn(
    random: SeededRandom,
    filters: ReadonlySet<string>,
    expected: string[],
  ): Promise<void> {
    const all: Promise<void>[] = []
    for (let i = random.below(random.below(8) === 0 ? 2 * READY_MAX : 20); i >= 0; i--) {
      const topic = TOPICS[random.below(TOPICS.length)] as string
      const filter = topic.startsWith('c.') ? 'c/+' : topic
      const payload = `${topic} ${++count}`
      if (filters.has(filter)) expected.push(payload)
      all.push(world.publish(topic, payload))
    }
    await Promise.all(all)
  }
})
