import assert from 'node:assert/strict'
import { silentLog } from '../../shared/log/index.ts'
import { codeOf, SeededRandom } from '../../shared/runtime/index.ts'
import { openStore, type Store, type StoreOptions } from '../../shared/store/index.ts'
import { SubjectFilter } from '../../shared/subject/index.ts'
import { SimDisk } from '../sim/index.ts'
import { appendDurably, bytes, committed, noLimits, readAll } from '../support/opened-store.ts'
import { StoreClock, settle } from '../support/store-clock.ts'

describe('store and a disk that fails or is full', () => {
  let disk: SimDisk
  let clock: StoreClock
  beforeEach(() => {
    disk = new SimDisk({ random: new SeededRandom(1) })
    clock = new StoreClock()
  })

  function open(options: Partial<StoreOptions> = {}): Promise<Store> {
    return openStore({
      directory: '/data',
      clock,
      random: new SeededRandom(2),
      disk,
      log: silentLog,
      segmentBytes: 2_000,
      reserveBytes: 3_000,
      ...options,
    })
  }

  async function fill(store: Store): Promise<number> {
    const stream = store.streams.get('a') ?? store.createStream('a', bytes(''), noLimits)
    for (let i = 1; ; i++) {
      try {
        await appendDurably(stream, 's', 'x'.repeat(100))
      } catch (error) {
        assert.equal(codeOf(error), 'PETIOLE_STORE_FULL')
        return i - 1
      }
    }
  }

  async function untilOpen(store: Store): Promise<void> {
    for (let i = 0; i < 20 && store.condition.name !== 'open'; i++) {
      clock.advance(1_000)
      await settle(60)
    }
    assert.equal(store.condition.name, 'open')
  }

  it('takes messages again when its quota is raised, and no more than that allows', async () => {
    const store = await open({ bytesMax: 20_000 })
    const first = await fill(store)
    store.limit(40_000)
    await untilOpen(store)
    const second = await fill(store)
    assert.ok(second > first / 2, `${first}, then ${second}`)
    assert.ok(store.stats.diskBytes > 20_000 && store.stats.diskBytes <= 40_000)
    await store.drain()
  })

  it('refuses messages at its quota, lets purge make room, and opens again by itself', async () => {
    const store = await open({ bytesMax: 20_000 })
    const conditions: string[] = []
    store.onCondition(({ name }) => conditions.push(name))
    const stored = await fill(store)
    assert.ok(stored > 50)
    const stream = store.streams.get('a')!
    assert.equal(stream.state.messages, stored)
    assert.equal(stream.assignedSeq, stored)
    assert.ok(store.stats.diskBytes <= 20_000)
    await stream.purge({ throughSeq: stored - 5 })
    await untilOpen(store)
    assert.equal(await appendDurably(stream, 's', 'again'), stored + 1)
    assert.equal(stream.state.messages, 6)
    assert.deepEqual(conditions, ['full', 'open'])
    await store.drain()
  })

  it('opens again when its owner purges two of three messages, so that no segment is empty', async () => {
    const store = await open({ bytesMax: 200_000, segmentBytes: 8_000, reserveBytes: 8_000 })
    const stream = store.createStream('a', bytes('{}'), noLimits)
    let stored = 0
    try {
      for (;;) {
        await appendDurably(stream, stored % 3 === 2 ? 'keep' : 'drop', 'x'.repeat(400))
        stored++
      }
    } catch (error) {
      assert.equal(codeOf(error), 'PETIOLE_STORE_FULL')
    }
    const wait = async (seconds: number): Promise<void> => {
      for (let i = 0; i < seconds && store.condition.name !== 'open'; i++) {
        clock.advance(1_000)
        await settle(60)
      }
    }
    // Housekeeping has nothing left to do from filling.
    await wait(16)
    await stream.purge({ filter: new SubjectFilter('drop') })
    await wait(120)
    assert.equal(store.condition.name, 'open')
    assert.equal(stream.state.messages, Math.floor(stored / 3))
    await store.destroy()
  })

  it('takes back a commit that found no space, and nothing of it is seen again', async () => {
    const store = await open({ reserveBytes: 0 })
    const stream = store.createStream('a', bytes(''), noLimits)
    await appendDurably(stream, 's', 'kept')
    store.marks.set('m', bytes('old'))
    await committed(store)
    disk.quotaBytes = disk.usedBytes() + 150
    const errors: string[] = []
    const order: number[] = []
    for (let i = 0; i < 5; i++) {
      stream.append(bytes('s'), bytes(''), bytes('y'.repeat(60)), (error, seq) => {
        errors.push(codeOf(error))
        order.push(seq)
      })
    }
    store.marks.set('m', bytes('new'))
    await settle(30)
    assert.deepEqual(errors, Array(5).fill('PETIOLE_STORE_FULL'))
    assert.deepEqual(order, [2, 3, 4, 5, 6])
    assert.equal(stream.assignedSeq, 1)
    assert.equal(Buffer.from(store.marks.get('m') ?? []).toString(), 'old')
    assert.equal(store.condition.name, 'full')
    disk.quotaBytes = Number.POSITIVE_INFINITY
    await untilOpen(store)
    assert.equal(await appendDurably(stream, 's', 'after'), 2)
    disk = disk.powerCut()
    const again = await open()
    assert.deepEqual(await readAll(again.streams.get('a')!), ['1 s kept', '2 s after'])
    assert.equal(Buffer.from(again.marks.get('m') ?? []).toString(), 'old')
    await again.destroy()
  })

  it('survives no space in the middle of every kind of operation', async () => {
    for (let room = 0; room < 4_000; room += 37) {
      disk = new SimDisk({ random: new SeededRandom(room) })
      clock = new StoreClock()
      const store = await open({ reserveBytes: 0, segmentBytes: 1_000 })
      const stream = store.createStream('a', bytes(''), noLimits)
      for (let i = 1; i <= 20; i++) await appendDurably(stream, `s.${i % 2}`, `${i}`)
      for (let seq = 1; seq <= 12; seq++) stream.remove(seq)
      await committed(store)
      disk.quotaBytes = disk.usedBytes() + room
      const acked: string[] = []
      for (let i = 0; i < 10; i++) {
        await appendDurably(stream, 't', `more ${i}`).then(
          (seq) => acked.push(`${seq} t more ${i}`),
          () => {},
        )
        clock.advance(300)
        await settle(10)
      }
      const lines = await readAll(stream)
      disk.quotaBytes = Number.POSITIVE_INFINITY
      disk = disk.powerCut()
      const again = await open({ segmentBytes: 1_000 })
      const after = await readAll(again.streams.get('a')!)
      assert.deepEqual(after, lines, `room ${room}`)
      assert.deepEqual(
        after.filter((line) => line.includes('more')),
        acked,
      )
      await again.destroy()
    }
  })

  it('stops for good when a sync fails, and stays readable', async () => {
    const store = await open()
    const stream = store.createStream('a', bytes(''), noLimits)
    await appendDurably(stream, 's', 'one')
    disk.faults.syncs = 1
    await assert.rejects(appendDurably(stream, 's', 'two'), { code: 'PETIOLE_STORE_FAILED' })
    assert.equal(store.condition.name, 'failed')
    const { syncs } = store.stats
    assert.throws(() => stream.append(bytes('s'), bytes(''), bytes('x')), {
      code: 'PETIOLE_STORE_FAILED',
    })
    assert.throws(() => store.createStream('b', bytes(''), noLimits), {
      code: 'PETIOLE_STORE_FAILED',
    })
    let stateError = ''
    stream.states.set('k', bytes('v'), (error) => {
      stateError = codeOf(error)
    })
    clock.advance(60_000)
    await settle(50)
    assert.equal(stateError, 'PETIOLE_STORE_FAILED')
    assert.equal(store.stats.syncs, syncs)
    assert.deepEqual(await readAll(stream), ['1 s one'])
    await store.drain()
  })

  it('stops for good when a write fails', async () => {
    const store = await open()
    const stream = store.createStream('a', bytes(''), noLimits)
    await appendDurably(stream, 's', 'one')
    disk.faults.writes = 1
    await assert.rejects(appendDurably(stream, 's', 'two'), { code: 'PETIOLE_STORE_FAILED' })
    await store.destroy()
    const again = await open()
    assert.equal((await readAll(again.streams.get('a')!))[0], '1 s one')
    await again.destroy()
  })

  it('refuses a directory of another server, of a newer version, or of nobody it knows', async () => {
    await (await open({ owner: 'SERVER-A' })).drain()
    await assert.rejects(open({ owner: 'SERVER-B' }), { code: 'PETIOLE_STORE_FOREIGN' })
    await (await open({ owner: 'SERVER-A' })).drain()
    const card = JSON.parse(Buffer.from(await disk.readFile('/data/store.json')).toString())
    const cards = ['/data/store.json', '/data/store.json.copy']
    const { crc, ...newer } = { ...card, version: 99 }
    assert.match(crc, /^[0-9a-f]{8}$/)
    for (const file of cards) await disk.writeFileAtomic(file, bytes(JSON.stringify(newer)))
    await assert.rejects(open(), { code: 'PETIOLE_STORE_FOREIGN', message: /version 99/ })
    for (const file of cards) await disk.writeFileAtomic(file, bytes('{}'))
    await assert.rejects(open(), { code: 'PETIOLE_STORE_FOREIGN' })
    for (const file of cards) await disk.remove(file)
    await assert.rejects(open(), { code: 'PETIOLE_STORE_FOREIGN', message: /no store\.json/ })
  })

  it('leaves files alone that it does not know', async () => {
    await (await open()).drain()
    await disk.writeFileAtomic('/data/journal/notes.txt', bytes('mine'))
    await (await open()).drain()
    assert.equal(Buffer.from(await disk.readFile('/data/journal/notes.txt')).toString(), 'mine')
  })
})
