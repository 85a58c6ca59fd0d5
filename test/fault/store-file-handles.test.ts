import assert from 'node:assert/strict'
import { silentLog } from '../../shared/log/index.ts'
import { type DiskFile, SeededRandom, type SyncedFile } from '../../shared/runtime/index.ts'
import { openStore, type Store, type StoreOptions } from '../../shared/store/index.ts'
import { SimDisk } from '../sim/index.ts'
import { appendDurably, bytes, noLimits, readAll } from '../support/opened-store.ts'
import { StoreClock, settle } from '../support/store-clock.ts'

/** A disk whose process has no file handles left while `isOut`. */
class FewHandles extends SimDisk {
  isOut = false
  code = 'EMFILE'

  override open(path: string, access: 'read' | 'write'): Promise<DiskFile> {
    return this.#refusal('open', path) ?? super.open(path, access)
  }

  override openSynced(path: string): Promise<SyncedFile | undefined> {
    return this.isOut ? Promise.resolve(undefined) : super.openSynced(path)
  }

  override create(path: string): Promise<DiskFile> {
    return this.#refusal('open', path) ?? super.create(path)
  }

  override syncDirectory(path: string): Promise<void> {
    return this.#refusal('open', path) ?? super.syncDirectory(path)
  }

  #refusal(call: string, path: string): Promise<never> | undefined {
    const { code } = this
    const error = Object.assign(new Error(`${code}: no handle, ${call} '${path}'`), { code })
    return this.isOut ? Promise.reject(error) : undefined
  }
}

describe('store and a process without file handles', () => {
  let disk: FewHandles
  let clock: StoreClock
  let store: Store

  beforeEach(async () => {
    disk = new FewHandles({ random: new SeededRandom(1) })
    clock = new StoreClock()
    store = await open()
  })

  afterEach(() => store.destroy())

  function open(options: Partial<StoreOptions> = {}): Promise<Store> {
    return openStore({
      directory: '/data',
      clock,
      random: new SeededRandom(2),
      disk,
      log: silentLog,
      segmentBytes: 1_000,
      reserveBytes: 0,
      ...options,
    })
  }

  async function pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 500) {
      clock.advance(500)
      await settle(20)
    }
  }

  for (const code of ['EMFILE', 'ENFILE', 'EACCES']) {
    it(`refuses a commit whose segment can not be made, and goes on after it (${code})`, async () => {
      const stream = store.createStream('a', bytes(''), noLimits)
      for (let i = 0; i < 3; i++) await appendDurably(stream, 's', 'x'.repeat(1_000))
      disk.code = code
      disk.isOut = true
      await assert.rejects(appendDurably(stream, 's', 'lost'), { code: 'PETIOLE_STORE_FULL' })
      const { condition } = store
      assert.ok(condition.name === 'full' && condition.reason.includes(code))
      await pass(3_000)
      disk.isOut = false
      await pass(2_000)
      assert.equal(store.condition.name, 'open')
      assert.equal(await appendDurably(stream, 's', 'kept'), 4)
      assert.equal((await readAll(stream)).at(-1), '4 s kept')
    })
  }

  it('waits for a handle when removed segments must be synced', async () => {
    const stream = store.createStream('a', bytes(''), noLimits)
    for (let i = 0; i < 12; i++) await appendDurably(stream, 's', 'x'.repeat(400))
    const kept = store.createStream('b', bytes(''), noLimits)
    await appendDurably(kept, 's', 'kept')
    await pass(1_000)
    const { segments } = store.stats
    await new Promise((resolve) => store.removeStream('a', resolve))
    disk.isOut = true
    await pass(5_000)
    assert.notEqual(store.condition.name, 'failed')
    disk.isOut = false
    await pass(20_000)
    assert.ok(store.stats.segments < segments, `${store.stats.segments} of ${segments} segments`)
    assert.equal(store.condition.name, 'open')
    assert.deepEqual(await readAll(kept), ['1 s kept'])
  })

  it('tries housekeeping again that failed', async () => {
    const stream = store.createStream('a', bytes(''), noLimits)
    for (let i = 0; i < 2; i++) await appendDurably(stream, 's', 'x'.repeat(400))
    const indexes = async (): Promise<number> =>
      (await disk.list('/data/journal')).filter((name) => name.endsWith('.idx')).length
    const before = await indexes()
    await appendDurably(stream, 's', 'x'.repeat(400))
    disk.isOut = true
    await pass(1_000)
    assert.equal(await indexes(), before)
    disk.isOut = false
    await pass(11_000)
    assert.equal(await indexes(), before + 1)
  })

  it('counts the commit that is being written against the quota', async () => {
    await store.drain()
    store = await open({ bytesMax: 40_000, segmentBytes: 20_000 })
    const stream = store.createStream('a', bytes(''), noLimits)
    await appendDurably(stream, 's', 'first')
    let reason = ''
    for (let turn = 0; turn < 40 && reason === ''; turn++) {
      try {
        for (let i = 0; i < 8; i++) stream.append(bytes('s'), bytes(''), bytes('x'.repeat(900)))
      } catch (error) {
        reason = (error as Error).message
      }
      await settle(1)
    }
    assert.match(reason, /holds \d+ of 40000 bytes, \d+ more wait for the disk/)
    await settle(100)
    assert.ok(store.stats.diskBytes <= 40_000, `${store.stats.diskBytes} bytes`)
  })
})
