import assert from 'node:assert/strict'
import { LoadAverages } from '../../../../bridge-mqtt/sys-topics/index.ts'

const NONE = {
  connections: 0,
  receivedMessages: 0,
  receivedBytes: 0,
  sentMessages: 0,
  sentBytes: 0,
  dropped: 0,
}

describe('load averages of $SYS topics', () => {
  const ratesOf = (loads: LoadAverages) => [...loads.ratesOf('receivedMessages')]

  it('come to what happens per minute, the shorter the sooner', () => {
    const loads = new LoadAverages(0)
    for (let minute = 1; minute <= 120; minute++) {
      loads.sample({ ...NONE, receivedMessages: minute * 600 }, minute * 60_000)
      const [one, five, fifteen] = ratesOf(loads).map(([, rate]) => rate)
      assert.ok(one !== undefined && five !== undefined && fifteen !== undefined)
      assert.ok(one >= five && five >= fifteen && one <= 600.001)
    }
    for (const [minutes, rate] of ratesOf(loads)) {
      assert.ok(Math.abs(rate - 600) < 1, `${minutes} min: ${rate}`)
    }
    loads.sample({ ...NONE, receivedMessages: 120 * 600 }, 121 * 60_000)
    const [one, , fifteen] = ratesOf(loads)
    assert.ok(Math.abs((one?.[1] ?? 0) - 600 / Math.E) < 1)
    assert.ok((fifteen?.[1] ?? 0) > 550)
  })

  it('are the same for one long interval as for many short ones, when it is even', () => {
    const [often, seldom] = [new LoadAverages(0), new LoadAverages(0)]
    for (let s = 1; s <= 600; s++) often.sample({ ...NONE, receivedMessages: s * 7 }, s * 1_000)
    seldom.sample({ ...NONE, receivedMessages: 600 * 7 }, 600_000)
    for (const [i, [minutes, rate]] of ratesOf(often).entries()) {
      const other = ratesOf(seldom)[i]?.[1] ?? 0
      assert.ok(Math.abs(rate - other) < 0.01, `${minutes} min: ${rate} and ${other}`)
    }
  })

  it('take a sum that shrank for one that began anew, and no time for none', () => {
    const loads = new LoadAverages(0)
    loads.sample({ ...NONE, receivedMessages: 1_000 }, 60_000)
    const before = ratesOf(loads)
    loads.sample({ ...NONE, receivedMessages: 5_000 }, 60_000)
    assert.deepEqual(ratesOf(loads), before)
    loads.sample({ ...NONE, receivedMessages: 3 }, 120_000)
    for (const [, rate] of ratesOf(loads)) assert.ok(rate >= 0)
  })
})
