/** Messages with a time of their own are found again without reading the others. */
import assert from 'node:assert/strict'
import { SystemDisk } from '../../../shared/runtime/index.ts'
import type { StreamStore } from '../../../shared/store/index.ts'
import { bytes, committed, noLimits, StoreFolder } from '../../support/opened-store.ts'

async function markedOf(stream: StreamStore): Promise<number[]> {
  const seqs: number[] = []
  for await (const { seq, payload } of stream.marked()) {
    assert.equal(Buffer.from(payload).toString(), `payload ${seq}`)
    seqs.push(seq)
  }
  return seqs
}

class CountingDisk extends SystemDisk {
  opened: string[] = []

  override open(path: string, access: 'read' | 'write'): ReturnType<SystemDisk['open']> {
    this.opened.push(path)
    return super.open(path, access)
  }
}

describe('store, marked messages', () => {
  let folder: StoreFolder
  beforeEach(() => {
    folder = new StoreFolder()
  })
  afterEach(() => folder.remove())

  it('shows those that live, after deletes, rewrites and restarts too', async () => {
    const options = { segmentBytes: 8192 }
    const store = await folder.open(options)
    const stream = store.createStream('a', bytes(''), noLimits)
    for (let i = 1; i <= 1000; i++) {
      const payload = bytes(`payload ${i}`)
      stream.append(bytes('s'), bytes(''), payload, undefined, undefined, i % 10 === 0)
      if (i % 50 === 0) await committed(store)
    }
    await committed(store)
    const expected = Array.from({ length: 100 }, (_, i) => (i + 1) * 10)
    assert.deepEqual(await markedOf(stream), expected)
    for (let i = 1; i <= 1000; i++) if (i % 20 !== 0 && i % 3 !== 0) stream.remove(i)
    await committed(store)
    const left = expected.filter((seq) => seq % 20 === 0 || seq % 3 === 0)
    assert.deepEqual(await markedOf(stream), left)
    await store.destroy()
    const again = await folder.open(options)
    const recovered = again.streams.get('a')
    assert.ok(recovered)
    assert.deepEqual(await markedOf(recovered), left)
  })

  it('reads no segment that holds none', async () => {
    const disk = new CountingDisk()
    const store = await folder.open({ segmentBytes: 4096, disk })
    const stream = store.createStream('a', bytes(''), noLimits)
    for (let i = 1; i <= 400; i++) {
      const payload = bytes(`payload ${i}`)
      stream.append(bytes('s'), bytes(''), payload, undefined, undefined, i === 200)
      if (i % 20 === 0) await committed(store)
    }
    assert.ok(store.stats.segments >= 4)
    await store.destroy()
    const recovered = (await folder.open({ segmentBytes: 4096, disk })).streams.get('a')
    assert.ok(recovered)
    disk.opened = []
    assert.deepEqual(await markedOf(recovered), [200])
    assert.equal(disk.opened.length, 1)
  })
})
