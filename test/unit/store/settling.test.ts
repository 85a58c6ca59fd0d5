/** Which sealed segments are rewritten while messages in them still die: those that would stay for long. */
import assert from 'node:assert/strict'
import { silentLog } from '../../../shared/log/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { openStore, type Store, type StreamStore } from '../../../shared/store/index.ts'
import { SimDisk } from '../../sim/index.ts'
import { appendDurably, bytes, noLimits } from '../../support/opened-store.ts'
import { StoreClock, settle } from '../../support/store-clock.ts'

const KEYS = 200
const VALUE = 'x'.repeat(200)
const STEP_MS = 500

describe('segments that are being emptied', () => {
  let clock: StoreClock
  let store: Store
  let bucket: StreamStore
  /** The next key that is written again. */
  let next: number

  beforeEach(async () => {
    const random = new SeededRandom(1)
    clock = new StoreClock()
    const parts = { clock, random, disk: new SimDisk({ random }), log: silentLog }
    store = await openStore({ directory: '/data', segmentBytes: 30_000, ...parts })
    bucket = store.createStream('kv', bytes(''), { ...noLimits, messagesPerSubjectMax: 1 })
    next = 0
    await replace(KEYS)
    await replace(70)
  })
  afterEach(() => store.destroy())

  async function replace(keys: number): Promise<void> {
    for (let i = 0; i < keys; i++) await appendDurably(bucket, `k.${next++ % KEYS}`, VALUE)
  }

  async function step(keys: number): Promise<void> {
    await replace(keys)
    clock.advance(STEP_MS)
    await settle()
  }

  it('are rewritten although something dies in them all the time, as in a bucket that is written to', async () => {
    for (let i = 0; i < 12; i++) await step(1)
    assert.ok(store.stats.rewriteBytesWritten > 0)
  })

  it('are not while the rest is soon gone as well', async () => {
    for (let i = 0; i < 12; i++) await step(20)
    assert.equal(store.stats.rewriteBytesWritten, 0)
  })
})
