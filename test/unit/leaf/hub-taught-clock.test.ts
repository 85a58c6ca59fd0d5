import assert from 'node:assert/strict'
import { HubTaughtClock } from '../../../leaf/hub-taught-clock.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const HUB_MS = Date.UTC(2026, 10, 21)

describe('clock of a leaf', () => {
  it('is set by the hub when it does not know the time, and goes on from there', () => {
    const own = new ManualClock()
    own.wallBeginMs = 5_000
    const clock = new HubTaughtClock(own)
    assert.equal(clock.wallMs(), 5_000)
    assert.equal(clock.learn(HUB_MS), 0)
    assert.equal(clock.wallMs(), HUB_MS)
    own.wallBeginMs += 1_000
    assert.equal(clock.wallMs(), HUB_MS + 1_000)
  })

  it('is believed when it knows the time, and from the moment on when it learns it', () => {
    const own = new ManualClock()
    own.wallBeginMs = 0
    const clock = new HubTaughtClock(own)
    clock.learn(HUB_MS)
    own.wallBeginMs = HUB_MS + 90_000
    assert.equal(clock.wallMs(), HUB_MS + 90_000)
    assert.equal(clock.learn(HUB_MS), -90_000)
    assert.equal(clock.wallMs(), HUB_MS + 90_000)
  })
})
