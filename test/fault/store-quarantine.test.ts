import assert from 'node:assert/strict'
import { silentLog } from '../../shared/log/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import {
  checkStore,
  type Eviction,
  openStore,
  type Store,
  type StoreOptions,
} from '../../shared/store/index.ts'
import { SimDisk } from '../sim/index.ts'
import { appendDurably, bytes, committed, noLimits, readAll } from '../support/opened-store.ts'
import { StoreClock, settle } from '../support/store-clock.ts'

const WEEK_MS = 7 * 24 * 3_600_000

describe('store, damage while it runs', function () {
  this.timeout(60_000)
  let disk: SimDisk
  let clock: StoreClock
  let damage: Eviction[]

  beforeEach(() => {
    disk = new SimDisk({ random: new SeededRandom(1) })
    clock = new StoreClock()
    damage = []
  })

  function open(options: Partial<StoreOptions> = {}): Promise<Store> {
    const random = new SeededRandom(7)
    const fixed = { directory: '/data', clock, random, disk, log: silentLog, segmentBytes: 1000 }
    return openStore({ ...fixed, ...options })
  }

  /** A store with messages `payload 01` and so on, states and marks, in some sealed segments. */
  async function filled(options: Partial<StoreOptions> = {}): Promise<Store> {
    const store = await open(options)
    const stream = store.createStream('a', bytes('config'), noLimits)
    stream.onEvict((eviction) => damage.push(eviction))
    for (let i = 1; i <= 60; i++) {
      if (i === 5) stream.states.set('consumer', bytes('where it is'))
      await appendDurably(stream, 's', `payload ${String(i).padStart(2, '0')}`)
    }
    await passed(2_000)
    return store
  }

  async function passed(ms: number): Promise<void> {
    for (let i = 0; i < 4; i++) {
      clock.advance(ms / 4)
      await settle(40)
    }
  }

  async function damageAt(text: string): Promise<string> {
    for (const name of await disk.list('/data/journal')) {
      const file = `/data/journal/${name}`
      const at = Buffer.from(disk.bytesOf(file)).indexOf(text)
      if (!name.endsWith('.log') || at < 0) continue
      disk.corrupt(file, at, 8)
      return file
    }
    throw new Error(`no segment holds ${text}`)
  }

  async function quarantined(): Promise<string[]> {
    const names = await disk.list('/data/quarantine').catch(() => [])
    return names.filter((name) => name.endsWith('.bin'))
  }

  it('keeps what a reader found damaged, once, and says where it lay', async () => {
    const store = await filled()
    const stream = store.streams.get('a')!
    await damageAt('payload 07')
    assert.equal((await readAll(stream)).length, 59)
    await passed(2_000)
    const kept = await quarantined()
    assert.equal(kept.length, 1)
    const bytesKept = Buffer.from(disk.bytesOf(`/data/quarantine/${kept[0]}`))
    assert.ok(bytesKept.includes('ayload 07'))
    const manifest = Buffer.from(disk.bytesOf('/data/quarantine/manifest.jsonl')).toString()
    const [line] = manifest.split('\n').map((text) => text && JSON.parse(text))
    assert.equal(line.file, kept[0])
    assert.match(line.seems, /^message of stream 1, seq 7, "s"$/)
    assert.equal(store.stats.quarantineBytes, bytesKept.length)
    assert.equal(store.stats.damagedRecords, 1)
    assert.deepEqual(
      damage.map(({ firstSeq, messages, cause }) => [firstSeq, messages, cause]),
      [[7, 1, 'damage']],
    )
    await store.drain()
    const again = await open()
    await passed(2_000)
    assert.equal((await quarantined()).length, 1)
    assert.equal(again.stats.quarantineFiles, 1)
    assert.equal((await readAll(again.streams.get('a')!)).length, 59)
    await again.destroy()
  })

  it('keeps what a rewrite finds damaged before it drops it', async () => {
    const store = await filled()
    const stream = store.streams.get('a')!
    const file = await damageAt('payload 12')
    const before = disk.bytesOf(file).length
    for (let seq = 1; seq <= 60; seq++) if (seq % 4 !== 0) stream.remove(seq)
    await committed(store)
    const other = store.createStream('b', bytes(''), { ...noLimits, messagesMax: 1 })
    for (let i = 0; i < 3; i++) await appendDurably(other, 'o', 'x')
    // Each is looked at twice, and what one look finds to be done takes its turns.
    for (let i = 0; i < 4; i++) await passed(4_000)
    assert.ok(disk.bytesOf(file).length < before, 'the segment was rewritten')
    assert.equal((await quarantined()).length, 1)
    assert.deepEqual(
      damage.map(({ firstSeq }) => firstSeq),
      [12],
    )
    await store.destroy()
  })

  it('finds damage by itself, and writes again what memory still knows', async () => {
    const store = await filled({ scrubIntervalMs: WEEK_MS })
    await damageAt('payload 21')
    await damageAt('where it is')
    await passed(600_000)
    for (let i = 0; i < 40 && store.stats.scrub.passes === 0; i++) await passed(10_000)
    await passed(2_000)
    assert.equal(store.stats.scrub.passes, 1)
    assert.deepEqual(
      damage.map(({ firstSeq }) => firstSeq),
      [21],
    )
    assert.equal(store.stats.damagedRecords, 2)
    assert.equal((await quarantined()).length, 2)
    await store.drain()
    // Without indexes all there is to know is in the records.
    for (const name of await disk.list('/data/journal')) {
      if (name.endsWith('.idx')) await disk.remove(`/data/journal/${name}`)
    }
    const again = await open()
    const state = again.streams.get('a')?.states.get('consumer')
    assert.equal(Buffer.from(state ?? []).toString(), 'where it is')
    assert.equal((await readAll(again.streams.get('a')!)).length, 59)
    await again.destroy()
  })

  it('finds a damaged index and makes it anew', async () => {
    const store = await filled({ scrubIntervalMs: WEEK_MS })
    const index = '/data/journal/0000000002.idx'
    const before = Buffer.from(disk.bytesOf(index))
    disk.corrupt(index, 40, 1)
    await passed(600_000)
    for (let i = 0; i < 40 && store.stats.scrub.passes === 0; i++) await passed(10_000)
    await passed(2_000)
    const end = before.length - 36
    assert.deepEqual(Buffer.from(disk.bytesOf(index)).subarray(0, end), before.subarray(0, end))
    assert.equal((await readAll(store.streams.get('a')!)).length, 60)
    assert.deepEqual(damage, [])
    await store.destroy()
  })

  it('verifies what is whole at no more than its rate, and reports nothing', async () => {
    const store = await filled({ scrubIntervalMs: WEEK_MS })
    const begun = clock.monotonicMs()
    await passed(600_000)
    for (let i = 0; i < 60 && store.stats.scrub.passes === 0; i++) await passed(100)
    const { passes, bytes: verified } = store.stats.scrub
    assert.equal(passes, 1)
    assert.ok(verified > 2_000, `${verified} bytes`)
    assert.ok(clock.monotonicMs() - begun >= 600_000 + verified / 1_048)
    assert.equal(store.stats.damagedRecords, 0)
    assert.equal((await quarantined()).length, 0)
    await store.destroy()
  })

  it('starts whatever happened to the quarantine, and check names it', async () => {
    await (await filled()).drain()
    const file = '0000000001-00000000-48-50-00000001.bin'
    await disk.makeDirectory('/data/quarantine')
    await disk.writeFileAtomic(`/data/quarantine/${file}`, bytes('xy'))
    await disk.writeFileAtomic('/data/quarantine/manifest.jsonl', bytes('{"a":1}\n{x\n'))
    const { problems } = await checkStore({ disk, clock, directory: '/data' })
    assert.deepEqual(
      problems.map((problem) => problem.file),
      [`quarantine/${file}`, 'quarantine/manifest.jsonl'],
    )
    const again = await open()
    assert.equal(again.stats.quarantineFiles, 1)
    assert.equal((await readAll(again.streams.get('a')!)).length, 60)
    await again.destroy()
  })

  it('counts what it has written since it was made, over restarts', async () => {
    const store = await filled()
    const first = store.stats
    assert.ok(first.indexBytesWritten > 0)
    assert.equal(first.everWritten.journal, first.bytesWritten + 48 * first.segments)
    await store.drain()
    const again = await open()
    const { journal, all } = again.stats.everWritten
    const spare = 2 * 1_000
    assert.ok(journal >= first.everWritten.journal && journal < first.everWritten.journal + spare)
    assert.ok(all >= first.everWritten.all && all < first.everWritten.all + spare)
    await appendDurably(again.streams.get('a')!, 's', 'more')
    assert.ok(again.stats.everWritten.all > all)
    await again.destroy()
    const killed = await open()
    const more = killed.stats.everWritten
    assert.ok(more.journal > journal && more.journal < journal + spare)
    await killed.destroy()
  })
})
