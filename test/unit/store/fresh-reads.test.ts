import assert from 'node:assert/strict'
import { silentLog } from '../../../shared/log/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { openStore, type Store, type StreamStore } from '../../../shared/store/index.ts'
import { FRESH_BYTES, RECENT_BYTES } from '../../../shared/store/limits.ts'
import { SimDisk } from '../../sim/index.ts'
import { appendDurably, committed, noLimits, readAll } from '../../support/opened-store.ts'
import { StoreClock } from '../../support/store-clock.ts'

/** Who follows a stream does not wait for a turn at the disk; who reads what is old does. */
describe('store, reads of what was just committed', () => {
  let store: Store
  let stream: StreamStore
  /** Reads that were waited for. */
  let waits: number

  async function open(segmentBytes: number): Promise<void> {
    const disk = new SimDisk({
      random: new SeededRandom(1),
      turn: (call, _path, work) => {
        if (call === 'read') waits++
        setImmediate(work)
      },
    })
    store = await openStore({
      directory: '/data',
      clock: new StoreClock(),
      random: new SeededRandom(2),
      disk,
      log: silentLog,
      segmentBytes,
      reserveBytes: 0,
    })
    stream = await store.createStream('s', new Uint8Array(0), noLimits)
    waits = 0
  }

  afterEach(() => store.destroy())

  it('are answered within the turn of their commit', async () => {
    await open(10 * FRESH_BYTES)
    const read = new Promise<string>((resolve) => {
      let turns = 0
      const stop = stream.onCommit(() => {
        stop()
        setImmediate(() => turns++)
        void stream.get(1).then((message) => {
          resolve(`${message?.subject} after ${turns} turns`)
        })
      })
    })
    await appendDurably(stream, 'a', 'x')
    assert.equal(await read, 'a after 0 turns')
    assert.equal(waits, 0)
  })

  it('are answered at once, too, where little lies a little further back', async () => {
    await open(10 * FRESH_BYTES)
    await appendDurably(stream, 'a', 'first')
    await appendDurably(stream, 'a', 'x'.repeat(2 * FRESH_BYTES))
    await appendDurably(stream, 'a', 'last')
    assert.equal((await stream.get(3))?.subject, 'a')
    assert.equal((await stream.get(1))?.subject, 'a')
    assert.equal(waits, 0)
    assert.equal((await stream.get(2))?.subject, 'a')
    assert.ok(waits > 0, 'the large one')
  })

  it('wait for the disk where it may not have them in memory', async () => {
    await open(2 * RECENT_BYTES)
    await appendDurably(stream, 'a', 'first')
    await appendDurably(stream, 'a', 'x'.repeat(RECENT_BYTES))
    await appendDurably(stream, 'a', 'last')
    assert.equal((await stream.get(3))?.subject, 'a')
    assert.equal(waits, 0)
    assert.equal((await stream.get(1))?.subject, 'a')
    assert.ok(waits > 0)
  })

  it('wait for a segment that is not written any more', async () => {
    await open(4_000)
    for (let i = 0; i < 100; i++) await appendDurably(stream, 'a', 'x'.repeat(100))
    await committed(store)
    assert.ok(store.stats.segments > 2)
    assert.equal((await readAll(stream)).length, 100)
    assert.ok(waits > 0)
  })
})
