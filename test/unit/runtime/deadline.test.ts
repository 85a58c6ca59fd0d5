import assert from 'node:assert/strict'
import { Deadline } from '../../../shared/runtime/index.ts'
import { ManualClock } from '../../support/manual-clock.ts'

describe('deadline', () => {
  it('has one timer for many times, and comes with each of them', () => {
    const clock = new ManualClock()
    const times = [30, 10, 20].map((delayMs) => clock.monotonicMs() + delayMs)
    const seen: number[] = []
    const startedMs = clock.monotonicMs()
    const next = (): number => Math.min(...times)
    const deadline = new Deadline(clock, next, (nowMs) => {
      seen.push(nowMs - startedMs)
      times.splice(0, times.length, ...times.filter((timeMs) => timeMs > nowMs))
    })
    for (let i = 0; i < 3; i++) deadline.arm()
    assert.equal(clock.timers, 1)
    for (let i = 0; i < 50; i++) clock.advance(1)
    assert.deepEqual(seen, [10, 20, 30])
    assert.equal(clock.timers, 0)
  })

  it('comes earlier when it is told of an earlier time, and not after it is closed', () => {
    const clock = new ManualClock()
    const startedMs = clock.monotonicMs()
    const seen: number[] = []
    let nextMs = startedMs + 1_000
    const deadline = new Deadline(
      clock,
      () => nextMs,
      (nowMs) => {
        seen.push(nowMs - startedMs)
        nextMs = startedMs + 1_000
      },
    )
    deadline.arm()
    nextMs = startedMs + 5
    deadline.arm()
    clock.advance(5)
    assert.deepEqual(seen, [5])
    deadline.close()
    deadline.arm()
    clock.advance(2_000)
    assert.deepEqual(seen, [5])
  })
})
