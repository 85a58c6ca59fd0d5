/**
 * Work queues and streams that go by interest, whose server is killed and started again while they are
 * worked on: what was acknowledged, and told to be so, never comes back, and nothing else is lost.
 */
import assert from 'node:assert/strict'
import { AckPolicy, jetstream, jetstreamManager, RetentionPolicy } from '@nats-io/jetstream'
import { type NatsConnection, nanos } from '@nats-io/transport-node'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { connect } from '../support/patience.ts'
import { StoredHub } from '../support/stored-hub.ts'

const MESSAGES = 600
const KILLS = 4
const BATCH = 40

describe('fault: consumers of a server that is killed', function () {
  this.timeout(120_000)
  let hub: StoredHub

  beforeEach(async () => {
    hub = await StoredHub.create()
    await hub.start()
  })

  afterEach(() => hub.remove())

  const client = (): Promise<NatsConnection> =>
    connect({ servers: `127.0.0.1:${hub.port}`, reconnect: false })

  async function setUp(retention: RetentionPolicy, consumers: readonly string[]): Promise<void> {
    const connection = await client()
    const jsm = await jetstreamManager(connection)
    await jsm.streams.add({ name: 'S', subjects: ['s.>'], retention })
    for (const name of consumers) {
      await jsm.consumers.add('S', {
        durable_name: name,
        ack_policy: AckPolicy.Explicit,
        ack_wait: nanos(1_000),
      })
    }
    const js = jetstream(connection)
    await Promise.all(Array.from({ length: MESSAGES }, () => js.publish('s.a', 'x')))
    await connection.close()
  }

  /** Works on until the consumer is through, or the server is gone. */
  async function work(worker: Worker, mayKill: () => boolean): Promise<boolean> {
    const connection = await client()
    try {
      const jsm = await jetstreamManager(connection)
      const info = await jsm.consumers.info('S', worker.name)
      assert.ok(info.ack_floor.stream_seq >= worker.toldFloor, worker.text(info.ack_floor))
      // What was on its way when the server went may have been heard, or not.
      worker.acknowledged = []
      const consumer = await jetstream(connection).consumers.get('S', worker.name)
      for (;;) {
        let came = 0
        for await (const message of await consumer.fetch({ max_messages: BATCH, expires: 1_500 })) {
          came++
          assert.ok(!worker.told.has(message.seq), worker.text(`${message.seq} came back`))
          worker.seen.add(message.seq)
          worker.acknowledged.push(message.seq)
          if (message.seq % 3 === 0) message.ack()
          else if (await message.ackAck()) worker.heard()
          if (!mayKill()) continue
          await hub.kill()
          await hub.start()
          return false
        }
        if (came === 0) return true
      }
    } catch (error) {
      // A disk that is slow to take the acks is enough: the client's monitor does not know that it got all.
      if (error instanceof Error && error.message === 'heartbeats missed') return false
      throw error
    } finally {
      await connection.close()
    }
  }

  async function run(retention: RetentionPolicy, names: readonly string[]): Promise<void> {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
    const random = new SeededRandom(seed)
    await setUp(retention, names)
    const workers = names.map((name) => new Worker(name, seed))
    let kills = 0
    const mayKill = (): boolean => kills < KILLS && random.below(100) === 0 && ++kills > 0
    for (const worker of workers) while (!(await work(worker, mayKill)));
    const connection = await client()
    const { state } = await (await jetstreamManager(connection)).streams.info('S')
    await connection.close()
    assert.equal(state.messages, 0, `SEED=${seed}: ${kills} kills`)
    for (const worker of workers) assert.equal(worker.seen.size, MESSAGES, worker.text('seen'))
  }

  it('a work queue', () => run(RetentionPolicy.Workqueue, ['c']))

  it('two consumers with interest', () => run(RetentionPolicy.Interest, ['c', 'd']))
})

class Worker {
  readonly name: string
  readonly seen = new Set<number>()
  /** Acknowledged since the last time that it was told to be heard. */
  acknowledged: number[] = []
  /** Acknowledged, and told that this is on disk. */
  readonly told = new Set<number>()
  readonly #seed: number

  constructor(name: string, seed: number) {
    this.name = name
    this.#seed = seed
  }

  /** What is told to be on disk is so with all that was acknowledged before it. */
  heard(): void {
    for (const seq of this.acknowledged) this.told.add(seq)
    this.acknowledged = []
  }

  /** Everything up to here is told to be on disk. */
  get toldFloor(): number {
    let floor = 0
    while (this.told.has(floor + 1)) floor++
    return floor
  }

  text(what: unknown): string {
    return `SEED=${this.#seed} ${this.name}: ${JSON.stringify(what)}`
  }
}
