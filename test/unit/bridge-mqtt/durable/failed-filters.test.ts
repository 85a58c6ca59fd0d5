/** Filters that are changed several times before a commit that fails: they are what is on disk. */
import assert from 'node:assert/strict'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import { DurableWorld, filterOf } from '../../../support/durable-world.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { StoreClock, settle } from '../../../support/store-clock.ts'

const SEEDS = 12
const ROUNDS = 40
const NAMES = ['a', 'b', 'c/#']

describe('mqtt durable: filters whose commits fail', () => {
  let store: MemoryStore
  let world: DurableWorld

  beforeEach(async () => {
    const clock = new StoreClock()
    store = new MemoryStore(() => clock.wallMs())
    world = await DurableWorld.start({ store, clock })
    world.session('c')
    await settle()
    store.isAuto = false
  })

  afterEach(() => world.logs.destroy())

  /** With their QoS. */
  function shown(of: DurableWorld): [string, number][] {
    const all = of.log.sessions.get('c')?.filters.values() ?? []
    return [...all].map(({ filter, qos }): [string, number] => [filter, qos]).sort()
  }

  async function stored(): Promise<[string, number][]> {
    const clock = new StoreClock()
    const next = await DurableWorld.start({ store: store.restarted(), clock })
    const found = shown(next)
    next.logs.destroy()
    return found
  }

  it('one that was taken and asked for again is there as before', async () => {
    const session = world.session('c')
    session.subscribe([filterOf('a', 2)], () => {})
    store.commit()
    session.unsubscribe(['a'], () => {})
    session.subscribe([filterOf('a', 1)], () => {})
    store.failCommit()
    assert.deepEqual(shown(world), [['a', 2]])
    assert.deepEqual(await stored(), [['a', 2]])
  })

  it('one that was taken is gone, when that it is asked for again is of a later commit', async () => {
    const session = world.session('c')
    session.subscribe([filterOf('a', 2)], () => {})
    store.commit()
    session.unsubscribe(['a'], () => {})
    session.subscribe([filterOf('a', 1)], () => {})
    store.commit(1)
    store.failCommit()
    assert.deepEqual(shown(world), [])
    assert.deepEqual(await stored(), [])
  })

  it('one that was asked for and taken again is not there', () => {
    const session = world.session('c')
    session.subscribe([filterOf('a')], () => {})
    session.unsubscribe(['a'], () => {})
    store.failCommit()
    assert.deepEqual(shown(world), [])
  })

  it('one that was asked for twice is not there', () => {
    const session = world.session('c')
    for (const qos of [1, 2]) session.subscribe([filterOf('a', qos)], () => {})
    store.failCommit()
    assert.deepEqual(shown(world), [])
  })

  it('those of a session that has ended meanwhile do not come back', () => {
    const session = world.session('c')
    session.subscribe([filterOf('a', 2)], () => {})
    store.commit()
    session.subscribe([filterOf('a', 1)], () => {})
    session.end()
    store.failCommit()
    assert.equal(session.filters.size, 0)
  })

  for (let seed = 1; seed <= SEEDS; seed++) {
    it(`are what is on disk after each commit: seed ${seed}`, async () => {
      const random = new SeededRandom(seed)
      const session = world.session('c')
      for (let round = 0; round < ROUNDS; round++) {
        for (let changes = random.below(6); changes >= 0; changes--) {
          const names = NAMES.filter(() => random.below(2) === 0)
          const change = (): void => {
            if (random.below(2) === 0) session.unsubscribe(names, () => {})
            else
              session.subscribe(
                names.map((name) => filterOf(name, random.below(3))),
                () => {},
              )
          }
          change()
        }
        if (random.below(2) === 0) store.commit()
        else store.failCommit()
        assert.deepEqual(shown(world), await stored(), `round ${round}`)
      }
    })
  }
})
