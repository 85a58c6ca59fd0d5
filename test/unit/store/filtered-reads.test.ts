/** Reads that look at many messages to find few, on more subjects than are in memory: exact, and not alone. */
import assert from 'node:assert/strict'
import type { Store, StreamStore } from '../../../shared/store/index.ts'
import { COLD_LOOKUPS_MAX, PLAN_RECORDS_MAX } from '../../../shared/store/limits.ts'
import { SubjectFilter } from '../../../shared/subject/index.ts'
import { bytes, noLimits, StoreFolder } from '../../support/opened-store.ts'
import { committedBarrier } from '../../support/store-commands.ts'

const SUBJECTS = COLD_LOOKUPS_MAX * 4
const NEEDLES = [5_000, 5_001, 8_100]
const ALL = { fromSeq: 1, messagesMax: 256, bytesMax: 1 << 20 }

describe('store, reads with a filter', function () {
  this.timeout(60_000)
  const folder = new StoreFolder()
  let store: Store
  let stream: StreamStore
  let appended = 0

  before(async () => {
    store = await folder.open({ subjectsMax: 1_000, subjectCacheBytes: 0 })
    stream = store.createStream('s', bytes(''), noLimits)
    for (let i = 1; i <= SUBJECTS; i++) append(NEEDLES.includes(i) ? 'needle' : 'temperature')
    await committedBarrier(store)
  })
  after(() => folder.remove())

  function append(kind: string): void {
    stream.append(bytes(`plant.${++appended}.${kind}`), bytes(''), bytes(''))
  }

  /** How often others came to their turn meanwhile. */
  async function turnsDuring(read: Promise<unknown>): Promise<number> {
    let turns = 0
    let isOver = false
    const tick = (): void => {
      turns++
      if (!isOver) setImmediate(tick)
    }
    setImmediate(tick)
    await read
    isOver = true
    return turns
  }

  it('find nothing, and let others go on meanwhile', async () => {
    const read = stream.read({ ...ALL, filter: new SubjectFilter('plant.*.pressure') })
    assert.ok((await turnsDuring(read)) > 0)
    assert.deepEqual(await read, { messages: [], nextSeq: SUBJECTS + 1 })
  })

  it('find all that match, many of them at once', async () => {
    const filters = ['plant.*.needle', '*.*.needle', 'plant.*.*', '*.*.needle', '*.5000.*', '*.*.x']
    const reads = filters.map((text) => stream.read({ ...ALL, filter: new SubjectFilter(text) }))
    const [first, second, many, again, one, none] = (await Promise.all(reads)).map(({ messages }) =>
      messages.map(({ seq }) => seq),
    )
    for (const found of [first, second, again]) assert.deepEqual(found, NEEDLES)
    assert.equal(many!.length, ALL.messagesMax)
    assert.deepEqual([one, none], [[5_000], []])
  })

  it('find what comes meanwhile, or nothing in a stream that is removed meanwhile', async () => {
    const filter = new SubjectFilter('*.*.later')
    const read = stream.read({ ...ALL, filter })
    append('later')
    await committedBarrier(store)
    const first = await read
    const second = await stream.read({ ...ALL, filter, fromSeq: first.nextSeq })
    const found = [...first.messages, ...second.messages]
    assert.deepEqual(
      found.map(({ seq }) => seq),
      [SUBJECTS + 1],
    )
    const last = stream.read({ ...ALL, filter: new SubjectFilter('*.*.never') })
    store.removeStream('s')
    await committedBarrier(store)
    assert.deepEqual((await last).messages, [])
  })

  it('look at no more in one go than they may in memory either', async () => {
    stream = store.createStream('t', bytes(''), noLimits)
    for (let i = 0; i <= PLAN_RECORDS_MAX; i++) {
      stream.append(bytes('a'), bytes(''), bytes(''))
      if (i % 5_000 === 0) await committedBarrier(store)
    }
    stream.append(bytes('b'), bytes(''), bytes(''))
    await committedBarrier(store)
    const read = stream.read({ ...ALL, filter: new SubjectFilter('b') })
    assert.ok((await turnsDuring(read)) > 0)
    assert.deepEqual(
      (await read).messages.map(({ seq }) => seq),
      [PLAN_RECORDS_MAX + 2],
    )
  })
})
