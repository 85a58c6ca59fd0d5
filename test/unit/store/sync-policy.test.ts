/** Streams that wait for every sync, and streams that do not. */
import assert from 'node:assert/strict'
import { silentLog } from '../../../shared/log/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import {
  openStore,
  type Store,
  type StreamStore,
  type SyncPolicy,
} from '../../../shared/store/index.ts'
import { SimDisk } from '../../sim/index.ts'
import { appendDurably, bytes, committed, noLimits, readAll } from '../../support/opened-store.ts'
import { StoreClock, settle } from '../../support/store-clock.ts'

class Machine {
  readonly clock = new StoreClock()
  readonly random = new SeededRandom(5)
  disk = new SimDisk({ random: new SeededRandom(1) })

  open(segmentBytes = 1 << 20): Promise<Store> {
    const { clock, random, disk } = this
    return openStore({ directory: '/data', clock, random, disk, log: silentLog, segmentBytes })
  }

  async cut(): Promise<Store> {
    this.disk = this.disk.powerCut(this.random.fork())
    return this.open()
  }
}

function make(store: Store, name: string, sync: SyncPolicy): StreamStore {
  return store.createStream(name, bytes(''), noLimits, undefined, { sync })
}

describe('store, sync policy', () => {
  it('syncs a lazy stream when its time is up, not for each commit', async () => {
    const machine = new Machine()
    const store = await machine.open()
    const lazy = make(store, 'lazy', { everyMs: 500 })
    await committed(store)
    const { syncs, commits } = store.stats
    for (let i = 0; i < 10; i++) await appendDurably(lazy, 's', `${i}`)
    lazy.states.set('consumer', bytes('1'))
    await settle(5)
    assert.equal(lazy.state.messages, 10)
    assert.ok(store.stats.commits >= commits + 11)
    assert.equal(store.stats.syncs, syncs)
    machine.clock.advance(499)
    await settle(5)
    assert.equal(store.stats.syncs, syncs)
    machine.clock.advance(1)
    await settle(5)
    assert.equal(store.stats.syncs, syncs + 1)
    machine.clock.advance(10_000)
    await settle(5)
    assert.equal(store.stats.syncs, syncs + 1, 'nothing is left to sync')
    const recovered = (await machine.cut()).streams.get('lazy')
    assert.ok(recovered)
    assert.equal(recovered.state.messages, 10)
    assert.deepEqual(recovered.sync, { everyMs: 500 })
  })

  it('syncs all that came before with a record that waits for it', async () => {
    const machine = new Machine()
    const store = await machine.open()
    const lazy = make(store, 'lazy', { everyMs: 60_000 })
    const strict = make(store, 'strict', 'always')
    await committed(store)
    const waits: (() => Promise<unknown>)[] = [
      () => appendDurably(strict, 's', 'x'),
      () => committed(store),
      () => new Promise((resolve) => void lazy.remove(lazy.state.firstSeq, resolve)),
      () => lazy.purge({ throughSeq: lazy.state.firstSeq }),
      () => new Promise((resolve) => store.marks.set('m', bytes('1'), resolve)),
      () => new Promise((resolve) => lazy.configure(bytes('c'), noLimits, resolve)),
    ]
    for (const [i, wait] of waits.entries()) {
      for (let n = 0; n < 3; n++) await appendDurably(lazy, 's', `${i} ${n}`)
      const { syncs } = store.stats
      await wait()
      assert.equal(store.stats.syncs, syncs + 1, `${i}`)
    }
    const shown = await readAll(lazy)
    const again = await machine.cut()
    assert.deepEqual(await readAll(again.streams.get('lazy')!), shown)
    assert.deepEqual(again.streams.get('lazy')?.sync, { everyMs: 60_000 })
  })

  it('leaves no segment before it is synced', async () => {
    const machine = new Machine()
    const store = await machine.open(2048)
    const lazy = make(store, 'lazy', { everyMs: 60_000 })
    for (let i = 1; i <= 100; i++) await appendDurably(lazy, 's', `payload ${i}`)
    const { segments } = store.stats
    assert.ok(segments >= 3)
    const recovered = (await machine.cut()).streams.get('lazy')!
    const messages = await readAll(recovered)
    assert.equal(messages.length, recovered.state.lastSeq, 'no gap')
    assert.ok(messages.length > 20 * (segments - 2))
  })

  it('fails for all streams when a late sync fails', async () => {
    const machine = new Machine()
    const store = await machine.open()
    const lazy = make(store, 'lazy', { everyMs: 100 })
    await committed(store)
    await appendDurably(lazy, 's', 'x')
    machine.disk.faults.syncs = 1
    machine.clock.advance(100)
    await settle(5)
    assert.equal(store.condition.name, 'failed')
    await assert.rejects(appendDurably(lazy, 's', 'y'), { code: 'PETIOLE_STORE_FAILED' })
  })

  it('fails when the sync fails that a full segment waits for, and refuses what waits', async () => {
    const machine = new Machine()
    const store = await machine.open(512)
    const lazy = make(store, 'lazy', { everyMs: 60_000 })
    await committed(store)
    await appendDurably(lazy, 's', 'x'.repeat(600))
    machine.disk.faults.syncs = 1
    await assert.rejects(appendDurably(lazy, 's', 'y'), { code: 'PETIOLE_STORE_FAILED' })
    assert.equal(lazy.state.messages, 1)
  })

  it('changes with the configuration, and is on disk at the end', async () => {
    const machine = new Machine()
    const store = await machine.open()
    const stream = make(store, 'a', 'always')
    await new Promise((resolve) =>
      stream.configure(bytes(''), noLimits, resolve, { sync: { everyMs: 1000 } }),
    )
    await new Promise((resolve) => stream.configure(bytes('x'), noLimits, resolve))
    assert.deepEqual(stream.sync, { everyMs: 1000 })
    const { syncs } = store.stats
    await appendDurably(stream, 's', '1')
    assert.equal(store.stats.syncs, syncs)
    await store.destroy()
    const again = await machine.cut()
    assert.equal(again.streams.get('a')?.state.messages, 1)
  })
})
