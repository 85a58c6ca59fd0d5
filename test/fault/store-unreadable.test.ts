import assert from 'node:assert/strict'
import { type Log, silentLog } from '../../shared/log/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import {
  checkStore,
  type ExportSummary,
  exportStore,
  openStore,
  repairStore,
  type Store,
  type StoreEncryption,
} from '../../shared/store/index.ts'
import { SimDisk } from '../sim/index.ts'
import { appendDurably, bytes, noLimits, readAll } from '../support/opened-store.ts'
import { StoreClock, settle } from '../support/store-clock.ts'

/** A disk that cannot read some places any more: what lies beside them stays, and the rest goes on. */

const COUNT = 200
const PAGE = 4096
const OLD = { key: bytes('a key of more than sixteen bytes') }
const NEW = { key: bytes('another key, as long as that one'), previousKey: OLD.key }
const FIRST = '/data/journal/0000000001.log'
const SECOND = '/data/journal/0000000002.log'

describe('store on a disk with places that cannot be read', function () {
  this.timeout(120_000)
  let disk: SimDisk
  let clock: StoreClock
  let errors: Readonly<Record<string, unknown>>[]
  const log: Log = { ...silentLog, error: (fields: object) => void errors.push({ ...fields }) }

  beforeEach(() => {
    disk = new SimDisk({ random: new SeededRandom(1) })
    clock = new StoreClock()
    errors = []
  })

  function open(encryption: StoreEncryption = {}): Promise<Store> {
    const random = new SeededRandom(7)
    const sizes = { segmentBytes: 20_000, reserveBytes: 0 }
    return openStore({ directory: '/data', clock, random, disk, log, encryption, ...sizes })
  }

  async function passed(ms: number, steps = 4): Promise<void> {
    for (let i = 0; i < steps; i++) {
      clock.advance(ms / steps)
      await settle(60)
    }
  }

  /** Sealed segments with their indexes, and a last one. */
  async function written(encryption: StoreEncryption = {}): Promise<string[]> {
    const store = await open(encryption)
    const stream = store.createStream('a', bytes('config'), noLimits)
    for (let i = 1; i <= COUNT; i++) await appendDurably(stream, 's', `${i} `.padEnd(300, 'x'))
    await passed(20_000)
    const lines = await readAll(stream)
    await store.drain()
    return lines
  }

  /** One page spoils what lies in it, and what begins or ends there. */
  function assertFewGone(lines: readonly string[], all: readonly string[]): void {
    assert.ok(lines.every((line) => all.includes(line)))
    const gone = all.length - lines.length
    assert.ok(gone > 0 && gone <= PAGE / 300 + 2, `${gone} messages are gone`)
  }

  async function dropIndexes(): Promise<void> {
    for (const name of await disk.list('/data/journal')) {
      if (name.endsWith('.idx')) await disk.remove(`/data/journal/${name}`)
    }
  }

  it('starts without an index, loses what lay there only, and says where', async () => {
    const all = await written()
    await dropIndexes()
    disk.spoil(SECOND, PAGE + 100, PAGE + 612)
    const store = await open()
    assert.deepEqual(
      errors.find(({ file }) => file === SECOND),
      { file: SECOND, from: PAGE, to: 2 * PAGE },
    )
    assertFewGone(await readAll(store.streams.get('a')!), all)
    const gone = store.stats.damagedRecords
    await passed(60_000)
    await store.drain()
    // From the index that was made meanwhile, beside the place that is still there.
    const again = await open()
    assertFewGone(await readAll(again.streams.get('a')!), all)
    assert.ok(gone > 0)
    await again.drain()
  })

  it('starts when the bad place is in the last segment, cuts nothing and goes on in a new one', async () => {
    const all = await written()
    const names = (await disk.list('/data/journal')).filter((name) => name.endsWith('.log'))
    const last = `/data/journal/${names[names.length - 1]}`
    const before = disk.bytesOf(last)
    const page = Math.floor((before.length - 1) / PAGE) * PAGE
    disk.spoil(last, page, page + 1)
    for (let i = 0; i < 2; i++) {
      const store = await open()
      const stream = store.streams.get('a')!
      const lines = await readAll(stream)
      assertFewGone(
        lines.filter((line) => !line.includes('more')),
        all,
      )
      await appendDurably(stream, 's', `more ${i}`)
      assert.match((await readAll(stream)).at(-1)!, new RegExp(`more ${i}`))
      await store.drain()
    }
    assert.deepEqual(disk.bytesOf(last), before)
  })

  it('starts when a header cannot be read, and removes nothing', async () => {
    const all = await written()
    disk.spoil(FIRST, 0, 10)
    let store = await open()
    assert.equal(store.streams.get('a')!.state.messages, all.length)
    await store.drain()
    await dropIndexes()
    store = await open()
    assert.ok(store.stats.damagedRecords > 0)
    assert.ok((await disk.list('/data/journal')).includes('0000000001.log'))
    await store.drain()
  })

  it('reads what lies beside the place, and does not take for gone what may be read tomorrow', async () => {
    await written()
    disk.spoil(SECOND, PAGE, PAGE + 1)
    const store = await open()
    const stream = store.streams.get('a')!
    const { messages } = stream.state
    let failed = 0
    for (let seq = 1; seq <= COUNT; seq++) {
      const read = stream.read({ fromSeq: seq, messagesMax: 1, bytesMax: 1 })
      await read.catch((error: NodeJS.ErrnoException) => {
        assert.equal(error.code, 'EIO')
        failed++
      })
    }
    assert.ok(failed > 0 && failed <= PAGE / 300 + 2, `${failed} failed`)
    assert.equal(stream.state.messages, messages)
    await store.drain()
  })

  it('writes all other segments again under a new key, keeps the index, and starts anew', async () => {
    const all = await written(OLD)
    disk.spoil(SECOND, PAGE, PAGE + 1)
    let store = await open(NEW)
    await passed(120_000, 60)
    assert.equal(store.stats.encryption?.segmentsLeft, 1)
    assert.ok((await disk.list('/data/journal')).includes('0000000002.idx'))
    assert.equal(store.stats.damagedRecords, 0)
    const { indexBytesWritten } = store.stats
    await passed(60_000, 30)
    assert.equal(store.stats.indexBytesWritten, indexBytesWritten)
    await store.drain()
    store = await open(NEW)
    assert.equal(store.streams.get('a')!.state.messages, all.length)
    await store.drain()
  })

  it('comes to the end of that once the place could not be read for long, and has told what is gone', async () => {
    const all = await written(OLD)
    disk.spoil(SECOND, PAGE, PAGE + 1)
    const store = await open(NEW)
    const stream = store.streams.get('a')!
    const told: number[] = []
    stream.onEvict(({ firstSeq, lastSeq }) => told.push(firstSeq, lastSeq))
    await passed(3_600_000, 720)
    assert.equal(store.stats.encryption?.segmentsLeft, 0)
    assertFewGone(await readAll(stream), all)
    assert.ok(told.length > 0)
    await store.drain()
  })

  it('compacts other segments while one cannot be read', async () => {
    await written()
    disk.spoil(SECOND, PAGE, PAGE + 1)
    const store = await open()
    const stream = store.streams.get('a')!
    for (let seq = 1; seq <= COUNT; seq++) if (seq % 4 !== 0) stream.remove(seq)
    await appendDurably(stream, 's', 'last')
    await passed(20_000, 10)
    await store.drain()
    // Those that had been sealed; behind them lies what says that messages were removed.
    const sizes = (await disk.list('/data/journal'))
      .filter((name) => /^000000000[1-3]\.log$/.test(name))
      .map((name) => [name, disk.bytesOf(`/data/journal/${name}`).length] as const)
    const large = sizes.filter(([, size]) => size > 15_000).map(([name]) => name)
    assert.deepEqual(large, ['0000000002.log'])
  })

  it('is checked, exported and repaired all the same', async () => {
    const all = await written()
    disk.spoil(SECOND, PAGE, PAGE + 1)
    const options = { disk, clock, directory: '/data' }
    const report = await checkStore(options)
    const file = 'journal/0000000002.log'
    const problem = `bytes ${PAGE} to ${2 * PAGE} cannot be read from the disk: copy the store to another one`
    assert.ok(report.problems.some((one) => one.file === file && one.problem === problem))
    assert.ok(report.streams[0]!.lost.length > 0)
    const lines: string[] = []
    const summary: ExportSummary = await exportStore({
      ...options,
      streams: [],
      format: 'json',
      write: async (part) => void lines.push(...Buffer.from(part).toString().trim().split('\n')),
    })
    assert.equal(summary.messages + summary.lost, all.length)
    assert.equal(lines.length, summary.messages)
    assertFewGone(lines, [...lines, ...Array.from({ length: summary.lost }, (_, i) => `${i}`)])
    const { after } = await repairStore(options)
    assert.equal(after.ok, false)
  })
})
