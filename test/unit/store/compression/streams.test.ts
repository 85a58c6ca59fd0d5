/** Streams whose messages are compressed: the same to everybody, and less on disk. */
import assert from 'node:assert/strict'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import type { Store, StoredMessage, StreamStore } from '../../../../shared/store/index.ts'
import { bytes, committed, noLimits, StoreFolder } from '../../../support/opened-store.ts'
import { settle } from '../../../support/store-clock.ts'

const COUNT = 1200

/** As sensors send them: short, and much alike. */
function reading(random: SeededRandom, seq: number): Buffer {
  const value = (20 + random.below(500) / 100).toFixed(2)
  const sensor = `line-${random.below(20)}`
  return Buffer.from(
    `{"sensor":"${sensor}","timestamp":${1_732_201_234_567 + seq * 500},"value":${value},"unit":"C"}`,
  )
}

async function fill(store: Store, stream: StreamStore, from: number, to: number): Promise<void> {
  const random = new SeededRandom(from)
  for (let seq = from; seq <= to; seq++) {
    const headers = seq % 10 === 0 ? `NATS/1.0\r\nNats-Msg-Id: ${seq}\r\n\r\n` : ''
    stream.append(bytes(`plant.${seq % 7}`), bytes(headers), reading(random, seq))
    // One by one, as from a sensor, at first; a dictionary is used when it is on disk.
    if (seq % 40 === 0) await committed(store)
  }
  await committed(store)
}

async function readEverything(stream: StreamStore): Promise<readonly string[]> {
  const all: string[] = []
  const line = ({ seq, subject, headers, payload, timeMs }: StoredMessage): string =>
    [seq, subject, Buffer.from(headers), Buffer.from(payload), Math.floor(timeMs / 1e6)].join(' ')
  for (let fromSeq = 1; fromSeq <= stream.state.lastSeq; ) {
    const batch = await stream.read({ fromSeq, messagesMax: 200, bytesMax: 1 << 20 })
    all.push(...batch.messages.map(line))
    fromSeq = batch.nextSeq
  }
  return all
}

describe('store, compressed streams', () => {
  let folder: StoreFolder
  let plainFolder: StoreFolder

  beforeEach(() => {
    folder = new StoreFolder()
    plainFolder = new StoreFolder()
  })

  afterEach(async () => {
    await folder.remove()
    await plainFolder.remove()
  })

  it('read as if they were not, count as if they were not, and take less of the disk', async () => {
    const store = await folder.open()
    const plainStore = await plainFolder.open()
    const stream = store.createStream('a', bytes(''), noLimits, undefined, { compression: 's2' })
    const plain = plainStore.createStream('a', bytes(''), noLimits)
    await fill(store, stream, 1, COUNT)
    await fill(plainStore, plain, 1, COUNT)
    const lines = await readEverything(plain)
    assert.equal(lines.length, COUNT)
    assert.deepEqual(await readEverything(stream), lines)
    assert.equal(stream.state.bytes, plain.state.bytes)
    const share = store.stats.bytesWritten / plainStore.stats.bytesWritten
    assert.ok(share < 0.75, `${share}`)
    assert.deepEqual(await stream.recentIds(0), await plain.recentIds(0).then(withoutTimes(stream)))
  })

  /** Times differ between stores. */
  function withoutTimes(stream: StreamStore) {
    return async (ids: readonly { id: string; seq: number }[]) => {
      const own = await stream.recentIds(0)
      return ids.map(({ id, seq }, i) => ({ id, seq, timeMs: own[i]?.timeMs }))
    }
  }

  const key = bytes('a key of thirty-two random bytes')
  for (const [way, encryption] of [
    ['their indexes', {}],
    ['a scan', {}],
    ['their indexes, encrypted', { key }],
    ['a scan, encrypted', { key }],
  ] as const) {
    it(`are the same after a start from ${way}`, async () => {
      const options = { segmentBytes: 32 << 10, encryption }
      const store = await folder.open(options)
      const stream = store.createStream('a', bytes(''), noLimits, undefined, { compression: 's2' })
      await fill(store, stream, 1, COUNT)
      for (let seq = 5; seq < COUNT; seq += 9) stream.remove(seq)
      await committed(store)
      const lines = await readEverything(stream)
      const { bytes: size, messages } = stream.state
      const { savedBytes } = store.stats
      await store.drain()
      for (const name of readdirSync(folder.journal)) {
        if (way.startsWith('a scan') && name.endsWith('.idx')) rmSync(join(folder.journal, name))
      }
      const again = await folder.open(options)
      const recovered = again.streams.get('a')
      assert.ok(recovered)
      assert.equal(recovered.compression, 's2')
      assert.equal(recovered.state.messages, messages)
      assert.equal(recovered.state.bytes, size)
      assert.ok(savedBytes > 0)
      assert.equal(again.stats.savedBytes, savedBytes)
      assert.deepEqual(await readEverything(recovered), lines)
      const before = again.stats.bytesWritten
      await fill(again, recovered, COUNT + 1, COUNT + 100)
      const perMessage = (again.stats.bytesWritten - before) / 100
      assert.ok(perMessage < 135, `${perMessage} bytes: the dictionary is still used`)
    })
  }

  it('begin and cease to be so with their configuration, and stay readable', async () => {
    const store = await folder.open()
    const stream = store.createStream('a', bytes(''), noLimits)
    const written = async (from: number, to: number): Promise<number> => {
      const before = store.stats.bytesWritten
      await fill(store, stream, from, to)
      return store.stats.bytesWritten - before
    }
    const plain = await written(1, 400)
    stream.configure(bytes('new'), noLimits, undefined, { compression: 's2' })
    await committed(store)
    await written(401, 800)
    const compressed = await written(801, 1200)
    stream.configure(bytes('newer'), noLimits, undefined, { compression: 'none' })
    await committed(store)
    const after = await written(1201, 1600)
    assert.ok(compressed < plain * 0.65, `${compressed} of ${plain}`)
    assert.ok(after > plain * 0.95, `${after} of ${plain}`)
    assert.equal((await readEverything(stream)).length, 1600)
    await store.drain()
    const again = (await folder.open()).streams.get('a')
    assert.ok(again)
    assert.equal(again.compression, 'none')
    assert.equal((await readEverything(again)).length, 1600)
  })

  it('compress what was stored before when a segment is rewritten', async () => {
    const segmentBytes = 64 << 10
    const store = await folder.open({ segmentBytes })
    const stream = store.createStream('a', bytes(''), noLimits)
    await fill(store, stream, 1, COUNT)
    stream.configure(bytes(''), noLimits, undefined, { compression: 's2' })
    await fill(store, stream, COUNT + 1, 2 * COUNT)
    const savedBefore = store.stats.savedBytes
    for (let seq = 1; seq < COUNT; seq++) if (seq % 3 !== 0) stream.removeLazily(seq)
    const lines = await readEverything(stream)
    const sizeBefore = stream.state.bytes
    // What its owner deletes is no reason to rewrite; what limits remove is.
    const other = store.createStream('b', bytes(''), { ...noLimits, messagesMax: 1 })
    for (let i = 0; i < 3; i++) other.append(bytes('o'), bytes(''), bytes('x'))
    await committed(store)
    const deadline = Date.now() + 15_000
    while (store.stats.savedBytes < savedBefore + 12_000 && Date.now() < deadline) await settle(20)
    assert.ok(store.stats.savedBytes >= savedBefore + 12_000, `${store.stats.savedBytes}`)
    assert.deepEqual(await readEverything(stream), lines)
    assert.equal(stream.state.bytes, sizeBefore)
    await store.drain()
    const again = (await folder.open({ segmentBytes })).streams.get('a')
    assert.ok(again)
    assert.deepEqual(await readEverything(again), lines)
    assert.equal(again.state.bytes, sizeBefore)
  })

  it('are whole after transactions, also behind some that were taken back', async () => {
    const store = await folder.open()
    const stream = store.createStream('a', bytes(''), noLimits, undefined, { compression: 's2' })
    const random = new SeededRandom(9)
    for (let round = 0; round < 3; round++) {
      assert.throws(
        () =>
          store.transaction(() => {
            for (let i = 0; i < 100; i++) stream.append(bytes('s'), bytes(''), reading(random, i))
            throw new Error('no')
          }),
        /no/,
      )
    }
    store.transaction(() => {
      for (let i = 0; i < 100; i++) stream.append(bytes('s'), bytes(''), reading(random, i))
    })
    await committed(store)
    assert.equal(stream.state.messages, 100)
    assert.equal((await readEverything(stream)).length, 100)
    await store.drain()
    const again = (await folder.open()).streams.get('a')
    assert.ok(again)
    assert.equal((await readEverything(again)).length, 100)
  })
})
