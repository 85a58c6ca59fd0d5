/** Removals that wait for a commit of others: expiry, and what consumers of a work queue have acknowledged. */
import assert from 'node:assert/strict'
import { silentLog } from '../../../shared/log/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { openStore, type Store, type StreamStore } from '../../../shared/store/index.ts'
import { SimDisk } from '../../sim/index.ts'
import {
  appendDurably,
  bytes,
  committed,
  noLimits,
  readAll,
  StoreFolder,
} from '../../support/opened-store.ts'
import { StoreClock, settle } from '../../support/store-clock.ts'

const MIB = 1 << 20

async function diskBelow(store: Store, bytesMax: number): Promise<void> {
  const endMs = performance.now() + 30_000
  while (store.stats.diskBytes > bytesMax) {
    assert.ok(performance.now() < endMs, `${store.stats.diskBytes} bytes are left`)
    await committed(store)
  }
}

describe('store, lazy removal', function () {
  this.timeout(120_000)
  const clock = new StoreClock()
  const open = (disk: SimDisk): Promise<Store> =>
    openStore({
      directory: '/data',
      clock,
      random: new SeededRandom(3),
      disk,
      log: silentLog,
    })
  const filled = async (store: Store, count: number): Promise<StreamStore> => {
    const stream = store.createStream('a', bytes(''), noLimits)
    for (let i = 1; i <= count; i++) stream.append(bytes(`s.${i}`), bytes(''), bytes(`${i}`))
    await committed(store)
    return stream
  }

  it('is seen at once, and on disk with the next commit, as one record', async () => {
    const disk = new SimDisk({ random: new SeededRandom(1) })
    const store = await open(disk)
    const stream = await filled(store, 1000)
    const { bytesWritten, commits } = store.stats
    for (let seq = 1; seq <= 900; seq++) assert.equal(stream.removeLazily(seq), true)
    assert.equal(stream.removeLazily(5), false)
    assert.equal(stream.removeLazily(5000), false)
    assert.equal(stream.remove(5), false)
    assert.equal(stream.state.messages, 100)
    assert.equal(stream.lastSeqOf('s.5'), 0)
    assert.equal(await stream.get(5), undefined)
    stream.states.set('consumer', bytes('floor 900'))
    await settle(5)
    assert.equal(store.stats.commits, commits + 1)
    assert.ok(store.stats.bytesWritten < bytesWritten + 250)
    const again = await open(disk.powerCut())
    assert.equal(again.streams.get('a')?.state.messages, 100)
    assert.equal(again.streams.get('a')?.state.firstSeq, 901)
  })

  it('is on disk after a second when nobody else commits, and may be back before', async () => {
    for (const waitMs of [900, 1000]) {
      const disk = new SimDisk({ random: new SeededRandom(1) })
      const store = await open(disk)
      const stream = await filled(store, 10)
      stream.removeLazily(3)
      stream.removeLazily(4)
      clock.advance(waitMs)
      await settle(5)
      const again = await open(disk.powerCut())
      assert.equal(again.streams.get('a')?.state.messages, waitMs < 1000 ? 10 : 8)
    }
  })

  it('survives a commit that found no space, however many there are', async () => {
    const disk = new SimDisk({ random: new SeededRandom(1) })
    const store = await open(disk)
    const stream = await filled(store, 150_000)
    for (let seq = 1; seq < 150_000; seq++) stream.removeLazily(seq)
    disk.quotaBytes = 0
    await assert.rejects(appendDurably(stream, 's', 'x'), { code: 'PETIOLE_STORE_FULL' })
    assert.equal(stream.state.messages, 1)
    disk.quotaBytes = Number.POSITIVE_INFINITY
    for (let i = 0; i < 6; i++) {
      clock.advance(1_000)
      await settle(20)
    }
    assert.equal(store.condition.name, 'open')
    const again = await open(disk.powerCut())
    assert.deepEqual(await readAll(again.streams.get('a')!), ['150000 s.150000 150000'])
  })

  it('keeps the disk bounded while a million messages pass through', async () => {
    const folder = new StoreFolder()
    try {
      const store = await folder.open({ segmentBytes: 4 * MIB })
      const stream = store.createStream('work', bytes(''), noLimits)
      let peakBytes = 0
      const stuck: number[] = []
      const payload = new Uint8Array(100)
      for (let batch = 0; batch < 200; batch++) {
        const from = stream.assignedSeq + 1
        for (let i = 0; i < 5_000; i++) stream.append(bytes(`job.${i % 100}`), bytes(''), payload)
        await committed(store)
        for (let seq = from; seq < from + 5_000; seq++) {
          // One in ten thousand is never done, so that no segment is ever empty.
          if (seq % 10_000 === 0) stuck.push(seq)
          else stream.removeLazily(seq)
        }
        stream.states.set('consumer', bytes(`floor ${from}`))
        peakBytes = Math.max(peakBytes, store.stats.diskBytes)
        // Housekeeping has its turn between commits, and is not asked to be as fast as this loop.
        if (store.stats.diskBytes > 32 * MIB) await diskBelow(store, 16 * MIB)
      }
      await committed(store)
      assert.ok(store.stats.bytesWritten > 140 * MIB)
      assert.ok(peakBytes < 48 * MIB, `${peakBytes} bytes at most`)
      await diskBelow(store, 8 * MIB)
      await store.drain()
      const again = (await folder.open({ segmentBytes: 4 * MIB })).streams.get('work')
      assert.ok(again)
      assert.deepEqual(
        (await readAll(again)).map((line) => Number(line.split(' ')[0])),
        stuck,
      )
    } finally {
      await folder.remove()
    }
  })
})
