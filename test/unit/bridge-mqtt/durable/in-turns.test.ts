/** What sessions with very many filters do, and very many sessions: in turns of the loop, which are counted. */
import assert from 'node:assert/strict'
import { UNPLANTED_FILTERS_MAX } from '../../../../bridge-mqtt/durable/limits.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import { SubjectTree } from '../../../../shared/subject/index.ts'
import { DurableWorld, filterOf } from '../../../support/durable-world.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { StoreClock, settle } from '../../../support/store-clock.ts'

const MANY = 2 * UNPLANTED_FILTERS_MAX
const LAST = MANY - 1
/** Of five milliseconds each, in which sixteen pieces are done between two looks at the clock. */
const TURNS_MIN = 10
const SEEDS = 4

/** Each look at it takes a millisecond. */
class LookedAtClock extends StoreClock {
  turns = 0
  #looks = 0

  override monotonicMs(): number {
    return super.monotonicMs() + ++this.#looks
  }

  override soon(fn: () => void): void {
    this.turns++
    super.soon(fn)
  }
}

describe('mqtt durable: in turns', () => {
  let clock: LookedAtClock
  let store: MemoryStore
  let world: DurableWorld

  beforeEach(async () => {
    clock = new LookedAtClock()
    store = new MemoryStore(() => clock.wallMs())
    world = await DurableWorld.start({ store, clock })
  })

  afterEach(() => world.logs.destroy())

  async function subscribe(clientId: string, prefix = ''): Promise<void> {
    const all = Array.from({ length: MANY }, (_, i) => filterOf(`${prefix}f/${i}`))
    await world.subscribe(clientId, ...all)
    await settle()
  }

  /** How many turns pass until nothing more is done. */
  async function turnsOf(act: () => void): Promise<number> {
    const before = clock.turns
    act()
    await settle(MANY / 16)
    return clock.turns - before
  }

  /** Acknowledges all of it at QoS 1, so that nothing is in flight. */
  function acknowledge(clientId: string, { sent }: ReturnType<DurableWorld['attach']>): void {
    for (const { packetId } of sent) world.session(clientId).puback(packetId, 0)
  }

  it('the client of very many filters comes and goes', async () => {
    await subscribe('c')
    const comes = await turnsOf(() => world.attach('c'))
    const goes = await turnsOf(() => world.session('c').detach())
    assert.ok(comes >= TURNS_MIN && goes >= TURNS_MIN, `${comes} and ${goes} turns`)
  })

  for (let seed = 1; seed <= SEEDS; seed++) {
    it(`it gets once what is stored while not all know that it is here, or away: seed ${seed}`, async () => {
      const random = new SeededRandom(seed)
      await subscribe('c')
      const payloads: string[] = []
      const got: string[] = []
      const publish = (): void => {
        for (const most of [100, 300, MANY]) {
          payloads.push(`${payloads.length}`)
          void world.publish(`f.${random.below(most)}`, `${payloads.at(-1)}`)
        }
      }
      for (let round = 0; round < 60; round++) {
        const line = world.attach('c')
        publish()
        await settle(random.below(MANY / 64))
        publish()
        await settle(2)
        got.push(...line.payloads)
        acknowledge('c', line)
        world.session('c').detach()
        if (random.below(2) === 0) publish()
        await settle(random.below(5))
      }
      const line = world.attach('c')
      await settle(MANY / 16)
      assert.deepEqual([...got, ...line.payloads], payloads, `seed=${seed}`)
    })
  }

  it('a session of very many filters ends, and nothing is kept for it meanwhile', async () => {
    await subscribe('c')
    await world.publish(`f.${LAST}`, 'before')
    const turns = await turnsOf(() => {
      world.session('c').end()
      void world.publish(`f.${LAST}`, 'meanwhile')
    })
    assert.ok(turns >= TURNS_MIN, `${turns} turns`)
    clock.advance(2_000)
    await settle()
    assert.equal(world.log.stats.messages, 0)
    const left = [...store.streams.values()].flatMap(({ states }) => [...states.entries()])
    assert.deepEqual(left, [])
    assert.deepEqual(
      [...world.space.subscriptions()].map(({ subject }) => subject),
      [],
    )
  })

  it('filters are erased when it is on disk that their session is, and not before', async () => {
    await subscribe('c')
    const [stream] = store.streams.values()
    const filters = (): number =>
      [...(stream?.states.entries() ?? [])].filter(([key]) => key.startsWith('f/')).length
    store.isAuto = false
    world.session('c').end()
    await settle()
    store.failCommit()
    await settle(MANY / 16)
    assert.equal(filters(), MANY)
    world.logs.destroy()
    world = await DurableWorld.start({ store: store.restarted(), clock })
    assert.equal(world.session('c').filters.size, MANY)
  })

  it('what is left of the filters of an ended session goes at the next start', async () => {
    await subscribe('c')
    world.session('c').end()
    await settle(2)
    world.logs.destroy()
    await settle()
    store = store.restarted()
    world = await DurableWorld.start({ store, clock })
    await settle()
    assert.equal(world.log.sessions.size, 0)
    const left = [...store.streams.values()].flatMap(({ states }) => [...states.entries()])
    assert.deepEqual(left, [])
  })

  it('one that has ended, or whose client has gone, takes nothing from others of its groups', async () => {
    await subscribe('c', '$share/g/')
    await world.subscribe('d', filterOf(`$share/g/f/${LAST}`))
    world.attach('c')
    await settle(MANY / 16)
    const payloads = Array.from({ length: 20 }, (_, i) => `${i}`)
    world.session('c').detach()
    for (const payload of payloads) void world.publish(`f.${LAST}`, payload)
    await settle(MANY / 16)
    const { c, d } = { c: world.attach('c'), d: world.attach('d') }
    await settle(MANY / 16)
    assert.deepEqual([...c.payloads, ...d.payloads].toSorted(byNumber), payloads)
    acknowledge('c', c)
    acknowledge('d', d)
    world.session('d').detach()
    world.session('c').end()
    for (const payload of payloads) void world.publish(`f.${LAST}`, payload)
    const again = world.attach('d')
    await settle(MANY / 16)
    assert.deepEqual(again.payloads, payloads)
  })

  it('one more filter of very many costs a look into the tree of the others, and no new tree', async () => {
    await subscribe('c')
    const line = world.attach('c')
    await settle(MANY / 16)
    const { add } = SubjectTree.prototype
    let added = 0
    SubjectTree.prototype.add = function (...all) {
      added++
      return add.apply(this, all)
    }
    try {
      for (let i = 0; i < 10; i++) {
        await world.subscribe('c', `more/${i}`)
        await world.publish(`more.${i}`, `${i}`)
      }
    } finally {
      SubjectTree.prototype.add = add
    }
    await settle()
    assert.equal(line.sent.length, 10)
    assert.ok(added <= 100, `${added} were added to trees`)
  })

  for (let seed = 1; seed <= SEEDS; seed++) {
    it(`matches by the filters there are, as they change: seed ${seed}`, async () => {
      const random = new SeededRandom(seed)
      if (seed % 2 === 0) await subscribe('c')
      const line = world.attach('c')
      const names = [
        '#',
        'r/#',
        '+/1/1',
        ...[0, 1, 2].flatMap((n) => [`r/${n}/+`, `r/+/${n}`, `r/${n}/${n}`]),
      ]
      const has = new Set<string>()
      for (let round = 0; round < 60; round++) {
        for (const [i, name] of names.entries()) {
          if (random.below(3) > 0) continue
          if (has.delete(name)) world.session('c').unsubscribe([name], () => {})
          else {
            has.add(name)
            await world.subscribe('c', filterOf(name, 1, { subscriptionId: i + 1 }))
          }
        }
        await settle(2)
        const topic = `r/${random.below(3)}/${random.below(3)}`
        await world.publish(topic.replaceAll('/', '.'), `${round}`)
        await settle(2)
        const expected = names.flatMap((name, i) =>
          has.has(name) && covers(name, topic) ? [i + 1] : [],
        )
        const sent = line.sent.splice(0)
        for (const { packetId } of sent) world.session('c').puback(packetId, 0)
        assert.deepEqual(
          sent.map(({ ids }) => ids.toSorted((a, b) => a - b)),
          expected.length === 0 ? [] : [expected],
          `seed=${seed} round ${round}`,
        )
      }
    })
  }

  it('identifiers that an earlier version wrote down are moved after a start', async () => {
    for (let i = 0; i < MANY; i++) world.session(`c${i}`)
    await settle()
    const [stream] = store.streams.values()
    for (let i = 0; i < MANY; i++) {
      stream?.states.set(`i/${world.session(`c${i}`).key}`, Buffer.of(1, 7, 0, 9, 0))
    }
    await settle()
    world.logs.destroy()
    store = store.restarted()
    const before = clock.turns
    world = await DurableWorld.start({ store, clock })
    const { key } = world.session(`c${LAST}`)
    const states = [...store.streams.values()][0]?.states
    assert.ok(states?.get(`i/${key}`), 'not in the turn of the start')
    assert.equal(world.session(`c${LAST - 1}`).hasReceived(8), true, 'when it is asked for')
    await settle(MANY / 16)
    assert.ok(clock.turns - before >= TURNS_MIN)
    assert.deepEqual(
      [...(states?.entries() ?? [])].filter(([name]) => /^i\/[^/]*$/.test(name)),
      [],
    )
    for (const i of [0, LAST]) assert.equal(world.session(`c${i}`).receivedCount, 3)
  })
})

function byNumber(a: string, b: string): number {
  return Number(a) - Number(b)
}

/** The slow way. */
function covers(filter: string, topic: string): boolean {
  const pattern = filter.replaceAll('+', '[^/]+').replace(/\/#$/, '(/.*)?').replace(/^#$/, '.*')
  return new RegExp(`^${pattern}$`).test(topic)
}
