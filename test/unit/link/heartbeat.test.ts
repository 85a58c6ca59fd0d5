import assert from 'node:assert/strict'
import { Heartbeat } from '../../../shared/link/heartbeat.ts'
import { LinkClock } from '../../support/link-clock.ts'

describe('link heartbeat', () => {
  let clock: LinkClock
  let output: { channelPendingBytes: number; writtenBytes: number }
  let pings: number[]
  let stale: number | undefined
  let hasWaited: boolean
  let heartbeat: Heartbeat

  beforeEach(() => {
    clock = new LinkClock()
    output = { channelPendingBytes: 0, writtenBytes: 0 }
    pings = []
    stale = undefined
    hasWaited = false
    heartbeat = new Heartbeat({
      clock,
      output,
      intervalMs: 30_000,
      timeoutMs: 10_000,
      hasWaited: () => hasWaited,
      ping: () => pings.push(clock.monotonicMs()),
      stale: () => {
        stale = clock.monotonicMs()
      },
    })
    heartbeat.start()
  })

  const answer = (afterMs: number): void => {
    clock.pass(afterMs)
    heartbeat.heard()
    heartbeat.pong()
  }

  it('measures the round trip of a new link within a second', () => {
    clock.pass(1_000)
    assert.deepEqual(pings, [1_000])
    assert.equal(heartbeat.roundTripMs, undefined)
    answer(40)
    assert.equal(heartbeat.roundTripMs, 40)
  })

  it('finds a link dead within interval and timeout of its last sign of life', () => {
    clock.pass(1_000)
    answer(100)
    clock.pass(60_000)
    assert.deepEqual(pings, [1_000, 31_100])
    assert.equal(stale, 41_100)
  })

  it('does not ask a link that talks', () => {
    clock.pass(1_000)
    answer(10)
    for (let i = 0; i < 100; i++) {
      clock.pass(20_000)
      heartbeat.heard()
    }
    assert.deepEqual(pings, [1_000])
    assert.equal(stale, undefined)
  })

  it('asks an idle link once per interval', () => {
    clock.pass(1_000)
    answer(10)
    for (let i = 0; i < 10; i++) {
      while (pings.length < i + 2) clock.pass(100)
      answer(50)
    }
    const gaps = pings.slice(1).map((it, i) => it - (pings[i] ?? 0))
    assert.ok(
      gaps.every((it) => it >= 30_000 && it <= 31_000),
      `${gaps}`,
    )
  })

  it('waits as long as a backlog moves, and gives up when it stands still', () => {
    output.writtenBytes = 256 * 1024
    output.channelPendingBytes = 200 * 1024
    clock.pass(1_000)
    for (let i = 0; i < 8; i++) {
      output.channelPendingBytes -= 20 * 1024
      clock.pass(10_000)
      assert.equal(stale, undefined, `after ${clock.monotonicMs()} ms`)
    }
    clock.pass(10_000)
    clock.pass(10_000)
    assert.ok(stale !== undefined && stale <= 101_000, `${stale}`)
  })

  it('gives a slow link the time that its last bytes need', () => {
    output.writtenBytes = 100 * 1024
    clock.pass(1_000 + 10_000)
    assert.equal(stale, undefined)
    clock.pass(60_000)
    assert.ok(stale !== undefined && stale >= 35_000 && stale <= 45_000, `${stale}`)
  })

  it('does not take for silence that it has not read', () => {
    hasWaited = true
    clock.pass(1_000 + 60_000)
    assert.equal(stale, undefined)
    hasWaited = false
    clock.pass(10_000)
    assert.equal(stale, 71_000, 'a whole timeout after it was last found waiting')
  })

  it('reads what is there before it gives up', () => {
    clock.pass(1_000)
    const { soon } = clock
    clock.soon = (fn) => {
      heartbeat.heard()
      soon.call(clock, fn)
    }
    clock.pass(10_000)
    assert.equal(stale, undefined)
    clock.soon = soon
    clock.pass(60_000)
    assert.equal(stale, 51_000)
  })

  it('says nothing once it is stopped', () => {
    heartbeat.stop()
    clock.pass(1_000_000)
    assert.deepEqual([pings, stale], [[], undefined])
  })
})
