import assert from 'node:assert/strict'
import { type Log, silentLog } from '../../../shared/log/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import {
  exportStore,
  openStore,
  repairStore,
  type Store,
  type StoreOptions,
} from '../../../shared/store/index.ts'
import { SimDisk } from '../../sim/index.ts'
import { assertWhole } from '../../support/checked-store.ts'
import { appendDurably, bytes, noLimits, readAll } from '../../support/opened-store.ts'
import { StoreClock, settle } from '../../support/store-clock.ts'

const STEP = 8_192
const FIRST = '/data/journal/0000000001.log'

/** Zeros that lie ahead of the journal's end while commits are small. */
describe('store, space written ahead', () => {
  let disk: SimDisk
  let store: Store
  /** Writes that the disk does not come to yet, while it is told to keep them waiting. */
  let held: (() => void)[] | undefined

  beforeEach(async () => {
    held = undefined
    const turn = (call: string, _path: string, fn: () => void): void => {
      if (call === 'write' && held !== undefined) held.push(fn)
      else setImmediate(fn)
    }
    disk = new SimDisk({ random: new SeededRandom(1), turn })
    store = await open()
    store.createStream('a', bytes(''), noLimits)
  })

  afterEach(() => store.destroy())

  function open(options: Partial<StoreOptions> = {}, log: Log = silentLog): Promise<Store> {
    return openStore({
      directory: '/data',
      clock: new StoreClock(),
      random: new SeededRandom(2),
      disk,
      log,
      prewriteBytes: STEP,
      ...options,
    })
  }

  async function append(count: number, payload = 'small'): Promise<void> {
    for (let i = 0; i < count; i++) await appendDurably(store.streams.get('a')!, 's', payload)
    await settle()
  }

  /** How long the file is, and how much of that is content. */
  function lengths(file = FIRST): { readonly file: number; readonly content: number } {
    const all = disk.bytesOf(file)
    return { file: all.length, content: all.findLastIndex((byte) => byte !== 0) + 1 }
  }

  it('is there after some small commits, is used by the next ones, and counts as written', async () => {
    await append(1)
    assert.equal(lengths().file, lengths().content)
    await append(6)
    const { file, content } = lengths()
    assert.ok(file >= content + STEP / 2, `${file} ${content}`)
    assert.equal(store.stats.prewrittenBytesWritten, STEP)
    assert.ok(store.stats.everWritten.all >= store.stats.everWritten.journal + STEP)
    assert.equal(store.stats.diskBytes, file, 'zeros take room')
    await append(4)
    assert.equal(lengths().file, file)
    assert.ok(lengths().content > content)
    assert.equal(store.stats.diskBytes, file)
    await append(200)
    assert.equal(store.stats.prewrittenBytesWritten % STEP, 0)
    assert.ok(store.stats.prewrittenBytesWritten >= 2 * STEP)
    assert.ok(lengths().file >= lengths().content + STEP / 2)
  })

  it('is not left behind by a clean end', async () => {
    await append(8)
    const shown = await readAll(store.streams.get('a')!)
    await store.drain()
    const { file, content } = lengths()
    assert.equal(file, content)
    await assertWhole(disk, new StoreClock(), '/data', 'clean end')
    store = await open()
    assert.equal(store.stats.diskBytes, file)
    assert.deepEqual(await readAll(store.streams.get('a')!), shown)
  })

  it('is nothing to a start behind a kill', async () => {
    await append(8)
    const shown = await readAll(store.streams.get('a')!)
    disk = disk.kill()
    const { file, content } = lengths()
    assert.ok(file > content)
    await assertWhole(disk, new StoreClock(), '/data', 'kill')
    const warned: string[] = []
    const log = { ...silentLog, warn: (_: unknown, text: string) => void warned.push(text) }
    store = await open({}, log as Log)
    assert.deepEqual(await readAll(store.streams.get('a')!), shown)
    assert.deepEqual(warned, [])
    assert.equal(store.stats.tornBytes, 0)
    assert.equal(store.stats.damagedRecords, 0)
    assert.equal(lengths().file, content)
    assert.equal(store.stats.diskBytes, content)
  })

  it('is nothing to repair, and to export, and the store goes on behind both', async () => {
    await append(8)
    disk = disk.kill()
    const { file } = lengths()
    const parts = { disk, clock: new StoreClock(), directory: '/data' }
    assert.deepEqual((await repairStore(parts)).done, [])
    const written: Uint8Array[] = []
    const write = async (part: Uint8Array): Promise<void> => void written.push(part)
    const { messages, lost } = await exportStore({ ...parts, streams: [], format: 'json', write })
    assert.deepEqual([messages, lost], [8, 0])
    assert.equal(Buffer.concat(written).toString().trim().split('\n').length, 8)
    assert.equal(lengths().file, file, 'neither cut it')
    store = await open()
    await append(1)
    assert.equal((await readAll(store.streams.get('a')!)).length, 9)
  })

  it('ends with the segment', async () => {
    await store.drain()
    store = await open({ segmentBytes: 20_000 })
    await append(400)
    const names = (await disk.list('/data/journal')).filter((name) => name.endsWith('.log'))
    assert.ok(names.length > 1)
    for (const name of names.slice(0, -1)) {
      const { file, content } = lengths(`/data/journal/${name}`)
      assert.equal(file, content, name)
    }
    assert.equal((await readAll(store.streams.get('a')!)).length, 400)
    assert.equal(store.stats.damagedRecords, 0)
  })

  it('is not made for large commits', async () => {
    await append(12, 'x'.repeat(40_000))
    assert.equal(store.stats.prewrittenBytesWritten, 0)
    await append(6)
    assert.equal(store.stats.prewrittenBytesWritten, STEP)
  })

  it('is not made while room is short, and is part of the quota', async () => {
    await store.drain()
    store = await open({ bytesMax: 10 * STEP, reserveBytes: 1_000 })
    await append(20)
    assert.equal(store.stats.prewrittenBytesWritten, 0)
    store.limit(40 * STEP)
    const left = store.stats.freeBytes
    await append(1)
    assert.equal(store.stats.prewrittenBytesWritten, STEP)
    assert.ok(store.stats.freeBytes <= left - STEP)
  })

  it('has nothing refused that would be written into it', async () => {
    await store.drain()
    store = await open({ reserveBytes: 1_000 })
    await append(8)
    const used = store.stats.diskBytes
    store.limit(used + 1_000)
    const ahead = lengths().file - lengths().content
    await append(Math.floor(ahead / 2 / 60))
    assert.equal(store.stats.diskBytes, used, 'the file is no longer than it was')
    await assert.rejects(append(ahead, 'it ends with the zeros'), { code: 'PETIOLE_STORE_FULL' })
    assert.ok(lengths().content > lengths().file - 200, 'all of them were used')
  })

  it('gives up when others have filled the disk meanwhile, and the store goes on', async () => {
    await append(3)
    disk.quotaBytes = disk.usedBytes() + 6_000
    await append(10)
    assert.equal(store.condition.name, 'open')
    const { file } = lengths()
    await append(20)
    assert.equal(store.condition.name, 'open')
    assert.equal(lengths().file, file, 'no more than what there was')
    assert.equal((await readAll(store.streams.get('a')!)).length, 33)
  })

  it('stops the store when its sync fails', async () => {
    await append(3)
    await appendDurably(store.streams.get('a')!, 's', 'the last one')
    disk.faults.syncs = 1
    await settle()
    assert.equal(store.condition.name, 'failed')
    await assert.rejects(appendDurably(store.streams.get('a')!, 's', 'more'), {
      code: 'PETIOLE_STORE_FAILED',
    })
    assert.equal((await readAll(store.streams.get('a')!)).length, 4)
  })

  it('is waited for by a commit that reaches into it', async () => {
    await append(3)
    await appendDurably(store.streams.get('a')!, 's', 'the last one')
    held = []
    await settle()
    assert.equal(held.length, 1, 'the zeros')
    let isCommitted = false
    const large = appendDurably(store.streams.get('a')!, 's', 'x'.repeat(6_000)).then(() => {
      isCommitted = true
    })
    await settle()
    assert.equal(held.length, 1, 'nothing is written where zeros are on their way to')
    assert.equal(isCommitted, false)
    const [zeros] = held
    held = undefined
    zeros?.()
    await large
    disk = disk.powerCut(new SeededRandom(3))
    store = await open()
    const last = (await readAll(store.streams.get('a')!)).at(-1)
    assert.equal(last, `5 s ${'x'.repeat(6_000)}`)
  })

  it('does not hide damage in the last commit', async () => {
    await append(8)
    disk = disk.kill()
    disk.corrupt(FIRST, lengths().content - 2, 0x40)
    store = await open()
    assert.equal(store.stats.damagedRecords, 1)
    assert.equal(store.stats.tornBytes, 0)
    assert.equal((await readAll(store.streams.get('a')!)).length, 7)
  })

  it('does not hide a commit that was broken off', async () => {
    await append(8)
    held = []
    const torn = appendDurably(store.streams.get('a')!, 's', 'x'.repeat(1_200))
    await settle()
    const { content } = lengths()
    const [write] = held
    held = undefined
    write?.()
    await torn
    const { content: whole } = lengths()
    assert.ok(whole > content + 1_200)
    disk = disk.kill()
    // A sector in its middle did not get there.
    const sector = Math.ceil(content / 512) * 512
    const lost = disk.bytesOf(FIRST).subarray(sector, sector + 512)
    for (const [i, byte] of lost.entries()) disk.corrupt(FIRST, sector + i, byte)
    store = await open()
    assert.equal(store.stats.damagedRecords, 0)
    assert.equal(store.stats.tornBytes, whole - content)
    assert.equal((await readAll(store.streams.get('a')!)).length, 8)
  })
})
