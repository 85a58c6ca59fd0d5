import assert from 'node:assert/strict'
import { ClosedRing } from '../../../shared/broker/closed-ring.ts'
import type { ClientConnection } from '../../../shared/broker/index.ts'
import { closeOneByOne } from '../../../shared/broker/lame-duck.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const turns = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('lame duck', () => {
  async function closings(count: number, graceMs: number, durationMs: number): Promise<number[]> {
    const clock = new ManualClock()
    const times: number[] = []
    const start = clock.monotonicMs()
    const connections = Array.from({ length: count }, () => ({
      end: () => times.push(clock.monotonicMs() - start),
    })) as unknown as ClientConnection[]
    let isOver = false
    void closeOneByOne(connections, { graceMs, durationMs }, clock, new SeededRandom(7)).then(
      () => {
        isOver = true
      },
    )
    for (let i = 0; !isOver && i < 20_000; i++) {
      await turns()
      clock.advance(1)
    }
    assert.equal(isOver, true)
    return times
  }

  it('lets the grace period pass, then spreads the closings over the rest', async () => {
    const times = await closings(20, 100, 500)
    assert.equal(times.length, 20)
    assert.ok((times[0] ?? 0) >= 100)
    assert.ok((times.at(-1) ?? 0) <= 520, String(times.at(-1)))
    const steps = times.slice(1).map((time, i) => time - (times[i] ?? 0))
    assert.ok(
      steps.every((step) => step >= 10 && step <= 22),
      String(steps),
    )
  })

  it('never sleeps longer than a second between two', async () => {
    const times = await closings(3, 10, 60_000)
    assert.ok((times.at(-1) ?? 0) <= 10 + 2 * 1_002, String(times))
  })

  it('closes in batches when there are more connections than milliseconds', async () => {
    const times = await closings(1_000, 10, 60)
    assert.equal(times.length, 1_000)
    assert.ok((times.at(-1) ?? 0) <= 10 + 110, String(times.at(-1)))
  })
})

describe('closed ring', () => {
  it('keeps the last so many, oldest first', () => {
    const ring = new ClosedRing<number>(3)
    assert.deepEqual(ring.toArray(), [])
    for (let i = 1; i <= 2; i++) ring.push(i)
    assert.deepEqual(ring.toArray(), [1, 2])
    for (let i = 3; i <= 7; i++) ring.push(i)
    assert.deepEqual(ring.toArray(), [5, 6, 7])
    const none = new ClosedRing<number>(0)
    none.push(1)
    assert.deepEqual(none.toArray(), [])
  })
})
