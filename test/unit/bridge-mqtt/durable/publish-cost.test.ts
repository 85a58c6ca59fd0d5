/** What a publish costs, told by what is touched, not by time. */
import assert from 'node:assert/strict'
import { LogInterest } from '../../../../bridge-mqtt/durable/log-interest.ts'
import { DurableWorld, filterOf } from '../../../support/durable-world.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { StoreClock, settle } from '../../../support/store-clock.ts'

const AWAY = 2_000

describe('mqtt durable: what a publish costs', () => {
  let clock: StoreClock
  let store: MemoryStore
  let world: DurableWorld
  let touched: Map<string, number>

  beforeEach(async () => {
    clock = new StoreClock()
    store = new MemoryStore(() => clock.wallMs())
    world = await DurableWorld.start({ store, clock })
    touched = new Map()
  })

  afterEach(() => world.logs.destroy())

  /** Counts each call of a session's methods and each look at its state. */
  function watch(clientId: string): void {
    const session = world.session(clientId)
    for (const name of ['appended', 'needs', 'take', 'isOnline', 'hasRoom'] as const) {
      const found = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(session), name)
      assert.ok(found, name)
      const count = (): void => void touched.set(clientId, (touched.get(clientId) ?? 0) + 1)
      const { get, value } = found as {
        get?: () => unknown
        value?: (...all: unknown[]) => unknown
      }
      if (get !== undefined) {
        Object.defineProperty(session, name, {
          get: () => {
            count()
            return get.call(session)
          },
        })
      } else {
        Object.defineProperty(session, name, {
          value: (...all: unknown[]) => {
            count()
            return value?.apply(session, all)
          },
        })
      }
    }
  }

  it('touches no session whose client is away, stores once, and writes nothing for each', async () => {
    for (let i = 0; i < AWAY; i++) {
      await world.subscribe(`c${i}`, 'plant/+/temp')
      watch(`c${i}`)
    }
    watch('here')
    await world.subscribe('here', 'plant/#')
    const line = world.attach('here')
    await settle()
    touched.clear()
    const [stream] = store.streams.values()
    const states = (): number => [...(stream?.states.entries() ?? [])].length
    const statesBefore = states()
    for (let i = 0; i < 50; i++) await world.publish('plant.1.temp', `${i}`)
    await settle()
    assert.deepEqual([...touched.keys()], ['here'])
    assert.equal(world.log.stats.messages, 50)
    assert.equal(states(), statesBefore)
    assert.equal([...world.space.subscriptions()].length, 3, 'one of each distinct subject')
    assert.equal(line.sent.length, 50)
  })

  it('a message that one is done with is held against few of those who need it', async () => {
    for (let i = 0; i < AWAY; i++) {
      await world.subscribe(`c${i}`, 'a')
      watch(`c${i}`)
    }
    await world.subscribe('here', 'a')
    world.attach('here')
    for (let i = 0; i < 100; i++) await world.publish('a', `${i}`)
    await settle()
    for (let id = 1; id <= 100; id++) world.session('here').puback(id, 0)
    touched.clear()
    clock.advance(2_000)
    await settle()
    const sum = [...touched.values()].reduce((all, one) => all + one, 0)
    assert.ok(sum <= 200, `${sum} for 100 messages`)
    assert.equal(world.log.stats.messages, 100)
  })

  it('a client that reads nothing costs a comparison, and loses nothing', async () => {
    await world.subscribe('frozen', filterOf('a', 1))
    await world.subscribe('quick', filterOf('a', 1))
    const frozen = world.attach('frozen')
    frozen.isBehind = true
    const quick = world.attach('quick')
    for (let i = 0; i < 5_000; i++) {
      await world.publish('a', `${i}`)
      for (const { packetId } of quick.sent.slice(-1)) world.session('quick').puback(packetId, 0)
    }
    await settle()
    assert.equal(quick.sent.length, 5_000)
    assert.equal(frozen.sent.length, 0)
    frozen.isBehind = false
    world.session('frozen').wake()
    await settle(2_000)
    assert.deepEqual(
      frozen.payloads,
      Array.from({ length: 5_000 }, (_, i) => `${i}`),
    )
    await world.publish('a', 'live again')
    await settle()
    assert.equal(frozen.payloads.at(-1), 'live again')
  })

  it('an interest forgets who has left it', () => {
    const peer = { kind: 'local', id: 1, echo: true, deliver: () => {} } as const
    const subscription = world.space.subscribe(peer, { subject: 'x' })
    const interest = new LogInterest(1, subscription)
    const session = { appended: () => {}, needs: () => true }
    interest.join(session, 4)
    interest.join(session, 2)
    assert.equal(interest.isNeeded(3), true)
    assert.equal(interest.isNeeded(2), false)
    interest.leave(session)
    assert.equal(interest.isNeeded(3), true)
    interest.leave(session)
    assert.equal(interest.size, 0)
    assert.equal(interest.isNeeded(3), false)
  })
})
