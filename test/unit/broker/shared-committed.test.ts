import assert from 'node:assert/strict'
import { AccountSpace, type PublishCommitted } from '../../../shared/broker/index.ts'
import { PetioleError, SeededRandom } from '../../../shared/runtime/index.ts'
import { RecordingPeer } from '../../support/recording-peer.ts'

/** A publisher that waits for several who store its message. */
describe('AccountSpace: a shared acknowledgement', () => {
  const FULL = new PetioleError('PETIOLE_STORE_FULL', 'full')
  let space: AccountSpace
  let owed: (PublishCommitted | undefined)[]
  let calls: unknown[]

  beforeEach(() => {
    space = new AccountSpace(new SeededRandom(1), '$G')
    owed = []
    calls = []
  })

  function subscribe(isCapture: boolean): void {
    const peer = new RecordingPeer('local')
    peer.onDeliver = (_, message) => {
      owed.push(isCapture ? message.takeCommitted() : message.shareCommitted())
    }
    space.subscribe(peer, { subject: 'a', isCapture })
  }

  function publish(isAwaited = true): void {
    const publication = {
      subject: Buffer.from('a'),
      reply: Buffer.alloc(0),
      headers: Buffer.alloc(0),
      payload: Buffer.from('x'),
    }
    const committed = (error: unknown): void => void calls.push(error)
    space.publish(new RecordingPeer('mqtt'), publication, isAwaited ? { committed } : {})
  }

  it('comes when all have stored it, whoever subscribed first', () => {
    subscribe(true)
    subscribe(false)
    subscribe(false)
    publish()
    assert.equal(owed.length, 3)
    for (const [i, committed] of owed.toReversed().entries()) {
      assert.deepEqual(calls, [], `after ${i}`)
      committed?.(undefined)
    }
    assert.deepEqual(calls, [undefined])
  })

  it('waits for who shares it where no capture takes the message', () => {
    subscribe(false)
    publish()
    assert.deepEqual(calls, [])
    owed[0]?.(undefined)
    assert.deepEqual(calls, [undefined])
  })

  it('tells an error at once, and nothing after it', () => {
    subscribe(true)
    subscribe(false)
    subscribe(false)
    publish()
    owed[0]?.(undefined)
    owed[1]?.(FULL)
    assert.deepEqual(calls, [FULL])
    owed[2]?.(FULL)
    assert.deepEqual(calls, [FULL])
  })

  it('is nothing where nobody waits', () => {
    subscribe(false)
    publish(false)
    assert.deepEqual(owed, [undefined])
  })
})
