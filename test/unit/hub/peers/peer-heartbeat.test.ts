import assert from 'node:assert/strict'
import { PROBE_TIMEOUT_MS } from '../../../../hub/peers/limits.ts'
import { PeerHeartbeat } from '../../../../hub/peers/peer-heartbeat.ts'
import { LinkClock } from '../../../support/link-clock.ts'

const INTERVAL_MS = 10_000
const TIMEOUT_MS = 5_000

describe('heartbeat of a link between hubs', () => {
  let clock: LinkClock
  let output: { pendingBytes: number; writtenBytes: number }
  let hasWaited: boolean
  let pings: number
  let stale: number | undefined
  let heartbeat: PeerHeartbeat

  beforeEach(() => {
    clock = new LinkClock()
    output = { pendingBytes: 0, writtenBytes: 0 }
    hasWaited = false
    pings = 0
    stale = undefined
    heartbeat = new PeerHeartbeat({
      clock,
      output,
      hasWaited: () => hasWaited,
      intervalMs: INTERVAL_MS,
      timeoutMs: TIMEOUT_MS,
      ping: () => {
        pings++
        output.writtenBytes += 6
      },
      stale: () => {
        stale = clock.monotonicMs()
      },
    })
    clock.pass(1)
    heartbeat.start()
  })

  it('asks in steady intervals, whatever is heard', () => {
    for (let i = 0; i < 10; i++) {
      clock.pass(1_000)
      heartbeat.heard()
      heartbeat.pong()
      clock.pass(INTERVAL_MS - 1_000)
    }
    assert.equal(pings, 11)
    assert.equal(heartbeat.roundTripMs, 1_000)
    assert.equal(stale, undefined)
  })

  it('gives up a peer that says nothing after a PING', () => {
    clock.pass(TIMEOUT_MS)
    assert.equal(stale, 1 + TIMEOUT_MS)
    clock.pass(10 * INTERVAL_MS)
    assert.equal(pings, 1, 'and asks no more')
  })

  it('does not take its own wait for the death of the peer', () => {
    hasWaited = true
    clock.pass(60_000)
    assert.equal(stale, undefined)
    hasWaited = false
    clock.pass(INTERVAL_MS + 2 * TIMEOUT_MS)
    assert.ok(stale !== undefined, 'one that is dead is found when this side reads again')
  })

  it('is as patient when a probe asks', () => {
    heartbeat.probe()
    hasWaited = true
    clock.pass(PROBE_TIMEOUT_MS)
    assert.equal(stale, undefined)
    hasWaited = false
    clock.pass(PROBE_TIMEOUT_MS)
    assert.equal(stale, 1 + 2 * PROBE_TIMEOUT_MS)
  })

  it('waits as long as the peer takes what is in front of the PING', () => {
    Object.assign(output, { pendingBytes: 1_000_000, writtenBytes: 1_000_000 })
    heartbeat.probe()
    for (let i = 0; i < 40; i++) {
      output.pendingBytes -= 25_000
      clock.pass(1_000)
      assert.equal(stale, undefined, `after ${clock.monotonicMs()} ms`)
    }
    clock.pass(2 * TIMEOUT_MS + INTERVAL_MS)
    assert.ok(stale !== undefined, 'no longer than that')
  })

  it('reads what is there before it gives up', () => {
    const { soon } = clock
    clock.soon = (fn) => {
      heartbeat.heard()
      soon.call(clock, fn)
    }
    clock.pass(TIMEOUT_MS)
    assert.equal(stale, undefined)
    assert.equal(heartbeat.roundTripMs, undefined)
    clock.pass(INTERVAL_MS)
    assert.equal(pings, 2)
  })

  it('says nothing once it is stopped, also while it looks a last time', () => {
    const { soon } = clock
    clock.soon = (fn) => {
      heartbeat.stop()
      soon.call(clock, fn)
    }
    clock.pass(10 * INTERVAL_MS)
    assert.equal(stale, undefined)
  })
})
