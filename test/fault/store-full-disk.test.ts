/** Not one byte is left, because others filled the disk: the store frees room all the same. */
import assert from 'node:assert/strict'
import { type Log, silentLog } from '../../shared/log/index.ts'
import { codeOf, SeededRandom } from '../../shared/runtime/index.ts'
import {
  openStore,
  type Store,
  type StoreOptions,
  type StreamStore,
} from '../../shared/store/index.ts'
import { SimDisk } from '../sim/index.ts'
import { appendDurably, bytes, committed, noLimits, readAll } from '../support/opened-store.ts'
import { StoreClock, settle } from '../support/store-clock.ts'

const RESERVE = '/data/reserve'
const MESSAGES = 60

describe('store and a disk without a byte left', () => {
  let disk: SimDisk
  let clock: StoreClock
  beforeEach(() => {
    disk = new SimDisk({ random: new SeededRandom(1) })
    clock = new StoreClock()
  })

  function open(options: Partial<StoreOptions> = {}): Promise<Store> {
    return openStore({
      directory: '/data',
      clock,
      random: new SeededRandom(2),
      disk,
      log: silentLog,
      segmentBytes: 2_000,
      reserveBytes: 8_000,
      ...options,
    })
  }

  /** Sealed segments of a stream, with a state and a mark in the first of them. */
  async function filled(options: Partial<StoreOptions> = {}): Promise<Store> {
    const store = await open(options)
    const stream = store.createStream('a', bytes('config'), noLimits)
    stream.states.set('consumer', bytes('v'))
    store.marks.set('leaf', bytes('7'))
    for (let i = 1; i <= MESSAGES; i++) await appendDurably(stream, 's', 'x'.repeat(400))
    await tick()
    assert.ok(store.stats.segments >= 4)
    return store
  }

  async function tick(): Promise<void> {
    clock.advance(1_000)
    await settle(80)
  }

  async function refused(store: Store): Promise<void> {
    const stream = store.streams.get('a')!
    await assert.rejects(appendDurably(stream, 's', 'no'), { code: 'PETIOLE_STORE_FULL' })
    assert.equal(store.condition.name, 'full')
  }

  /** As a caller that is told no and comes again; true when the store opened in time. */
  async function purgedUntilOpen(store: Store): Promise<boolean> {
    const stream = store.streams.get('a')!
    for (let i = 0; i < 20; i++) {
      await stream.purge({ throughSeq: MESSAGES }).catch((error: unknown) => {
        assert.equal(codeOf(error), 'PETIOLE_STORE_FULL')
      })
      await tick()
      if (store.condition.name === 'open') return true
    }
    return false
  }

  /** The quota that leaves no byte now, but enough for the store when its segments are gone. */
  function fillDisk(): void {
    disk.quotaBytes = disk.usedBytes()
  }

  async function checkAfter(store: Store): Promise<void> {
    const stream = store.streams.get('a')!
    assert.equal(stream.state.messages, 0)
    assert.equal(stream.state.lastSeq, MESSAGES)
    assert.equal(Buffer.from(stream.config).toString(), 'config')
    assert.equal(Buffer.from(stream.states.get('consumer') ?? []).toString(), 'v')
    assert.equal(Buffer.from(store.marks.get('leaf') ?? []).toString(), '7')
  }

  async function largestSealed(): Promise<number> {
    const names = (await disk.list('/data/journal')).filter((name) => name.endsWith('.log'))
    const sizes = names.map((name) => disk.bytesOf(`/data/journal/${name}`).length)
    return Math.max(...sizes.slice(0, -1))
  }

  async function names(): Promise<readonly string[]> {
    return await disk.list('/data')
  }

  it('gives its reserve file up for the purge, removes the segments, and holds one again', async () => {
    const store = await filled()
    assert.ok((await names()).includes('reserve'))
    const reserveBytes = disk.bytesOf(RESERVE).length
    assert.equal(reserveBytes, 1_000 + (await largestSealed()))
    fillDisk()
    await refused(store)
    assert.ok((await names()).includes('reserve'), 'kept for what frees room')
    const before = disk.usedBytes()
    assert.ok(await purgedUntilOpen(store))
    await tick()
    assert.ok(disk.usedBytes() < before / 2)
    assert.equal(disk.bytesOf(RESERVE).length, reserveBytes)
    await checkAfter(store)
    await appendDurably(store.streams.get('a')!, 's', 'again')
    disk = disk.powerCut()
    disk.quotaBytes = Number.POSITIVE_INFINITY
    const again = await open()
    assert.deepEqual(await readAll(again.streams.get('a')!), [`${MESSAGES + 1} s again`])
    await again.destroy()
  })

  for (const [kept, of] of [
    [1, 2],
    [1, 5],
    [4, 5],
  ] as const) {
    for (const isQuota of [false, true]) {
      const full = isQuota ? 'its quota used up' : 'no byte left'
      it(`takes messages again when ${of - kept} of ${of} in every segment are purged, with ${full}`, async () => {
        const store = await open({
          segmentBytes: 20_000,
          ...(isQuota ? { bytesMax: 200_000 } : {}),
        })
        const streams = ['kept', 'purged'].map((name) =>
          store.createStream(name, bytes('{}'), noLimits),
        )
        const [first, second] = streams as [StreamStore, StreamStore]
        await committed(store)
        const acked: string[] = []
        for (let i = 0; store.condition.name === 'open' && (isQuota || i < 400); i++) {
          const isKept = i % of < kept
          await appendDurably(isKept ? first : second, 's', `${i}`.padEnd(400)).then(
            (seq) => isKept && acked.push(`${seq} s ${`${i}`.padEnd(400)}`),
            (error: unknown) => assert.equal(codeOf(error), 'PETIOLE_STORE_FULL'),
          )
        }
        await tick()
        if (!isQuota) fillDisk()
        await assert.rejects(appendDurably(first, 's', 'no'), { code: 'PETIOLE_STORE_FULL' })
        for (let i = 0; i < 20 && store.condition.name === 'full'; i++) {
          await second.purge({}).catch((error: unknown) => {
            assert.equal(codeOf(error), 'PETIOLE_STORE_FULL')
          })
          await tick()
        }
        assert.equal(store.condition.name, 'open')
        assert.equal(disk.bytesOf(RESERVE).length, 1_000 + (await largestSealed()))
        const seq = await appendDurably(first, 's', 'again')
        disk = disk.powerCut()
        disk.quotaBytes = Number.POSITIVE_INFINITY
        const again = await open({ segmentBytes: 20_000 })
        assert.deepEqual(await readAll(again.streams.get('kept')!), [...acked, `${seq} s again`])
        assert.equal(again.streams.get('purged')!.state.messages, 0)
        assert.equal(again.stats.damagedRecords, 0)
        await again.destroy()
      })
    }
  }

  it('gives an index up when another program has taken the reserve too', async () => {
    const store = await filled()
    await disk.remove(RESERVE)
    fillDisk()
    assert.ok(await purgedUntilOpen(store))
    await checkAfter(store)
    await store.destroy()
  })

  it('says how many bytes are left, and warns once', async () => {
    const warnings: string[] = []
    const log = { ...silentLog, warn: (_: object, text: string) => warnings.push(text) } as Log
    const store = await filled({ log })
    fillDisk()
    await refused(store)
    // What it can gain by itself it has gained then.
    for (let i = 0; i < 5; i++) await tick()
    for (const left of [0, 100]) {
      disk.quotaBytes = disk.usedBytes() + left
      await tick()
      const { condition } = store
      const reason = condition.name === 'full' ? condition.reason : ''
      assert.ok(reason.includes(` has ${left} bytes left`), reason)
    }
    for (let i = 0; i < 10; i++) await tick()
    assert.ok(warnings.includes('store is full, messages are refused'))
    assert.equal(new Set(warnings).size, warnings.length, warnings.join())
    await store.destroy()
  })

  it('starts, is full at once, takes a purge and opens again', async () => {
    await (await filled()).destroy()
    disk = disk.kill()
    fillDisk()
    clock = new StoreClock()
    const store = await open()
    assert.equal(store.condition.name, 'full')
    assert.equal((await readAll(store.streams.get('a')!)).length, MESSAGES)
    await refused(store)
    assert.ok(await purgedUntilOpen(store))
    await checkAfter(store)
    await store.drain()
  })

  it('takes away what a crash left half written', async () => {
    await (await filled()).destroy()
    for (const name of ['0000000001.log.tmp', '0000000002.idx.tmp', 'notes.tmp']) {
      await (await disk.create(`/data/journal/${name}`)).close()
    }
    const store = await open()
    const drafts = (await disk.list('/data/journal')).filter((name) => name.endsWith('.tmp'))
    assert.deepEqual(drafts, ['notes.tmp'])
    await store.destroy()
  })

  it('makes the reserve file again that a power cut left short', async () => {
    await (await filled()).destroy()
    const file = await disk.open(RESERVE, 'write')
    await file.truncate(10)
    await file.close()
    const store = await open()
    await settle(80)
    assert.equal(disk.bytesOf(RESERVE).length, 1_000 + (await largestSealed()))
    await store.destroy()
  })

  it('keeps every state that was true through a cut behind any change of the way out', async () => {
    disk = new SimDisk({ random: new SeededRandom(3), isRecording: true })
    const store = await filled()
    fillDisk()
    await refused(store)
    const from = disk.recorded
    let purgedAt = Number.POSITIVE_INFINITY
    const { streams } = store
    for (let i = 0; i < 20 && store.condition.name === 'full'; i++) {
      await streams
        .get('a')!
        .purge({ throughSeq: MESSAGES })
        .then(
          () => {
            purgedAt = Math.min(purgedAt, disk.recorded)
          },
          () => {},
        )
      await tick()
    }
    assert.equal(store.condition.name, 'open')
    await committed(store)
    await store.destroy()
    for (let cut = from; cut <= disk.recorded; cut++) {
      const then = disk.powerCutAt(cut, new SeededRandom(cut))
      then.quotaBytes = disk.quotaBytes
      const again = await open({ disk: then, clock: new StoreClock() })
      const stream = again.streams.get('a')!
      const what = `cut ${cut} of ${from}..${disk.recorded}, purged at ${purgedAt}`
      assert.ok([0, MESSAGES].includes(stream.state.messages), what)
      if (cut >= purgedAt) assert.equal(stream.state.messages, 0, what)
      assert.equal(again.stats.damagedRecords, 0, what)
      assert.equal(stream.state.lastSeq, MESSAGES, what)
      assert.equal(Buffer.from(stream.states.get('consumer') ?? []).toString(), 'v', what)
      assert.equal(Buffer.from(again.marks.get('leaf') ?? []).toString(), '7', what)
      await again.destroy()
    }
  })
})
