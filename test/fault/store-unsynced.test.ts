import assert from 'node:assert/strict'
import { silentLog } from '../../shared/log/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import {
  openStore,
  type Store,
  type StoreEncryption,
  type StreamStore,
} from '../../shared/store/index.ts'
import { SimDisk } from '../sim/index.ts'
import { appendDurably, bytes, committed, noLimits, readAll } from '../support/opened-store.ts'
import { StoreClock, settle } from '../support/store-clock.ts'

/** What is in the system's memory only, and what the store puts its trust in meanwhile: the power goes next. */

const CUTS = 24
const FIRST = '/data/journal/0000000001.log'
const LAZY = { sync: { everyMs: 60_000 } } as const

let clock: StoreClock
let disk: SimDisk

const KEY: StoreEncryption = { key: bytes('a key of more than sixteen bytes') }

function open(on: SimDisk, encryption: StoreEncryption = {}): Promise<Store> {
  return openStore({
    directory: '/data',
    clock,
    random: new SeededRandom(7),
    disk: on,
    log: silentLog,
    segmentBytes: 1 << 20,
    encryption,
  })
}

describe('store and what is not synced yet', () => {
  beforeEach(() => {
    clock = new StoreClock()
    disk = new SimDisk({ random: new SeededRandom(1), isRecording: true })
  })

  it('has on disk what a start shows of a commit that a killed process had only written', async () => {
    const store = await open(disk)
    const stream = store.createStream('a', bytes(''), noLimits, undefined, LAZY)
    await committed(store)
    for (let i = 1; i <= 3; i++) await appendDurably(stream, 's', `${i}`)
    disk = disk.kill()
    const again = await open(disk)
    const shown = await readAll(again.streams.get('a')!)
    assert.equal(shown.length, 3)
    for (let i = 0; i < CUTS; i++) {
      const cut = await open(disk.powerCutAt(disk.recorded, new SeededRandom(i)))
      assert.deepEqual(await readAll(cut.streams.get('a')!), shown, `cut ${i}`)
      await cut.destroy()
    }
    await again.destroy()
  })

  it('has a torn end cut on disk, before anything is shown that is written in its place', async () => {
    const store = await open(disk)
    const stream = store.createStream('a', bytes(''), noLimits)
    await appendDurably(stream, 's', 'first')
    const end = disk.bytesOf(FIRST).length
    for (let i = 0; i < 4; i++) stream.append(bytes('s'), bytes(''), bytes('x'.repeat(600)))
    await committed(store)
    await store.destroy()
    // The commit lost its first sector, so nobody was told of it.
    const file = await disk.open(FIRST, 'write')
    await file.writev([new Uint8Array(600)], end)
    await file.datasync()
    await file.close()
    const again = await open(disk)
    assert.equal(again.stats.tornBytes > 0, true)
    for (let i = 0; i < CUTS; i++) {
      const cut = disk.powerCutAt(disk.recorded, new SeededRandom(i))
      assert.equal(cut.bytesOf(FIRST).length, end, `cut ${i}`)
    }
    await again.destroy()
  })

  it('leaves nothing out of a rewritten segment for the sake of a record that is not on disk', async () => {
    // While the segment is read to be rewritten the state in it gets another value, that nobody syncs.
    let isToSet = false
    let stream: StreamStore | undefined
    disk = new SimDisk({
      random: new SeededRandom(1),
      isRecording: true,
      turn: (call, path, fn) => {
        setImmediate(fn)
        if (!isToSet || call !== 'read' || path !== FIRST) return
        isToSet = false
        stream?.states.set('key', bytes('new'))
      },
    })
    const store = await open(disk, KEY)
    stream = store.createStream('a', bytes(''), noLimits, undefined, LAZY)
    // It lies behind so much that the commit is done before the copy comes there.
    for (let i = 1; i <= 9; i++) await appendDurably(stream, 's', 'x'.repeat(100_000))
    stream.states.set('key', bytes('old'))
    for (let i = 10; i <= 12; i++) await appendDurably(stream, 's', 'x'.repeat(100_000))
    await stream.purge({ throughSeq: 9 })
    await committed(store)
    const from = disk.recorded
    isToSet = true
    // It is looked at twice before it is rewritten.
    for (let i = 0; i < 4; i++) {
      clock.advance(1_000)
      await settle(100)
    }
    assert.ok(store.stats.rewriteBytesWritten > 0)
    assert.equal(isToSet, false)
    const values = new Set<string>()
    for (let at = from; at <= disk.recorded; at++) {
      for (let again = 0; again < 3; again++) {
        const cut = await open(disk.powerCutAt(at, new SeededRandom(3 * at + again)), KEY)
        const value = cut.streams.get('a')?.states.get('key')
        assert.ok(value, `cut at ${at}`)
        values.add(Buffer.from(value).toString())
        await cut.destroy()
      }
    }
    assert.deepEqual([...values].sort(), ['new', 'old'])
    await store.destroy()
  })
})
