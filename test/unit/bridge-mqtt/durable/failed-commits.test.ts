/** Commits that fail: what was refused is gone for everybody, and what was acknowledged is not. */
import assert from 'node:assert/strict'
import { PLACE, propertySection } from '../../../../bridge-mqtt/codec/index.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import { DurableWorld, filterOf, type TestLine } from '../../../support/durable-world.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { StoreClock, settle } from '../../../support/store-clock.ts'

const SEEDS = 12
const OPERATIONS = 400

interface Subscriber {
  readonly id: string
  line: TestLine | undefined
  isSure: boolean
  readonly expected: Set<string>
  readonly got: Set<string>
  /** The number of the newest that came for the first time. */
  newest: number
}

class Attempt {
  readonly #random: SeededRandom
  readonly #store: MemoryStore
  readonly #clock = new StoreClock()
  readonly #subscribers: Subscriber[] = ['c', 'd', 'e'].map((id) => ({
    id,
    line: undefined,
    isSure: false,
    expected: new Set<string>(),
    got: new Set<string>(),
    newest: 0,
  }))
  readonly #refused = new Set<string>()
  readonly #told = new Set<string>()
  #world: DurableWorld | undefined
  #serial = 0

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
    this.#store = new MemoryStore(() => this.#clock.wallMs())
  }

  get #w(): DurableWorld {
    assert.ok(this.#world)
    return this.#world
  }

  async run(): Promise<void> {
    this.#world = await DurableWorld.start({ store: this.#store, clock: this.#clock })
    this.#w.session('c')
    await settle()
    this.#store.isAuto = false
    for (let i = 0; i < OPERATIONS; i++) {
      this.#act()
      if (this.#random.below(4) === 0) await settle(2)
      if (this.#random.below(20) === 0) this.#clock.advance(700)
    }
    this.#store.isAuto = true
    this.#store.commit()
    for (let turn = 0; turn < 60; turn++) {
      for (const subscriber of this.#subscribers) {
        if (subscriber.line === undefined) this.#comeOrGo(subscriber)
      }
      this.#clock.advance(700)
      await settle(6)
    }
    for (const { id, expected, got } of this.#subscribers) {
      for (const payload of expected) {
        assert.ok(got.has(payload) || !this.#told.has(payload), `${id} has lost ${payload}`)
      }
    }
    this.#w.logs.destroy()
    const next = await DurableWorld.start({ store: this.#store.restarted(), clock: this.#clock })
    for (const { id, isSure } of this.#subscribers) {
      const filters = next.log.sessions.get(id)?.filters
      assert.ok(!isSure || filters?.has('a') === true, `${id} was told that it is subscribed`)
    }
    next.logs.destroy()
  }

  get refused(): number {
    return this.#refused.size
  }

  #act(): void {
    const draw = this.#random.below(100)
    const subscriber = this.#subscribers[this.#random.below(3)] as Subscriber
    if (draw < 45) this.#publish()
    else if (draw < 65) this.#store.commit()
    else if (draw < 73) this.#store.failCommit()
    else if (draw < 88) this.#comeOrGo(subscriber)
    else this.#subscribe(subscriber)
  }

  #publish(): void {
    const payload = `m${++this.#serial}`
    for (const { isSure, expected } of this.#subscribers) if (isSure) expected.add(payload)
    const isTakenBack = this.#random.below(6) === 0
    const publish = (): void => {
      this.#w.publisher.publish(this.#w.space, 'a', payload, 1 + this.#random.below(2), (error) => {
        if (error === undefined) this.#told.add(payload)
        else this.#refused.add(payload)
      })
      if (isTakenBack) throw new Error('taken back')
    }
    try {
      this.#store.transaction(publish)
    } catch {
      this.#refused.add(payload)
    }
  }

  #comeOrGo(subscriber: Subscriber): void {
    const session = this.#w.session(subscriber.id)
    if (subscriber.line !== undefined) {
      session.detach()
      subscriber.line = undefined
      return
    }
    const line = this.#w.attach(subscriber.id)
    subscriber.line = line
    line.onSent = ({ payload, packetId, qos, isDup }) => {
      assert.ok(!this.#refused.has(payload), `${payload} was refused, and came`)
      const number = Number(payload.slice(1))
      assert.ok(isDup || number > subscriber.newest, `${payload} came twice, or late`)
      subscriber.newest = Math.max(subscriber.newest, number)
      subscriber.got.add(payload)
      queueMicrotask(() => {
        if (qos === 1) session.puback(packetId, 0)
        else session.pubrec(packetId, 0)
      })
    }
    line.onPubrel = (packetId) => queueMicrotask(() => session.pubcomp(packetId))
  }

  #subscribe(subscriber: Subscriber): void {
    if (subscriber.isSure) return
    this.#w.session(subscriber.id).subscribe([filterOf('a', 2)], (error) => {
      if (error === undefined) subscriber.isSure = true
    })
  }
}

describe('mqtt durable: commits that fail', () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    it(`nothing refused comes, nothing acknowledged is lost: seed ${seed}`, async () => {
      const attempt = new Attempt(seed)
      await attempt.run()
      assert.ok(attempt.refused > 10, `${attempt.refused} refused`)
    })
  }

  it('what was not for a session that leaves, and is refused, takes nothing with it that comes later', async () => {
    const clock = new StoreClock()
    const store = new MemoryStore(() => clock.wallMs())
    const world = await DurableWorld.start({ store, clock })
    await world.subscribe('c', 'a')
    await world.subscribe('elder', '#')
    world.attach('c')
    await settle()
    store.isAuto = false
    for (const subject of ['b', 'b', 'a']) {
      world.publisher.publish(world.space, subject, 'refused', 1)
    }
    world.session('c').detach()
    store.failCommit()
    store.isAuto = true
    await world.publish('a', '1')
    await world.publish('a', '2')
    const line = world.attach('c')
    await settle()
    assert.deepEqual(line.payloads, ['1', '2'])
    world.logs.destroy()
  })

  it('a filter that was asked for twice, and refused, has all that comes when it is there at last', async () => {
    const clock = new StoreClock()
    const store = new MemoryStore(() => clock.wallMs())
    const world = await DurableWorld.start({ store, clock })
    await world.subscribe('elder', '#')
    const session = world.session('c')
    await settle()
    store.isAuto = false
    for (let i = 0; i < 2; i++) world.publisher.publish(world.space, 'b', 'refused', 1)
    let refused = 0
    for (let i = 0; i < 2; i++) {
      session.subscribe([filterOf('a')], (error) => {
        if (error !== undefined) refused++
      })
    }
    store.failCommit()
    assert.equal(refused, 2)
    store.isAuto = true
    await world.subscribe('c', 'a')
    const line = world.attach('c')
    await world.publish('a', '1')
    await world.publish('a', '2')
    await settle()
    assert.deepEqual(line.payloads, ['1', '2'])
    world.logs.destroy()
  })

  it('a will that did not get to the disk is written again when its client leaves', async () => {
    const clock = new StoreClock()
    const store = new MemoryStore(() => clock.wallMs())
    const world = await DurableWorld.start({ store, clock })
    const session = world.session('c')
    world.attach('c')
    await settle()
    store.isAuto = false
    const properties = { willDelaySeconds: 60 }
    session.setWill({
      topic: Buffer.from('will'),
      payload: Buffer.from('gone'),
      qos: 1,
      isRetain: false,
      properties,
      section: Buffer.from(propertySection(properties, PLACE.will)),
    })
    store.failCommit()
    session.detach()
    store.commit()
    world.logs.destroy()
    const next = await DurableWorld.start({ store: store.restarted(), clock })
    assert.equal(next.log.sessions.get('c')?.will?.payload.toString(), 'gone')
    next.logs.destroy()
  })
})
