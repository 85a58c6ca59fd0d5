import assert from 'node:assert/strict'
import { ClientOutlet } from '../../../shared/broker/client-outlet.ts'
import { ClientSubscription } from '../../../shared/broker/client-subscription.ts'
import { STALL_BYTES, STALL_MS } from '../../../shared/broker/limits.ts'
import type { Output } from '../../../shared/transport/index.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { RecordingChannel } from '../../support/recording-channel.ts'

const OPTIONS = { pendingBytesMax: Number.POSITIVE_INFINITY, dropsForSlowConsumers: false }

/** A channel whose output is as far behind as the test says. */
class BehindChannel extends RecordingChannel {
  readonly #output = { pendingBytes: 0, reserve: () => -1, write: () => {} }

  constructor() {
    super(0)
  }

  override get output(): Output {
    return this.#output as unknown as Output
  }

  set behindBytes(bytes: number) {
    this.#output.pendingBytes = bytes
  }
}

describe('a publisher with several receivers that are behind', () => {
  let clock: ManualClock
  let publisher: ClientOutlet
  let publisherChannel: BehindChannel
  let ids = 0

  beforeEach(() => {
    clock = new ManualClock()
    publisherChannel = new BehindChannel()
    publisher = outletOf(publisherChannel)
  })

  function outletOf(channel: BehindChannel): ClientOutlet {
    const owner = { exhausted: () => {}, slowConsumer: () => assert.fail('a slow consumer') }
    return new ClientOutlet(clock, channel, ++ids, OPTIONS, owner)
  }

  /** A receiver that has just been given something by the publisher, and is behind. */
  function receiver(): { outlet: ClientOutlet; channel: BehindChannel } {
    const channel = new BehindChannel()
    const outlet = outletOf(channel)
    channel.behindBytes = STALL_BYTES + 1
    const subscription = new ClientSubscription(outlet, 's', '', '1')
    outlet.takeRun(subscription, publisher, false, 0, 0, 0, 0)
    return { outlet, channel }
  }

  it('waits for the last of them', () => {
    const first = receiver()
    const second = receiver()
    assert.equal(publisherChannel.isPaused, true)
    first.outlet.releasePublishers()
    assert.equal(publisherChannel.isPaused, true, 'the second is still behind')
    second.outlet.releasePublishers()
    assert.equal(publisherChannel.isPaused, false)
    second.outlet.releasePublishers()
    receiver()
    assert.equal(publisherChannel.isPaused, true)
  })

  it('goes on when each has caught up or had its time', () => {
    const first = receiver()
    receiver()
    first.outlet.releasePublishers()
    clock.advance(STALL_MS - 1)
    assert.equal(publisherChannel.isPaused, true)
    clock.advance(1)
    assert.equal(publisherChannel.isPaused, false)
  })
})
