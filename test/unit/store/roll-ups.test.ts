/** A message that replaces others, and their removal, are one: both are there after a start, or none. */
import assert from 'node:assert/strict'
import { Boots } from '../../../shared/store/boots.ts'
import type { Store, StreamStore } from '../../../shared/store/index.ts'
import { StagedMessages } from '../../../shared/store/staged-messages.ts'
import { StreamIndex } from '../../../shared/store/stream-index.ts'
import {
  appendDurably,
  bytes,
  committed,
  noLimits,
  readAll,
  StoreFolder,
} from '../../support/opened-store.ts'

const oneOfEach = {
  messagesPerSubjectMax: 1,
  discard: 'new',
  discardNewPerSubject: true,
} as const

describe('store, roll-ups', () => {
  let folder: StoreFolder
  let store: Store
  let stream: StreamStore

  beforeEach(async () => {
    folder = new StoreFolder()
    store = await folder.open()
    stream = store.createStream('a', bytes(''), noLimits)
  })
  afterEach(() => folder.remove())

  function append(subject: string, text: string, isRollUp = false): number {
    const at = [bytes(subject), bytes(''), bytes(text)] as const
    return stream.append(...at, undefined, undefined, false, isRollUp)
  }

  async function reopened(): Promise<string[]> {
    await store.destroy()
    store = await folder.open()
    const again = store.streams.get('a')
    assert.ok(again)
    return readAll(again)
  }

  it('takes what is stored and what is staged of one subject', async () => {
    await appendDurably(stream, 's', '1')
    await appendDurably(stream, 't', '2')
    await appendDurably(stream, 's', '3')
    store.transaction(() => {
      const staged = append('s', '4')
      append('t', '5')
      stream.rollUp(append('s', '6'), bytes('s'), [staged])
    })
    await committed(store)
    const left = ['2 t 2', '5 t 5', '6 s 6']
    assert.deepEqual(await readAll(stream), left)
    assert.deepEqual(await reopened(), left)
  })

  it('takes everything', async () => {
    await appendDurably(stream, 's', '1')
    append('t', '2')
    store.transaction(() => stream.rollUp(append('s', '3'), undefined, []))
    append('t', '4')
    await committed(store)
    assert.equal(stream.state.firstSeq, 3)
    assert.deepEqual(await readAll(stream), ['3 s 3', '4 t 4'])
    assert.deepEqual(await reopened(), ['3 s 3', '4 t 4'])
  })

  it('takes nothing when the transaction is undone', async () => {
    await appendDurably(stream, 's', '1')
    assert.throws(() =>
      store.transaction(() => {
        stream.rollUp(append('s', '2'), bytes('s'), [])
        throw new Error('undone')
      }),
    )
    await committed(store)
    assert.deepEqual(await readAll(stream), ['1 s 1'])
    assert.equal(stream.remove(1), true, 'no deletion is left behind')
  })

  for (const [where, subjectsMax] of [
    ['in memory', 1_000],
    ['on disk', 1],
  ] as const) {
    it(`takes subjects that came with the same commit, ${where}, and keeps the limit of others`, async () => {
      await store.destroy()
      store = await folder.open({ subjectsMax, subjectCacheBytes: 0 })
      stream = store.createStream('c', bytes(''), { ...noLimits, messagesPerSubjectMax: 1 })
      await appendDurably(stream, 'hot', '1')
      // Their ids are free again before the limits are looked at, and the next commit's subjects get them.
      for (let i = 0; i < 300; i++) append(`gone.${i}`, '')
      store.transaction(() => stream.rollUp(append('hot', 'all'), undefined, []))
      append('new', 'old')
      append('new', 'kept')
      await committed(store)
      assert.deepEqual(await readAll(stream), ['302 hot all', '304 new kept'])
      append('new', 'last')
      await committed(store)
      assert.deepEqual(await readAll(stream), ['302 hot all', '305 new last'])
    })
  }

  it('says which messages are to leave, until that is undone', async () => {
    await appendDurably(stream, 's', '1')
    const undone = (): void => {
      stream.rollUp(append('s', '2'), undefined, [])
      assert.ok(stream.stage.isLeaving(1) && stream.stage.isClearing)
      throw new Error('undone')
    }
    assert.throws(() => store.transaction(undone), /undone/)
    assert.ok(!stream.stage.isLeaving(1) && !stream.stage.isClearing)
    stream.remove(1)
    assert.ok(stream.stage.isLeaving(1) && !stream.stage.isClearing)
    store.transaction(() => stream.rollUp(append('s', '3'), undefined, []))
    assert.deepEqual([stream.stage.leavingThrough, stream.stage.isClearing], [1, true])
    await committed(store)
    assert.equal(stream.stage.isClearing, false)
    assert.deepEqual(await readAll(stream), ['2 s 3'])
  })

  it('leaves room on a subject that it took, although other messages wait still', () => {
    const index = new StreamIndex(new Boots(), () => {})
    const staged = new StagedMessages(1)
    const subject = bytes('s')
    const stage = (): void => {
      staged.checkDiscardNew('d', { ...noLimits, ...oneOfEach }, index, subject, 10, false)
      staged.add(10, subject)
    }
    stage()
    staged.add(10, undefined)
    assert.throws(stage, /1 messages per subject/)
    // Committed, and gone with the same commit: the index has nothing of it.
    staged.committed(10)
    stage()
    assert.throws(stage, /1 messages per subject/)
  })

  it('has a subject counted by what a transaction staged, until that is undone', async () => {
    stream = store.createStream('b', bytes(''), { ...noLimits, ...oneOfEach })
    const refused = (): void => {
      append('s', '1')
      throw new Error('undone')
    }
    assert.throws(() => store.transaction(refused), /undone/)
    append('s', '2')
    assert.throws(() => append('s', '3'), /1 messages per subject/)
    await committed(store)
  })

  it('goes through where the limit per subject refuses others', async () => {
    stream = store.createStream('b', bytes(''), { ...noLimits, ...oneOfEach })
    await appendDurably(stream, 's', '1')
    assert.throws(() => append('s', '2'), /1 messages per subject/)
    store.transaction(() => stream.rollUp(append('s', '2', true), bytes('s'), []))
    await committed(store)
    assert.deepEqual(await readAll(stream), ['2 s 2'])
  })
})
