import assert from 'node:assert/strict'
import { type PageQuery, takePage } from '../../../../bridge-mqtt/operations/index.ts'

const ALL: PageQuery = {
  account: undefined,
  clientId: '',
  filter: '',
  offset: 0,
  limit: 1_000,
  bytesMax: 1_000_000,
}

describe('a page of a list for operators', () => {
  const items = Array.from({ length: 2_500 }, (_, i) => i)

  function walk(query: Partial<PageQuery>, entryOf: (item: number) => unknown = (i) => i) {
    const seen: unknown[] = []
    const sizes: number[] = []
    for (let offset: number | null = 0; offset !== null; ) {
      const page: ReturnType<typeof takePage> = takePage(
        items,
        { ...ALL, ...query, offset },
        entryOf,
      )
      assert.equal(page.total, items.length)
      seen.push(...page.entries)
      sizes.push(page.entries.length)
      offset = page.next
    }
    return { seen, sizes }
  }

  it('goes on where the one before it ended, and none is left out', () => {
    const { seen, sizes } = walk({ limit: 1_000 })
    assert.deepEqual(seen, items)
    assert.deepEqual(sizes, [1_000, 1_000, 500])
  })

  it('makes no more entries than it shows', () => {
    let made = 0
    takePage(items, { ...ALL, offset: 10, limit: 5 }, () => ++made)
    assert.equal(made, 5)
  })

  it('ends before it is too long, but one entry is always shown', () => {
    const long = 'x'.repeat(400)
    const { seen, sizes } = walk({ bytesMax: 1_000 }, (i) => (i === 0 ? long.repeat(10) : long))
    assert.equal(seen.length, items.length)
    assert.deepEqual(sizes.slice(0, 3), [1, 2, 2])
  })

  it('passes over who is gone', () => {
    const { seen } = walk({ limit: 7 }, (i) => (i % 2 === 0 ? i : undefined))
    assert.deepEqual(
      seen,
      items.filter((i) => i % 2 === 0),
    )
  })

  it('behind the end there is nothing, and no next one', () => {
    const page = takePage(items, { ...ALL, offset: 9_999 }, (i) => i)
    assert.deepEqual(page, { entries: [], total: 2_500, next: null })
  })
})
