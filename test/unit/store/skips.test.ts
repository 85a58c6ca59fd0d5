/** Sequences that are passed over: `first_seq`, and mirrors of streams with gaps. */
import assert from 'node:assert/strict'
import { silentLog } from '../../../shared/log/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import {
  type Eviction,
  openStore,
  type Store,
  type StreamStore,
} from '../../../shared/store/index.ts'
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

function skip(stream: StreamStore, seq: number): Promise<void> {
  return new Promise((resolve, reject) =>
    stream.skipTo(seq, (error) => (error === undefined ? resolve() : reject(error))),
  )
}

describe('store, skipped sequences', () => {
  let folder: StoreFolder
  beforeEach(() => {
    folder = new StoreFolder()
  })
  afterEach(() => folder.remove())

  const reopened = async (store: Store): Promise<StreamStore> => {
    await store.destroy()
    const stream = (await folder.open()).streams.get('a')
    assert.ok(stream)
    return stream
  }

  it('lets an empty stream begin anywhere, also after a restart', async () => {
    const store = await folder.open()
    const stream = store.createStream('a', bytes(''), noLimits)
    await skip(stream, 1000)
    const { firstSeq, lastSeq, messages, deleted } = stream.state
    assert.deepEqual([firstSeq, lastSeq, messages, deleted], [1000, 999, 0, 0])
    const again = await reopened(store)
    assert.equal(again.state.firstSeq, 1000)
    assert.equal(again.state.lastSeq, 999)
    assert.equal(await appendDurably(again, 's', 'x'), 1000)
  })

  it('leaves a gap that counts as deleted between messages', async () => {
    const store = await folder.open()
    const stream = store.createStream('a', bytes(''), noLimits)
    stream.append(bytes('s'), bytes(''), bytes('one'))
    stream.skipTo(5)
    stream.append(bytes('s'), bytes(''), bytes('five'))
    stream.skipTo(2 ** 40)
    await appendDurably(stream, 's', 'far')
    const expected = ['1 s one', '5 s five', `${2 ** 40} s far`]
    assert.deepEqual(await readAll(stream), expected)
    assert.equal(stream.state.deleted, 2 ** 40 - 3)
    assert.equal(stream.lastSeqOf('s'), 2 ** 40)
    assert.equal(stream.countFrom(2), 2)
    const again = await reopened(store)
    assert.deepEqual(await readAll(again), expected)
    assert.deepEqual(again.state, stream.state)
  })

  it('takes a skip back with its transaction', async () => {
    const store = await folder.open()
    const stream = store.createStream('a', bytes(''), noLimits)
    assert.throws(() =>
      store.transaction(() => {
        stream.skipTo(50)
        throw new Error('no')
      }),
    )
    assert.equal(await appendDurably(stream, 's', 'x'), 1)
    assert.deepEqual(stream.state.deleted, 0)
    assert.throws(() => stream.skipTo(1), /forward/)
    await skip(stream, 2)
    assert.equal(stream.assignedSeq, 1)
  })

  it('keeps what was skipped when a floor is written before the skip is committed', async () => {
    const store = await folder.open({ segmentBytes: 4096 })
    const stream = store.createStream('a', bytes(''), { ...noLimits, messagesMax: 1 })
    for (let round = 0; round < 30; round++) {
      for (let i = 0; i < 5; i++) stream.append(bytes('s'), bytes(''), bytes('x'.repeat(400)))
      stream.skipTo(stream.assignedSeq + 11)
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    await committed(store)
    const { lastSeq } = stream.state
    assert.equal(lastSeq, 30 * 15)
    const again = await reopened(store)
    assert.equal(again.state.lastSeq, lastSeq)
    assert.equal(again.assignedSeq, lastSeq)
  })

  it('is not taken for damage when a byte near it is bad', async () => {
    const disk = new SimDisk({ random: new SeededRandom(1), isRecording: true })
    const open = (on: SimDisk): Promise<Store> =>
      openStore({
        directory: '/data',
        clock: new StoreClock(),
        random: new SeededRandom(7),
        disk: on,
        log: silentLog,
      })
    const store = await open(disk)
    const stream = store.createStream('a', bytes(''), noLimits)
    for (const seq of [1, 2, 50, 51, 2 ** 40, 2 ** 40 + 1]) {
      if (seq > stream.assignedSeq + 1) stream.skipTo(seq)
      await appendDurably(stream, 's', `${seq}`)
    }
    stream.skipTo(2 ** 41)
    await store.drain()
    const file = '/data/journal/0000000001.log'
    const size = disk.bytesOf(file).length
    for (let at = 48; at < size; at += 3) {
      const copy = disk.powerCutAt(disk.recorded, new SeededRandom(at))
      copy.corrupt(file, at, 1)
      const again = await open(copy)
      const recovered = again.streams.get('a')
      assert.ok(recovered)
      const evictions: Eviction[] = []
      recovered.onEvict((eviction) => evictions.push(eviction))
      await settle(3)
      const lost = evictions.reduce((total, { messages }) => total + messages, 0)
      const isRecordLost = recovered.state.messages < 6
      // Where the record behind a skip is lost, nothing tells the skipped from the lost: at most those 47.
      assert.ok(lost <= (isRecordLost ? 48 : 0), `byte ${at}: ${lost} told lost`)
      assert.ok(recovered.state.messages >= 5, `byte ${at}`)
      // The last skip is one record, with nothing behind it that proves it.
      const isSkipLost = recovered.state.lastSeq === 2 ** 40 + 1
      assert.ok(isSkipLost || recovered.state.lastSeq === 2 ** 41 - 1, `byte ${at}`)
      assert.ok(!(isRecordLost && isSkipLost), `byte ${at}`)
      await again.destroy()
    }
  })
})
