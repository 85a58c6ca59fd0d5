/** What a client gets whose permissions change while it has filters, and messages that wait for it. */
import assert from 'node:assert/strict'
import { DELIVERY_PENDING_BYTES_MAX } from '../../../../bridge-mqtt/limits.ts'
import { SessionGuard } from '../../../../bridge-mqtt/session/session-guard.ts'
import { compilePermissions } from '../../../../shared/account/index.ts'
import { ManualClock } from '../../../support/manual-clock.ts'
import { type SubscribedClient, SubscriberScene } from '../../../support/subscriber-scene.ts'
import { permissionsConfig } from '../../account/setup.ts'

const FILTERS_MAX = 1_000
const FILTERS = 200

/** Each look at it takes a millisecond, so that what takes long is done in turns. */
class LookedAtClock extends ManualClock {
  isLookedAt = false
  #looks = 0

  override monotonicMs(): number {
    if (this.isLookedAt) this.#looks++
    return super.monotonicMs() + this.#looks
  }
}

describe('mqtt subscriber: permissions that change', () => {
  let clock: LookedAtClock
  let scene: SubscriberScene
  let guard: SessionGuard
  let client: SubscribedClient

  beforeEach(() => {
    clock = new LookedAtClock()
    scene = new SubscriberScene({ clock, ackPendingMax: 1 })
    const limits = { payloadBytesMax: 1024, filtersMax: FILTERS_MAX, expiresMs: Infinity }
    guard = new SessionGuard({ user: '', account: '$G' }, () => limits, clock)
    client = scene.client('c', { guard })
  })

  afterEach(() => scene.close())

  function mayHave(...allow: string[]): void {
    const permissions = compilePermissions(permissionsConfig({ sub: allow }))
    guard.renew({ user: '', account: '$G', permissions })
    client.subscriber.recheck(false)
  }

  function publish(...subjects: string[]): string[] {
    for (const subject of subjects) scene.publish(subject, subject)
    return client.payloads()
  }

  /** What it does in turns is done, and then it is asked. */
  function later<Result>(ask: () => Result): Result {
    clock.advance(100)
    return ask()
  }

  /** Its last filters are looked at in later turns. */
  function subscribeToMany(): string {
    const many = Array.from({ length: FILTERS }, (_, n) => [`a/${n}`, 0] as const)
    client.subscribe(Object.fromEntries(many))
    client.take()
    clock.isLookedAt = true
    return `a.${FILTERS - 1}`
  }

  it('ends what is not allowed any more, and nothing else', () => {
    client.subscribe({ a: 0, b: 0, 'c/#': 0 })
    mayHave('b', 'c', 'c.>')
    assert.deepEqual(publish('a', 'b', 'c.1'), ['b', 'c.1'])
    later(() => assert.equal(client.subscriber.subscriptionCount, 2))
    assert.equal(scene.counters.filters, 2)
  })

  it('sends nothing by filters that it has not come to yet', () => {
    const last = subscribeToMany()
    mayHave('b')
    assert.ok(client.subscriber.subscriptionCount > FILTERS / 2, 'all in one turn')
    assert.deepEqual(publish(last), [])
    later(() => assert.equal(client.subscriber.subscriptionCount, 0))
  })

  it('lets a filter that matches too deliver at once what an elder one may not any more', () => {
    subscribeToMany()
    client.subscribe({ 'b/+': 0, 'b/1': 0 })
    client.take()
    assert.deepEqual(publish('b.1'), ['b.1'])
    mayHave('a.*', 'b.1')
    assert.equal(client.subscriber.subscriptionCount, FILTERS + 2, 'all in one turn')
    assert.deepEqual(publish('b.1', 'b.2'), ['b.1'])
    later(() => assert.equal(client.subscriber.subscriptionCount, FILTERS + 1))
  })

  it('ends what was refused once, though it is allowed again before that is looked at', () => {
    const last = subscribeToMany()
    mayHave('b')
    assert.deepEqual(publish(last), [])
    mayHave('>')
    assert.deepEqual(publish(last), [])
    later(() => assert.deepEqual(publish(last), []))
  })

  it('begins a filter anew that is asked for when it is allowed again', () => {
    const last = subscribeToMany()
    mayHave('b')
    assert.deepEqual(publish(last), [])
    mayHave('>')
    client.subscribe({ [`a/${FILTERS - 1}`]: 0 })
    client.take()
    assert.deepEqual(publish(last), [last])
    later(() => assert.deepEqual(publish(last), [last]))
  })

  it('leaves out from then on what a wider filter would bring and is denied', () => {
    client.subscribe({ 'a/+': 0 })
    const deny = compilePermissions(permissionsConfig({ sub: ['>'], noSub: ['a.2'] }))
    guard.renew({ user: '', account: '$G', permissions: deny })
    client.subscriber.recheck(false)
    client.take()
    assert.deepEqual(publish('a.1', 'a.2'), ['a.1'])
  })

  it('of what waits in the queue sends what it may have still, and gives others their part', () => {
    client.subscribe({ 'a/#': 1, 'b/#': 1, '$share/g/s/#': 1 })
    client.take()
    for (const subject of ['a.1', 'a.2', 's.1', 'b.1']) scene.publish(subject, subject, { qos: 1 })
    const other = scene.client('other')
    other.subscribe({ '$share/g/s/#': 0 })
    other.take()
    mayHave('b', 'b.>')
    clock.advance(1)
    assert.deepEqual(
      client.acknowledgeAll().map(({ payload }) => payload),
      ['a.1', 'b.1'],
    )
    clock.advance(1)
    assert.deepEqual(other.payloads(), ['s.1'])
    for (const subject of ['b.2', 'b.3']) scene.publish(subject, subject, { qos: 1 })
    assert.equal(client.acknowledgeAll().length, 2)
  })

  it('of what waits at QoS 0 sends what it may have as a member of a group', () => {
    client.subscribe({ '$share/g/a/#': 0, '$share/h/b/#': 0 })
    client.take()
    client.channel.pendingBytes = DELIVERY_PENDING_BYTES_MAX
    for (const subject of ['a.1', 'b.1']) scene.publish(subject, subject)
    mayHave('a g', 'a.> g', 'b i', 'b.> i')
    client.channel.pendingBytes = 0
    client.subscriber.flushQueue()
    assert.deepEqual(client.payloads(), ['a.1'])
  })

  it('of what waits for its output at QoS 0 as well', () => {
    client.subscribe({ 'a/#': 0, 'b/#': 0 })
    client.take()
    client.channel.pendingBytes = DELIVERY_PENDING_BYTES_MAX
    for (const subject of ['a.1', 'b.1']) scene.publish(subject, subject)
    mayHave('b', 'b.>')
    client.channel.pendingBytes = 0
    client.subscriber.flushQueue()
    assert.deepEqual(client.payloads(), ['b.1'])
  })
})
