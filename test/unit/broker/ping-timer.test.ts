import assert from 'node:assert/strict'
import { PingTimer } from '../../../shared/broker/ping-timer.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const INTERVAL_MS = 1_000

describe('broker: liveness of a client', () => {
  let clock: ManualClock
  let hasWaited: boolean
  let pings: number
  let staleMs: number | undefined
  let timer: PingTimer

  beforeEach(() => {
    clock = new ManualClock()
    hasWaited = false
    pings = 0
    staleMs = undefined
    const options = { pingIntervalMs: INTERVAL_MS, firstPingMs: INTERVAL_MS, pingsOutMax: 2 }
    timer = new PingTimer(
      clock,
      { float: () => 0, below: () => 0, bytes: (size) => new Uint8Array(size) },
      options,
      { hasWaited: () => hasWaited },
      {
        sendPing: () => pings++,
        stale: () => {
          staleMs = clock.monotonicMs()
        },
      },
    )
  })

  it('ends when it leaves two questions open', () => {
    clock.advance(10 * INTERVAL_MS)
    assert.deepEqual([pings, staleMs], [2, 3 * INTERVAL_MS])
  })

  it('does not end because nothing was read', () => {
    hasWaited = true
    clock.advance(10 * INTERVAL_MS)
    assert.equal(staleMs, undefined)
    hasWaited = false
    clock.advance(10 * INTERVAL_MS)
    assert.ok(staleMs !== undefined && staleMs <= 13 * INTERVAL_MS, `${staleMs}`)
  })

  it('does not end before what has come is read', () => {
    const { soon } = clock
    clock.soon = (fn) => {
      timer.heard()
      timer.pong()
      soon.call(clock, fn)
    }
    clock.advance(3 * INTERVAL_MS)
    assert.deepEqual([pings, staleMs], [3, undefined])
    clock.soon = soon
    clock.advance(10 * INTERVAL_MS)
    assert.ok(staleMs !== undefined)
  })

  it('ends once, and not at all when it is stopped in time', () => {
    clock.advance(2 * INTERVAL_MS)
    timer.stop()
    clock.advance(10 * INTERVAL_MS)
    assert.equal(staleMs, undefined)
  })
})
