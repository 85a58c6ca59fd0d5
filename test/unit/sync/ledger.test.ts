import assert from 'node:assert/strict'
import {
  countDuplicates,
  decide,
  isBalanced,
  lostOf,
  openEntry,
  settle,
} from '../../../shared/sync/index.ts'

describe('ledger', () => {
  const at10 = settle(openEntry(0), { gaps: [] }, 10, 10, 7)

  it('does not know what was never announced', () => {
    assert.deepEqual(decide(undefined, { firstSeq: 1, lastSeq: 2 }), { name: 'unknown' })
  })

  const decisions = [
    [11, 20, { name: 'store', fromSeq: 11 }],
    [1, 11, { name: 'store', fromSeq: 11 }],
    [10, 10, { name: 'repeat' }],
    [1, 3, { name: 'repeat' }],
    [12, 20, { name: 'gap', expectedSeq: 11 }],
  ] as const
  for (const [firstSeq, lastSeq, decision] of decisions) {
    it(`at 10, ${firstSeq}-${lastSeq} is a ${decision.name}`, () => {
      assert.deepEqual(decide(at10, { firstSeq, lastSeq }), decision)
    })
  }

  it('counts each sequence once, by what became of it', () => {
    const gaps = [
      { firstSeq: 9, lastSeq: 12, cause: 'evicted' },
      { firstSeq: 14, lastSeq: 14, cause: 'damaged' },
      { firstSeq: 16, lastSeq: 20, cause: 'forgotten' },
    ] as const
    const entry = settle(at10, { gaps }, 17, 2, null)
    const { stored, evicted, damaged, forgotten, watermark } = entry
    assert.deepEqual(
      { stored, evicted, damaged, forgotten, watermark },
      { stored: 12, evicted: 2, damaged: 1, forgotten: 2, watermark: 17 },
    )
    assert.ok(isBalanced(entry))
    assert.equal(lostOf(entry), 3)
  })

  it('does not take a sum that does not add up', () => {
    assert.throws(() => settle(at10, { gaps: [] }, 13, 2, 0), { code: 'PETIOLE_INVARIANT' })
  })

  it('counts from where somebody else has stopped', () => {
    const entry = openEntry(100)
    assert.deepEqual(decide(entry, { firstSeq: 101, lastSeq: 101 }), {
      name: 'store',
      fromSeq: 101,
    })
    assert.ok(isBalanced(settle(entry, { gaps: [] }, 101, 1, 0)))
  })

  it('keeps duplicates out of the sum', () => {
    const entry = countDuplicates(at10, 4)
    assert.equal(entry.duplicates, 4)
    assert.ok(isBalanced(entry))
  })
})
