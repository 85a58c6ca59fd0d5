import assert from 'node:assert/strict'
import { BatchSize } from '../../../../leaf/outbox/batch-size.ts'
import { BATCH_RAISE_MS } from '../../../../leaf/outbox/limits.ts'
import { BATCH_BYTES_MAX, BATCH_BYTES_MIN } from '../../../../shared/sync/index.ts'
import { ManualClock } from '../../../support/manual-clock.ts'

describe('batch size', () => {
  it('halves what had no answer, down to the least, and tries more after a while', () => {
    const clock = new ManualClock()
    const size = new BatchSize(clock)
    assert.equal(size.bytes, BATCH_BYTES_MAX)
    size.unanswered(60_000)
    assert.equal(size.bytes, 30_000)
    for (let bytes = 30_000; bytes > BATCH_BYTES_MIN; bytes = size.bytes) size.unanswered(bytes)
    assert.equal(size.bytes, BATCH_BYTES_MIN)
    clock.advance(BATCH_RAISE_MS - 1)
    assert.equal(size.bytes, BATCH_BYTES_MIN)
    clock.advance(1)
    assert.equal(size.bytes, 2 * BATCH_BYTES_MIN)
    for (let i = 0; i < 20; i++) {
      clock.advance(BATCH_RAISE_MS)
      void size.bytes
    }
    assert.equal(size.bytes, BATCH_BYTES_MAX)
  })

  it('stays as it is when the link was dead: for small batches, and for sizes that got through', () => {
    const size = new BatchSize(new ManualClock())
    size.unanswered(200)
    size.unanswered(BATCH_BYTES_MIN)
    assert.equal(size.bytes, BATCH_BYTES_MAX)
    size.answered(100_000)
    size.unanswered(100_000)
    assert.equal(size.bytes, BATCH_BYTES_MAX)
  })

  it('halves also a size that once got through, when it does not any more', () => {
    const size = new BatchSize(new ManualClock())
    size.answered(100_000)
    size.unanswered(100_000)
    size.unanswered(100_000)
    assert.equal(size.bytes, 50_000)
  })
})
