import assert from 'node:assert/strict'
import { SubjectFilter } from '../../../shared/subject/index.ts'
import {
  appendDurably,
  bytes,
  committed,
  noLimits,
  readAll,
  StoreFolder,
} from '../../support/opened-store.ts'

describe('store', () => {
  let folder: StoreFolder
  beforeEach(() => {
    folder = new StoreFolder()
  })
  afterEach(() => folder.remove())

  it('shows a message after its commit, and again after a restart', async () => {
    const store = await folder.open()
    const stream = store.createStream('a', bytes('config'), noLimits)
    const appended = appendDurably(stream, 'x.y', 'one', 'NATS/1.0\r\nNats-Msg-Id: m1\r\n\r\n')
    assert.equal(stream.state.messages, 0)
    assert.equal(await appended, 1)
    await appendDurably(stream, 'x.z', 'two')
    assert.deepEqual(await readAll(stream), ['1 x.y one', '2 x.z two'])
    const before = stream.state
    await store.drain()
    const again = await folder.open()
    const recovered = again.streams.get('a')
    assert.ok(recovered)
    assert.deepEqual(recovered.state, before)
    assert.equal(Buffer.from(recovered.config).toString(), 'config')
    assert.deepEqual(await readAll(recovered), ['1 x.y one', '2 x.z two'])
    assert.equal(recovered.lastSeqOf('x.y'), 1)
    assert.deepEqual(
      (await recovered.recentIds(0)).map(({ id, seq }) => [id, seq]),
      [['m1', 1]],
    )
    assert.equal(await appendDurably(recovered, 'x.y', 'three'), 3)
  })

  it('keeps deletes, purges, states and marks over a restart', async () => {
    const store = await folder.open()
    const stream = store.createStream('a', bytes(''), noLimits)
    for (let i = 1; i <= 40; i++) stream.append(bytes(`s.${i % 4}`), bytes(''), bytes(`${i}`))
    stream.states.set('consumer', bytes('v1'))
    store.marks.set('leaf', bytes('7'))
    store.marks.set('gone', bytes('x'))
    store.marks.remove('gone')
    await committed(store)
    assert.equal(stream.remove(20), true)
    assert.equal(stream.remove(20), false)
    assert.equal(stream.remove(99), false)
    assert.equal(await stream.purge({ throughSeq: 10 }), 10)
    assert.equal(await stream.purge({ filter: new SubjectFilter('s.1'), keep: 2 }), 5)
    const left = await readAll(stream)
    assert.equal(left.length, 24)
    await store.drain()
    const again = await folder.open()
    const recovered = again.streams.get('a')
    assert.ok(recovered)
    assert.deepEqual(await readAll(recovered), left)
    assert.equal(Buffer.from(recovered.states.get('consumer') ?? []).toString(), 'v1')
    assert.deepEqual(
      [...again.marks.entries()].map(([key]) => key),
      ['leaf'],
    )
    assert.equal(recovered.lastSeqOf('s.0'), 40)
    assert.equal(recovered.countFrom(30, new SubjectFilter('s.0')), 3)
  })

  it('takes back a transaction that throws', async () => {
    const store = await folder.open()
    const stream = store.createStream('a', bytes(''), noLimits)
    await appendDurably(stream, 'x', '1')
    assert.throws(() =>
      store.transaction(() => {
        stream.append(bytes('x'), bytes(''), bytes('2'))
        store.marks.set('m', bytes('2'))
        throw new Error('no')
      }),
    )
    assert.equal(stream.assignedSeq, 1)
    assert.equal(store.marks.get('m'), undefined)
    assert.equal(await appendDurably(stream, 'x', '3'), 2)
    assert.deepEqual(await readAll(stream), ['1 x 1', '2 x 3'])
  })

  it('tells each callback what was given for it, whatever a transaction took back', async () => {
    const store = await folder.open()
    const stream = store.createStream('a', bytes(''), noLimits)
    const told: unknown[] = []
    const append = (whom: string): number => {
      const note = (error: unknown, seq: number, given: unknown): unknown =>
        told.push([error, seq, given])
      return stream.append(bytes('x'), bytes(''), bytes(whom), note, undefined, false, false, whom)
    }
    append('one')
    assert.throws(() =>
      store.transaction(() => {
        append('never')
        append('never')
        throw new Error('no')
      }),
    )
    append('two')
    await committed(store)
    assert.deepEqual(told, [
      [undefined, 1, 'one'],
      [undefined, 2, 'two'],
    ])
  })

  it('goes on over many segments', async () => {
    const store = await folder.open({ segmentBytes: 2048 })
    const stream = store.createStream('a', bytes(''), noLimits)
    for (let i = 1; i <= 100; i++) await appendDurably(stream, 'x', `${i}`)
    assert.ok(store.stats.segments >= 3)
    const all = await readAll(stream)
    assert.equal(all.length, 100)
    await store.drain()
    const again = await folder.open({ segmentBytes: 2048 })
    const recovered = again.streams.get('a')
    assert.ok(recovered)
    assert.deepEqual(await readAll(recovered), all)
    again.removeStream('a')
    await committed(again)
    await again.drain()
    assert.equal((await folder.open({ segmentBytes: 2048 })).streams.size, 0)
  })
})
