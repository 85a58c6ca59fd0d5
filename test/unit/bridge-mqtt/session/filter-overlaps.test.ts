import assert from 'node:assert/strict'
import {
  MERGED_BYTES_MAX,
  MERGED_SUBJECT_BYTES,
  MERGED_SUBJECTS_MAX,
} from '../../../../bridge-mqtt/limits.ts'
import {
  bytesRemembered,
  FilterOverlaps,
  type OverlappingFilter,
} from '../../../../bridge-mqtt/session/filter-overlaps.ts'
import { SubjectFilter } from '../../../../shared/subject/index.ts'

/** Counts how often subjects are compared with it. */
class CountingFilter extends SubjectFilter {
  static matched = 0

  override matches(subject: Uint8Array): boolean {
    CountingFilter.matched++
    return super.matches(subject)
  }
}

describe('filter overlaps', () => {
  let before: number

  beforeEach(() => {
    before = bytesRemembered()
    CountingFilter.matched = 0
  })

  function filter(subject: string, age: number, ids = 0): OverlappingFilter {
    return {
      qos: age % 3,
      isRetainAsPublished: false,
      subscriptionIds: Array.from({ length: ids }, (_, i) => i + 1),
      age,
      isNoLocal: false,
      skipsDollar: false,
      names: [subject],
      subjects: [new CountingFilter(subject)],
      isAllowed: true,
      overlaps: 0,
    }
  }

  /** Whoever delivers, asked as the router asks: once for each. */
  function deliver(overlaps: FilterOverlaps, filters: OverlappingFilter[], subject: string): void {
    const bytes = Buffer.from(subject)
    const [first, second, third] = filters.map((it) => overlaps.grantOf(it, bytes, false))
    assert.equal(first?.qos, 2)
    assert.deepEqual([second, third], [undefined, undefined])
  }

  function client(ids = 0): [FilterOverlaps, OverlappingFilter[]] {
    const filters = ['>', 'a.>', 'a.*'].map((subject, age) => filter(subject, age, ids))
    const overlaps = new FilterOverlaps()
    for (const it of filters) overlaps.add(it)
    return [overlaps, filters]
  }

  it('are searched once for a message, and not again for the next of its subject', () => {
    const [overlaps, filters] = client()
    for (let i = 0; i < 5; i++) deliver(overlaps, filters, 'a.b')
    assert.equal(CountingFilter.matched, 3)
    const long = `a.${'x'.repeat(MERGED_SUBJECT_BYTES)}`
    for (let i = 0; i < 5; i++) deliver(overlaps, filters, long)
    assert.equal(CountingFilter.matched, 6, 'a long one as long as it is the last')
    deliver(overlaps, filters, 'a.b')
    assert.equal(CountingFilter.matched, 6)
    overlaps.clear()
    assert.equal(bytesRemembered(), before)
  })

  it('forget what they have learnt, and begin anew, when that is too much for one client', () => {
    const [overlaps, filters] = client()
    let most = 0
    for (let i = 0; i < 3 * MERGED_SUBJECTS_MAX; i++) {
      deliver(overlaps, filters, `a.${i}`)
      most = Math.max(most, bytesRemembered() - before)
    }
    assert.ok(most < MERGED_SUBJECTS_MAX * 512, `${most} bytes`)
    overlaps.forget()
    assert.equal(bytesRemembered(), before)
  })

  it('of many clients with many identifiers remember so much and no more, and serve all', () => {
    const ids = 10_000
    const clients = Array.from({ length: 2 }, () => client(ids))
    for (const [overlaps, filters] of clients) {
      for (let i = 0; i < MERGED_SUBJECTS_MAX; i++) deliver(overlaps, filters, `a.${i}`)
    }
    const remembered = bytesRemembered()
    assert.ok(remembered > MERGED_BYTES_MAX / 2 && remembered <= MERGED_BYTES_MAX)
    CountingFilter.matched = 0
    const [overlaps, filters] = clients.at(-1) ?? assert.fail()
    for (const subject of ['a.new', 'a.other']) {
      for (let i = 0; i < 5; i++) deliver(overlaps, filters, subject)
    }
    assert.equal(CountingFilter.matched, 6, 'still one search for each message')
    for (const [each] of clients) each.clear()
    assert.equal(bytesRemembered(), before)
  })

  it('of a hundred thousand filters that all match say what they say together', () => {
    const overlaps = new FilterOverlaps()
    const filters = Array.from({ length: 150_000 }, (_, age) => filter('a', age))
    for (const it of filters) overlaps.add(it)
    const [first, second] = filters as [OverlappingFilter, OverlappingFilter]
    assert.equal(overlaps.grantOf(first, Buffer.from('a'), false)?.qos, 2)
    assert.equal(overlaps.grantOf(second, Buffer.from('a'), false), undefined)
    overlaps.clear()
  })
})
