/** When the disk begins to write: at the end of the turn, or in it when the turn brings much. */
import assert from 'node:assert/strict'
import { silentLog } from '../../../shared/log/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { openStore, type Store, type StreamStore } from '../../../shared/store/index.ts'
import { SimDisk } from '../../sim/index.ts'
import { bytes, committed, noLimits } from '../../support/opened-store.ts'
import { StoreClock } from '../../support/store-clock.ts'

const PAYLOAD = 'x'.repeat(300)
const MESSAGES = 20

describe('store, commits of a turn that brings much', () => {
  let store: Store
  let stream: StreamStore
  let acknowledged: number[]

  async function open(earlyCommitBytes: number): Promise<void> {
    const random = new SeededRandom(1)
    const parts = { clock: new StoreClock(), random, disk: new SimDisk({ random }), log: silentLog }
    store = await openStore({ directory: '/data', earlyCommitBytes, ...parts })
    stream = store.createStream('a', bytes(''), noLimits)
    await committed(store)
    acknowledged = []
  }

  function append(): void {
    for (let i = 0; i < MESSAGES; i++) {
      stream.append(bytes('s'), bytes(''), bytes(PAYLOAD), (error, seq) => {
        assert.equal(error, undefined)
        acknowledged.push(seq)
      })
    }
  }

  afterEach(() => store.destroy())

  it('begin before it is over, and tell of all in order, and of nothing within it', async () => {
    await open(1_000)
    const { commits } = store.stats
    append()
    assert.deepEqual(acknowledged, [])
    await committed(store)
    assert.equal(store.stats.commits, commits + 2, 'the first of it, and all that came meanwhile')
    assert.deepEqual(
      acknowledged,
      Array.from({ length: MESSAGES }, (_, i) => i + 1),
    )
  })

  it('wait for its end when it brings little, and for the end of a transaction', async () => {
    for (const [limit, isGrouped] of [
      [1 << 20, false],
      [1_000, true],
    ] as const) {
      await open(limit)
      const { commits } = store.stats
      if (isGrouped) store.transaction(append)
      else append()
      await committed(store)
      assert.equal(store.stats.commits, commits + 1)
      assert.equal(acknowledged.length, MESSAGES)
    }
  })
})
