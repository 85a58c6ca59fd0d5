import assert from 'node:assert/strict'
import { AccountSpace, type Peer } from '../../../shared/broker/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { InterestWatches } from '../../../shared/server/interest-watches.ts'

const PEER: Peer = { kind: 'local', id: 7, echo: true, deliver: () => {} }

describe('InterestWatches', () => {
  let space: AccountSpace
  let watches: InterestWatches
  let changes: number

  beforeEach(() => {
    space = new AccountSpace(new SeededRandom(1), 'A')
    watches = new InterestWatches(space)
    changes = 0
  })

  const watch = (queue = '') => watches.add('a.b', queue, () => changes++)
  /** What is told is told outside of the router. */
  const told = async (): Promise<number> => {
    assert.equal(changes, 0, 'within the change of interest')
    await Promise.resolve()
    const count = changes
    changes = 0
    return count
  }

  it('counts those who subscribe to exactly that subject, in that group', async () => {
    space.subscribe(PEER, { subject: 'a.*' })
    space.subscribe(PEER, { subject: '>' })
    space.subscribe(PEER, { subject: 'a.b', queue: 'other' })
    const [plain, grouped] = [watch(), watch('g')]
    assert.deepEqual([plain.isInterested, grouped.isInterested], [false, false])
    await told()
    space.subscribe(PEER, { subject: 'a.b', queue: 'g' })
    assert.equal(await told(), 1)
    assert.deepEqual([plain.isInterested, grouped.isInterested], [false, true])
    space.subscribe(PEER, { subject: 'a.b' })
    assert.equal(await told(), 1)
    assert.deepEqual([plain.isInterested, grouped.isInterested], [true, true])
  })

  it('knows who was there before, and tells of the first and the last', async () => {
    const first = space.subscribe(PEER, { subject: 'a.b' })
    const it = watch()
    assert.equal(it.isInterested, true)
    const second = space.subscribe(PEER, { subject: 'a.b' })
    assert.equal(await told(), 0)
    space.unsubscribe(first)
    assert.equal(await told(), 0)
    space.unsubscribe(second)
    assert.equal(await told(), 1)
    assert.equal(it.isInterested, false)
  })

  it('takes one subscriber for another within a turn for no change', async () => {
    const first = space.subscribe(PEER, { subject: 'a.b' })
    const it = watch()
    await told()
    space.unsubscribe(first)
    space.subscribe(PEER, { subject: 'a.b' })
    assert.deepEqual([await told(), it.isInterested], [0, true])
  })

  it('tells nobody who has stopped, and lets go of the space with the last one', async () => {
    let observers = 0
    const observe = space.observe.bind(space)
    space.observe = (observer) => {
      observers++
      const stop = observe(observer)
      return () => {
        observers--
        stop()
      }
    }
    const [one, other] = [watch(), watch()]
    assert.equal(observers, 1)
    one.stop()
    space.subscribe(PEER, { subject: 'a.b' })
    assert.equal(await told(), 1)
    space.subscribe(PEER, { subject: 'a.b' })
    other.stop()
    assert.deepEqual([await told(), observers], [0, 0])
    other.stop()
    watch().stop()
    assert.equal(observers, 0)
  })
})
