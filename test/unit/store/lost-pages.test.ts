/** Subjects on disk of which a page cannot be read any more: the store has failed, and what does not need the page is read still. */
import assert from 'node:assert/strict'
import { silentLog } from '../../../shared/log/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { openStore, type Store, type StreamStore } from '../../../shared/store/index.ts'
import { SimDisk } from '../../sim/index.ts'
import { bytes, noLimits, readAll } from '../../support/opened-store.ts'
import { StoreClock } from '../../support/store-clock.ts'
import { committedBarrier } from '../../support/store-commands.ts'

const SUBJECTS = 3_000

describe('store, unreadable subjects', () => {
  let disk: SimDisk
  let clock: StoreClock
  let store: Store
  let stream: StreamStore
  let told: string[]

  beforeEach(async () => {
    disk = new SimDisk({ random: new SeededRandom(1) })
    clock = new StoreClock()
    told = []
    store = await openStore({
      directory: '/data',
      clock,
      random: new SeededRandom(2),
      disk,
      log: silentLog,
      subjectsMax: 1,
      subjectCacheBytes: 8_192,
      reserveBytes: 0,
    })
    store.onCondition(({ name }) => told.push(name))
  })
  afterEach(() => store.destroy())

  async function fill(limits: Partial<typeof noLimits>): Promise<void> {
    stream = store.createStream('s', bytes(''), { ...noLimits, ...limits })
    for (let i = 0; i < SUBJECTS; i++) stream.append(bytes(`cold.${i}`), bytes(''), bytes('x'))
    await committedBarrier(store)
    disk.faults.reads = 1
  }

  /** By sequence, without a question about subjects. */
  async function checkReadable(): Promise<void> {
    assert.deepEqual(told, ['failed'])
    assert.equal((await stream.get(SUBJECTS))?.subject, `cold.${SUBJECTS - 1}`)
    assert.equal((await readAll(stream)).length, stream.state.messages)
    const at = [bytes('cold.1'), bytes(''), bytes('y')] as const
    assert.throws(() => stream.append(...at), { code: 'PETIOLE_STORE_FAILED' })
  }

  it('fail it when messages get too old, and the timer goes on', async () => {
    await fill({ ageMaxMs: 20_000 })
    clock.advance(60_000)
    await checkReadable()
    clock.advance(60_000)
    await checkReadable()
  })

  it('fail it when a message is removed in no hurry, which stays', async () => {
    await fill({})
    assert.equal(stream.removeLazily(2), false)
    assert.equal(stream.state.messages, SUBJECTS)
    assert.equal(stream.removeLazily(2), false, 'nothing is taken any more')
    assert.equal(stream.has(2), true)
    await checkReadable()
  })

  it('fail it behind a commit, whose messages are acknowledged: they are on disk', async () => {
    await fill({ messagesMax: SUBJECTS })
    const heard: string[] = []
    stream.onCommit(() => heard.push('first'))
    stream.onCommit(() => stream.lastSeqOf('cold.7'))
    stream.onCommit(() => heard.push('last'))
    disk.faults.reads = 2
    // The subject in memory needs no page, but those do that are to go in its place.
    const acks = [1, 2].map(
      () =>
        new Promise<number>((resolve, reject) => {
          stream.append(bytes('cold.0'), bytes(''), bytes('y'), (error, seq) => {
            if (error === undefined) resolve(seq)
            else reject(error)
          })
        }),
    )
    assert.deepEqual(await Promise.all(acks), [SUBJECTS + 1, SUBJECTS + 2])
    assert.equal(disk.faults.reads, 0)
    assert.deepEqual(heard, ['first', 'last'])
    await checkReadable()
  })

  it('are an error for who asks, and for nobody else', async () => {
    await fill({})
    assert.throws(() => stream.lastSeqOf('cold.5'), { code: 'PETIOLE_STORE_FAILED' })
    assert.equal(stream.lastSeqOf('cold.5'), 6, 'the page can be read again')
    await checkReadable()
  })
})
