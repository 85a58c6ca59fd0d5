/**
 * A connection that is taken over while changes of its filters are on their way to the disk: the next one of the
 * client has what its session has, whether they get there or not.
 */
import assert from 'node:assert/strict'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import { DurableWorld } from '../../../support/durable-world.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { StoreClock, settle } from '../../../support/store-clock.ts'
import { type SubscribedClient, SubscriberScene } from '../../../support/subscriber-scene.ts'

const SEEDS = 12
const ROUNDS = 40
const NAMES = ['a', 'b', 'c']

describe('subscriber of a durable session whose connection is taken over', () => {
  let store: MemoryStore
  let world: DurableWorld
  let scene: SubscriberScene
  let client: SubscribedClient

  beforeEach(async () => {
    const clock = new StoreClock()
    store = new MemoryStore(() => clock.wallMs())
    world = await DurableWorld.start({ store, clock })
    scene = new SubscriberScene({ space: world.space, clock })
    client = scene.client('c', { durable: world.session('c') })
    client.subscribe({ a: 0 })
    await settle()
    store.isAuto = false
  })

  afterEach(() => {
    scene.close()
    world.logs.destroy()
  })

  function takeOver(): void {
    client.subscriber.close()
    client = scene.client('c', { durable: world.session('c') })
  }

  /** What is published live on each of these, as far as the client gets it. */
  function live(...subjects: string[]): string[] {
    client.take()
    for (const subject of subjects) scene.publish(subject, subject)
    return client.payloads()
  }

  it('gets live what its session has still, when that it was taken away is not on disk', () => {
    client.unsubscribe('a')
    takeOver()
    assert.deepEqual(live('a'), [])
    store.failCommit()
    assert.deepEqual(live('a'), ['a'])
    assert.equal(scene.counters.filters, 1)
  })

  it('gets nothing live of what was asked for and is not on disk', () => {
    client.subscribe({ b: 0, 'c/#': 1 })
    takeOver()
    assert.deepEqual(live('a', 'b', 'c'), ['a', 'b', 'c'])
    store.failCommit()
    assert.deepEqual(live('a', 'b', 'c'), ['a'])
    assert.equal(scene.counters.filters, 1)
  })

  it('has the options that are on disk', () => {
    client.subscribe({ a: { isNoLocal: true } }, { subscriptionIds: [7] })
    takeOver()
    assert.equal(client.subscriber.hasNoLocal, true)
    store.failCommit()
    assert.equal(client.subscriber.hasNoLocal, false)
    scene.publish('a', 'x')
    assert.deepEqual(client.publishes()[0]?.properties, {})
  })

  it('has what it asks for itself meanwhile, when that fails as well', () => {
    client.unsubscribe('a')
    takeOver()
    client.subscribe({ a: 1 })
    client.subscribe({ b: 0 })
    takeOver()
    store.failCommit()
    assert.deepEqual(live('a', 'b'), ['a'])
    assert.equal(world.session('c').filters.get('a')?.qos, 0)
  })

  for (let seed = 1; seed <= SEEDS; seed++) {
    it(`has what its session has after each commit: seed ${seed}`, () => {
      const random = new SeededRandom(seed)
      for (let round = 0; round < ROUNDS; round++) {
        for (let steps = random.below(5); steps >= 0; steps--) {
          const names = NAMES.filter(() => random.below(2) === 0)
          if (random.below(3) === 0) takeOver()
          else if (names.length === 0) continue
          else if (random.below(2) === 0) client.unsubscribe(...names)
          else client.subscribe(Object.fromEntries(names.map((name) => [name, random.below(3)])))
        }
        if (random.below(2) === 0) store.commit()
        else store.failCommit()
        const { filters } = world.session('c')
        const has = NAMES.filter((name) => filters.has(name))
        assert.deepEqual(live(...NAMES), has, `seed=${seed} round ${round}`)
        assert.equal(scene.counters.filters, has.length)
      }
    })
  }
})
