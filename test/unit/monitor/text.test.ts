import assert from 'node:assert/strict'
import { durationText, nanos, timeText, uptimeText } from '../../../shared/monitor/text.ts'

describe('monitor texts', () => {
  it('uptime', () => {
    const uptimes: readonly (readonly [ms: number, text: string])[] = [
      [-5, '0s'],
      [999, '0s'],
      [61_000, '1m1s'],
      [3_600_000, '1h0m0s'],
      [90_061_000, '1d1h1m1s'],
      [366 * 86_400_000, '1y1d0h0m0s'],
    ]
    for (const [ms, text] of uptimes) assert.equal(uptimeText(ms), text)
  })

  it('durations and times', () => {
    assert.equal(durationText(0.0567), '56.7µs')
    assert.equal(durationText(1.2345678), '1.235ms')
    assert.equal(durationText(2_500), '2.5s')
    assert.equal(durationText(62_500), '1m2.5s')
    assert.equal(durationText(3_600_000), '1h0m0s')
    assert.equal(durationText(undefined), '0s')
    assert.equal(nanos(1.5), 1_500_000)
    assert.equal(timeText(0), '1970-01-01T00:00:00.000Z')
  })
})
