import assert from 'node:assert/strict'
import { every, SystemClock, wait } from '../../../shared/runtime/index.ts'
import { SimClock, SimLoop, SimWallClock } from '../../sim/index.ts'

describe('clock', () => {
  let loop: SimLoop
  let clock: SimClock

  beforeEach(() => {
    loop = new SimLoop(1)
    clock = new SimClock(loop, new SimWallClock(loop), 'node')
  })

  it('every calls after each interval until it is cancelled, also from within', async () => {
    const times: number[] = []
    const cancel = every(clock, 100, () => {
      times.push(clock.monotonicMs())
      if (times.length === 3) cancel()
    })
    await loop.run({ forMs: 1_000 })
    assert.deepEqual(times, [100, 200, 300])
  })

  it('wait resolves with true in time, with false as soon as the signal aborts', async () => {
    const abort = new AbortController()
    const results: [boolean, number][] = []
    const note = (reached: boolean): void => void results.push([reached, clock.monotonicMs()])
    void wait(clock, 100).then(note)
    void wait(clock, 200, abort.signal).then(note)
    void wait(clock, 500, abort.signal).then(note)
    clock.after(300, () => abort.abort())
    await loop.run({ forMs: 1_000 })
    void wait(clock, 500, abort.signal).then(note)
    await loop.run({ forMs: 0 })
    assert.deepEqual(results, [
      [true, 100],
      [true, 200],
      [false, 300],
      [false, 1_000],
    ])
  })

  it('the system clock fires once, not when cancelled, and goes forward', async () => {
    const system = new SystemClock()
    const before = system.monotonicMs()
    const keepAlive = setTimeout(() => {}, 5_000)
    const fired: string[] = []
    system.after(1, () => fired.push('cancelled'))()
    await new Promise<void>((resolve) => {
      system.after(5, () => {
        fired.push('after')
        resolve()
      })
    })
    await new Promise<void>((resolve) => system.soon(resolve))
    clearTimeout(keepAlive)
    assert.deepEqual(fired, ['after'])
    assert.ok(system.monotonicMs() > before)
    assert.ok(Math.abs(system.wallMs() - Date.now()) < 1_000)
  })

  it('takes delays that a single timer of the system cannot', async () => {
    const system = new SystemClock()
    let fired = false
    const cancel = system.after(2 ** 31 + 1_000, () => {
      fired = true
    })
    await new Promise((resolve) => setTimeout(resolve, 10))
    cancel()
    assert.equal(fired, false)
  })
})
