/**
 * What is remembered of states that were removed: as long as a segment may hold an older record of the key, and
 * neither in memory nor on disk any longer, whatever else lies in the oldest segments.
 */
import assert from 'node:assert/strict'
import { silentLog } from '../../../shared/log/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { openStore, type Store, type StreamStore } from '../../../shared/store/index.ts'
import type { JournalTable } from '../../../shared/store/state-table.ts'
import { SimDisk } from '../../sim/index.ts'
import { appendDurably, bytes, noLimits, readAll } from '../../support/opened-store.ts'
import { StoreClock, settle } from '../../support/store-clock.ts'
import { committedBarrier } from '../../support/store-commands.ts'

const SEGMENT_BYTES = 8_192
const KEYS = 2_000
const VALUE = bytes('v'.repeat(100))

describe('states that were removed', () => {
  let clock: StoreClock
  let disk: SimDisk
  let store: Store
  let stream: StreamStore
  /** Rewritten segments do not get to their place. */
  let isHeld: boolean
  let held: (() => void)[]

  beforeEach(async () => {
    clock = new StoreClock()
    isHeld = false
    held = []
    disk = new SimDisk({
      random: new SeededRandom(1),
      turn: (call, path, fn) => {
        if (isHeld && call === 'rename' && path.endsWith('.log.tmp')) held.push(fn)
        else setImmediate(fn)
      },
    })
    store = await open()
    stream = store.createStream('a', bytes('config'), noLimits)
    await committedBarrier(store)
  })
  afterEach(() => store.destroy())

  function open(segmentBytes = SEGMENT_BYTES): Promise<Store> {
    const parts = { clock, random: new SeededRandom(2), disk, log: silentLog }
    return openStore({ directory: '/data', segmentBytes, ...parts })
  }

  async function restart(segmentBytes = SEGMENT_BYTES): Promise<void> {
    // Without the record that a clean end writes.
    await store.destroy()
    store = await open(segmentBytes)
    const found = store.streams.get('a')
    assert.ok(found)
    stream = found
  }

  /** Removals that are remembered, of all tables. */
  function remembered(): number {
    const tables = [store.marks, stream.states] as unknown as JournalTable[]
    return tables
      .flatMap(({ committed }) => [...committed.values()])
      .filter(({ value }) => value === undefined).length
  }

  /** Messages that stay, until the next segment is begun. */
  async function fillSegment(): Promise<void> {
    const { segments } = store.stats
    while (store.stats.segments === segments) await appendDurably(stream, 's', 'm'.repeat(400))
  }

  async function tidy(): Promise<void> {
    for (let i = 0; i < 12; i++) {
      clock.advance(1_500)
      await settle(60)
    }
  }

  async function come(key: string): Promise<void> {
    store.marks.set(`mark ${key}`, VALUE)
    stream.states.set(`state ${key}`, VALUE)
    await committedBarrier(store)
  }

  async function go(key: string): Promise<void> {
    store.marks.remove(`mark ${key}`)
    stream.states.remove(`state ${key}`)
    await committedBarrier(store)
  }

  function assertNoneIsBack(): void {
    assert.deepEqual([...store.marks.entries()], [])
    assert.deepEqual([...stream.states.entries()], [])
  }

  it('are forgotten, in memory and on disk, while the oldest segment lives', async () => {
    await fillSegment()
    for (let i = 0; i < KEYS; i++) {
      await come(`${i}`)
      await go(`${i}`)
      if (i % 100 === 0) await tidy()
    }
    await tidy()
    assert.equal(remembered(), 0)
    assert.ok(store.stats.diskBytes < 6 * SEGMENT_BYTES, `${store.stats.diskBytes} bytes on disk`)
    await restart()
    assert.equal(remembered(), 0)
    assertNoneIsBack()
  })

  it('are forgotten when both records come with one commit', async () => {
    await fillSegment()
    for (let i = 0; i < 20; i++) {
      store.marks.set(`mark ${i}`, VALUE)
      store.marks.remove(`mark ${i}`)
    }
    await committedBarrier(store)
    assert.equal(remembered(), 0)
    await restart()
    assert.equal(remembered(), 0)
    assertNoneIsBack()
  })

  it('are remembered as long as the segment with an older record is there, and no longer', async () => {
    for (let i = 0; i < 5; i++) await come(`${i}`)
    await fillSegment()
    for (let i = 0; i < 5; i++) await come(`${i}`)
    await fillSegment()
    for (let i = 0; i < 5; i++) await go(`${i}`)
    assert.equal(remembered(), 10)
    for (let i = 0; i < 3; i++) {
      await tidy()
      await restart()
      assert.equal(remembered(), 10, `restart ${i}`)
      assertNoneIsBack()
      await fillSegment()
    }
    const throughSeq = stream.state.lastSeq
    await fillSegment()
    await stream.purge({ throughSeq, keep: 0 })
    await tidy()
    assert.equal(remembered(), 0)
    await restart()
    assertNoneIsBack()
  })

  it('are forgotten when the segment with the older record was rewritten', async () => {
    await appendDurably(stream, 's', 'stays')
    for (let i = 0; i < 20; i++) await come(`${i}`)
    await fillSegment()
    await appendDurably(stream, 's', 'stays')
    const purged = stream.state.lastSeq - 2
    for (let i = 0; i < 20; i++) await go(`${i}`)
    assert.equal(remembered(), 40)
    for (let seq = 2; seq <= purged; seq++) stream.remove(seq)
    await committedBarrier(store)
    await tidy()
    assert.ok(store.stats.rewriteBytesWritten > 0)
    assert.equal(stream.state.firstSeq, 1)
    assert.equal(remembered(), 0)
    for (let i = 0; i < 3; i++) {
      await restart()
      assert.equal(remembered(), 0, `restart ${i}`)
      assertNoneIsBack()
      await tidy()
    }
  })

  /** The first segment has messages, the records of some keys, and less than half of it is live. */
  async function makeSparse(): Promise<void> {
    await appendDurably(stream, 's', 'stays')
    for (let i = 0; i < 5; i++) await come(`${i}`)
    await fillSegment()
    const { lastSeq } = stream.state
    for (let seq = 2; seq < lastSeq; seq++) stream.remove(seq)
    await committedBarrier(store)
  }

  it('are remembered when the segment was rewritten just before, with the older record', async () => {
    await makeSparse()
    isHeld = true
    while (held.length === 0) await tidy()
    for (let i = 0; i < 5; i++) await go(`${i}`)
    isHeld = false
    for (const fn of held) fn()
    await settle()
    assert.ok(store.stats.rewriteBytesWritten > 0)
    assert.equal(remembered(), 10)
    await restart()
    assert.equal(remembered(), 10)
    assertNoneIsBack()
  })

  it('are remembered when the segment was rewritten while nothing was written, and the last one goes on', async () => {
    await makeSparse()
    await restart(1_024)
    await tidy()
    assert.ok(store.stats.rewriteBytesWritten > 0)
    const { segments } = store.stats
    await restart()
    for (let i = 0; i < 5; i++) await go(`${i}`)
    assert.equal(store.stats.segments, segments)
    await fillSegment()
    await tidy()
    await restart()
    assert.equal(remembered(), 10)
    assertNoneIsBack()
  })

  it('stay removed when indexes that do not list their older records are lost', async () => {
    for (let i = 0; i < 5; i++) await come(`${i}`)
    for (let i = 0; i < 5; i++) await go(`${i}`)
    await fillSegment()
    for (let i = 0; i < 5; i++) await come(`${i}`)
    await fillSegment()
    for (let i = 0; i < 5; i++) await go(`${i}`)
    await fillSegment()
    await tidy()
    // Made again now, those of the first segments say nothing of the keys.
    for (const id of [1, 2]) await disk.remove(`/data/journal/000000000${id}.idx`)
    await restart()
    await tidy()
    await restart()
    assert.equal(remembered(), 10)
    await fillSegment()
    await tidy()
    for (const id of [1, 2]) await disk.remove(`/data/journal/000000000${id}.idx`)
    await restart()
    assertNoneIsBack()
  })

  it('stay removed when what says so is damaged while it runs, and the index is lost', async () => {
    for (const key of ['gone', 'back', 'again']) await come(key)
    await appendDurably(stream, 's', 'between')
    for (const key of ['gone', 'back', 'again']) await go(key)
    await appendDurably(stream, 's', 'damaged message')
    await fillSegment()
    await come('back')
    await come('again')
    await tidy()
    assert.equal(remembered(), 0)
    const file = '/data/journal/0000000001.log'
    const content = Buffer.from(disk.bytesOf(file))
    for (const key of ['gone', 'back', 'again']) {
      for (const name of ['mark', 'state']) {
        disk.corrupt(file, content.lastIndexOf(`${name} ${key}`), 4)
      }
    }
    disk.corrupt(file, content.indexOf('damaged message'), 4)
    await readAll(stream)
    await tidy()
    assert.equal(remembered(), 2)
    await go('again')
    assert.equal(remembered(), 4)
    await fillSegment()
    await tidy()
    await disk.remove('/data/journal/0000000001.idx')
    await restart()
    const keys = (table: StreamStore['states']): string[] =>
      [...table.entries()].map(([key]) => key)
    assert.deepEqual([keys(store.marks), keys(stream.states)], [['mark back'], ['state back']])
    assert.equal(remembered(), 4)
  })
})
