import assert from 'node:assert/strict'
import { nextTime } from '../../../shared/stream/publish/schedule/pattern.ts'
import { TimeZone } from '../../../shared/stream/publish/schedule/time-zone.ts'

const at = (text: string): number => Date.parse(text)

/** The times that follow each other, as nats-server's parser finds them. */
function times(
  pattern: string,
  from: string,
  count: number,
  zone?: string,
): (string | undefined)[] {
  const found: (string | undefined)[] = []
  let ms = at(from)
  for (let i = 0; i < count; i++) {
    const next = nextTime(pattern, zone === undefined ? undefined : TimeZone.named(zone), ms, ms)
    found.push(next === undefined ? undefined : new Date(next.ms).toISOString().replace('.000', ''))
    if (next === undefined) return found
    ms = next.ms
  }
  return found
}

describe('times of schedules', () => {
  it('are those of a cron pattern', () => {
    const from = '2026-01-30T10:20:30.5Z'
    assert.deepEqual(times('*/20 * * * * *', from, 3), [
      '2026-01-30T10:20:40Z',
      '2026-01-30T10:21:00Z',
      '2026-01-30T10:21:20Z',
    ])
    assert.deepEqual(times('0 30 8-10/2 * * mon-fri', from, 3), [
      '2026-01-30T10:30:00Z',
      '2026-02-02T08:30:00Z',
      '2026-02-02T10:30:00Z',
    ])
    assert.deepEqual(times('0 0 0 29 2 *', from, 2), [
      '2028-02-29T00:00:00Z',
      '2032-02-29T00:00:00Z',
    ])
    assert.deepEqual(times('0 0 0 30 2 *', from, 1), [undefined])
  })

  it('are on either day when both are restricted, on both when one is open', () => {
    const from = '2026-01-01T00:00:00Z'
    assert.deepEqual(times('0 0 0 13 * fri', from, 3), [
      '2026-01-02T00:00:00Z',
      '2026-01-09T00:00:00Z',
      '2026-01-13T00:00:00Z',
    ])
    assert.deepEqual(times('0 0 0 */1 * fri', from, 2), [
      '2026-01-02T00:00:00Z',
      '2026-01-09T00:00:00Z',
    ])
  })

  it('have names', () => {
    const from = '2026-05-20T10:20:30Z'
    const first = (pattern: string): string | undefined => times(pattern, from, 1)[0]
    assert.equal(first('@yearly'), '2027-01-01T00:00:00Z')
    assert.equal(first('@monthly'), '2026-06-01T00:00:00Z')
    assert.equal(first('@weekly'), '2026-05-24T00:00:00Z')
    assert.equal(first('@daily'), '2026-05-21T00:00:00Z')
    assert.equal(first('@hourly'), '2026-05-20T11:00:00Z')
    assert.equal(first('@toString'), undefined)
    assert.equal(first('toString'), undefined)
  })

  it('are those of the zone, also where its clocks change', () => {
    assert.deepEqual(times('0 0 8 * * *', '2026-03-28T00:00:00Z', 2, 'Europe/Berlin'), [
      '2026-03-28T07:00:00Z',
      '2026-03-29T06:00:00Z',
    ])
    // 02:30 is skipped on the 29th, and there twice on 25 October.
    assert.deepEqual(times('0 30 2 * * *', '2026-03-28T12:00:00Z', 1, 'Europe/Berlin'), [
      '2026-03-30T00:30:00Z',
    ])
    assert.deepEqual(times('0 30 2 * * *', '2026-10-24T12:00:00Z', 3, 'Europe/Berlin'), [
      '2026-10-25T00:30:00Z',
      '2026-10-25T01:30:00Z',
      '2026-10-26T01:30:00Z',
    ])
    assert.deepEqual(times('0 0 0 * * *', '2026-01-01T00:00:00Z', 1, 'Asia/Kathmandu'), [
      '2026-01-01T18:15:00Z',
    ])
  })

  it('are made up for once', () => {
    const now = at('2026-01-01T10:00:10.2Z')
    const due = at('2026-01-01T09:00:00Z')
    const next = (pattern: string): number => nextTime(pattern, undefined, due, now)?.ms ?? 0
    assert.equal(next('@every 1m'), at('2026-01-01T10:01:10Z'))
    assert.equal(next('0 * * * * *'), at('2026-01-01T10:01:00Z'))
    assert.equal(nextTime('@every 2h', undefined, due, now)?.ms, at('2026-01-01T11:00:00Z'))
    assert.deepEqual(nextTime('@at 2020-01-01T00:00:00Z', undefined, due, now), {
      ms: at('2020-01-01T00:00:00Z'),
      isRepeated: false,
    })
  })
})
