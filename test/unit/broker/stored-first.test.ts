/** Whom a message reaches that one of those who store it refuses while it is routed. */
import assert from 'node:assert/strict'
import {
  AccountSpace,
  type PublishOptions,
  type Subscription,
} from '../../../shared/broker/index.ts'
import { PetioleError, SeededRandom } from '../../../shared/runtime/index.ts'
import { RecordingLink, RecordingPeer } from '../../support/recording-peer.ts'

class Storing extends RecordingPeer {
  readonly stores: 'all' | 'fits' | undefined
  isFull = false

  /** @param order who was asked, in turn */
  constructor(name: string, stores: 'all' | 'fits' | undefined, order: string[]) {
    super('local')
    this.stores = stores
    this.onDeliver = (_subscription, message) => {
      order.push(name)
      if (this.isFull) message.takeCommitted()?.(new PetioleError('PETIOLE_STREAM_FULL', name))
    }
  }
}

/** As a publisher whose acknowledgement means that all have it. */
class Waiting implements PublishOptions {
  isRefused = false
  togethers = 0
  readonly committed = (error: PetioleError | undefined): void => {
    if (error !== undefined) this.isRefused = true
  }

  together(store: () => void): void {
    this.togethers++
    store()
  }
}

describe('AccountSpace: a message that is refused', () => {
  let space: AccountSpace
  let order: string[]
  let capture: Storing
  let queue: Storing
  let log: Storing
  const others: RecordingPeer[] = []

  beforeEach(() => {
    space = new AccountSpace(new SeededRandom(1), '$G')
    order = []
    capture = new Storing('capture', undefined, order)
    queue = new Storing('queue', 'fits', order)
    log = new Storing('log', 'all', order)
    space.subscribe(log, { subject: 'a.>' })
    space.subscribe(capture, { subject: 'a.b.>', isCapture: true })
    space.subscribe(queue, { subject: 'a.b.c' })
    others.splice(0, 3, ...['local', 'mqtt', 'client'].map(() => new RecordingPeer('local')))
    for (const [i, peer] of others.entries()) {
      space.subscribe(peer, i === 2 ? { subject: 'a.>', queue: 'q' } : { subject: 'a.>' })
    }
  })

  function publish(subject: string, options?: PublishOptions): number {
    const nothing = Buffer.alloc(0)
    const publication = { reply: nothing, headers: nothing, payload: nothing }
    const origin = new RecordingPeer('mqtt')
    return space.publish(origin, { ...publication, subject: Buffer.from(subject) }, options)
  }

  function told(): number[] {
    return others.map(({ got }) => got.length)
  }

  it('goes to nobody else, when its publisher means that all who store it have it', () => {
    const link = new RecordingLink('leaf')
    space.subscribe(link, { subject: '>' })
    capture.isFull = true
    assert.equal(publish('a.b.x', new Waiting()), 0)
    assert.deepEqual([order, told(), link.got.length], [['capture'], [0, 0, 0], 0])
    capture.isFull = false
    assert.equal(publish('a.b.x', new Waiting()), 6)
    assert.deepEqual([told(), link.got.length], [[1, 1, 1], 1])
  })

  it('is asked of those first who may refuse it for good, and kept by all of several or none', () => {
    const waiting = new Waiting()
    publish('a.b.c', waiting)
    assert.deepEqual(order, ['capture', 'queue', 'log'])
    assert.equal(waiting.togethers, 1)
    queue.isFull = true
    // Its own call is taken by the capture: it refuses through the publisher.
    queue.onDeliver = () => waiting.committed(new PetioleError('PETIOLE_STREAM_FULL', 'queue'))
    assert.equal(publish('a.b.c', waiting), 0)
    assert.deepEqual(order.slice(3), ['capture'])
    assert.deepEqual([log.got.length, ...told()], [1, 1, 1, 1])
  })

  it('by one alone begins no transaction: that would cost every publish', () => {
    const waiting = new Waiting()
    publish('a.b.x', waiting)
    assert.deepEqual(order, ['capture', 'log'])
    assert.equal(waiting.togethers, 0)
  })

  it('goes to no link when the log that a member of a group stores in refuses it', () => {
    const link = new RecordingLink('leaf')
    space.subscribe(link, { subject: '>' })
    const waiting = new Waiting()
    others[2]!.onDeliver = () => waiting.committed(new PetioleError('PETIOLE_STORE_FULL', 'log'))
    publish('a.x', waiting)
    assert.deepEqual([told(), link.got.length], [[0, 0, 1], 0])
  })

  it('in two parts goes to the log, and then to all but the log', () => {
    assert.equal(publish('a.b.c', { part: 'logs', capture: false }), 2)
    assert.deepEqual(
      [order, told()],
      [
        ['log', 'queue'],
        [0, 0, 0],
      ],
    )
    assert.equal(publish('a.b.c', { part: 'others', capture: false }), 4)
    assert.deepEqual(
      [order, told()],
      [
        ['log', 'queue', 'queue'],
        [1, 1, 1],
      ],
    )
    let refusal: PetioleError | undefined
    log.isFull = true
    publish('a.x', {
      part: 'logs',
      committed: (error) => {
        refusal = error
      },
    })
    assert.equal(refusal?.code, 'PETIOLE_STREAM_FULL')
    assert.equal(publish('nobody', { part: 'logs' }), 0)
  })

  it('in two parts goes to one member of a group, by the lot of the first part', () => {
    const groupLog = new Storing('member log', 'all', order)
    space.subscribe(groupLog, { subject: 'a.>', queue: 'q' })
    const worker = others[2]!
    let kept = 0
    for (let i = 0; i < 100; i++) {
      const lots: Subscription[] = []
      order.length = 0
      const before = worker.got.length
      assert.ok(publish('a.x', { part: 'logs', capture: false, lots }) > 0)
      assert.deepEqual(worker.got.length, before, 'a client is told in the first part')
      kept += Number(order.includes('member log'))
      publish('a.x', { part: 'others', capture: false, lots })
      const members = order.filter((name) => name === 'member log').length
      assert.equal(members + worker.got.length - before, 1, `round ${i}`)
    }
    assert.ok(kept > 20 && kept < 80, `${kept} of 100 fell to the log`)
  })

  it('in two parts goes to another member when the one that the lot fell on has gone', () => {
    const groupLog = new Storing('member log', 'all', order)
    const worker = others[2]!
    const lots = [space.subscribe(new RecordingPeer('local'), { subject: 'elsewhere', queue: 'q' })]
    space.subscribe(groupLog, { subject: 'a.>', queue: 'q' })
    publish('a.x', { part: 'others', capture: false, lots })
    const members = order.filter((name) => name === 'member log').length
    assert.equal(members + worker.got.length, 1)
  })

  it('of a NATS client goes to all others as ever, who come before those who store it', () => {
    let isRefused = false
    capture.isFull = true
    others[1]!.onDeliver = () => order.push('subscriber')
    publish('a.b.c', {
      committed: (error) => {
        isRefused = error !== undefined
      },
    })
    assert.deepEqual([isRefused, told()], [true, [1, 1, 1]])
    // Whoever shares the publisher's callback comes before the capture that takes it.
    assert.deepEqual(order, ['subscriber', 'log', 'queue', 'capture'])
  })
})
