/** What messages of a stream have in common is kept twice; what happens when both are gone is said, and harms no other. */
import assert from 'node:assert/strict'
import { silentLog } from '../../../../shared/log/index.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import {
  checkStore,
  exportStore,
  openStore,
  repairStore,
  type Store,
} from '../../../../shared/store/index.ts'
import { SimDisk } from '../../../sim/index.ts'
import { appendDurably, bytes, noLimits, readAll } from '../../../support/opened-store.ts'
import { StoreClock, settle } from '../../../support/store-clock.ts'

const COUNT = 30
const FIRST = '/data/journal/0000000001.log'
const clock = new StoreClock()

function open(disk: SimDisk): Promise<Store> {
  const random = new SeededRandom(7)
  const options = { directory: '/data', clock, random, disk, log: silentLog }
  return openStore({ ...options, segmentBytes: 1 << 20, dictionaryBytes: 128 })
}

describe('store, what compressed messages have in common', () => {
  let disk: SimDisk
  let lines: readonly string[]
  /** Of its two copies. */
  let places: readonly number[]

  beforeEach(async () => {
    disk = new SimDisk({ random: new SeededRandom(1), isRecording: true })
    const store = await open(disk)
    const stream = store.createStream('G/a', bytes(''), noLimits, undefined, { compression: 's2' })
    for (let i = 1; i <= COUNT; i++) {
      await appendDurably(stream, 's', `{"reading":"alike","number":${i}}`)
    }
    lines = await readAll(stream)
    assert.deepEqual([...stream.states.entries()], [], 'its owner sees nothing of it')
    await store.drain()
    const text = Buffer.from(disk.bytesOf(FIRST))
    places = ['a', 'b'].map((copy) => text.indexOf(`\0compression:0${copy}`) + 20)
    assert.ok(places.every((place) => place > 20))
  })

  it('may lose one copy: the other is used, and the lost one written again', async () => {
    for (const [i, place] of places.entries()) {
      const copy = disk.powerCutAt(disk.recorded, new SeededRandom(i))
      copy.corrupt(FIRST, place, 1)
      const store = await open(copy)
      const stream = store.streams.get('G/a')
      assert.ok(stream)
      assert.deepEqual(await readAll(stream), lines)
      assert.equal(store.stats.damagedRecords, 1)
      clock.advance(5_000)
      await settle(100)
      await store.drain()
      const other = places[1 - i]
      assert.ok(other !== undefined)
      copy.corrupt(FIRST, other, 1)
      const again = (await open(copy)).streams.get('G/a')
      assert.ok(again)
      assert.deepEqual(await readAll(again), lines)
    }
  })

  it('costs the messages that need it when both are lost, and nothing else', async () => {
    for (const place of places) disk.corrupt(FIRST, place, 1)
    const report = await checkStore({ disk, clock, directory: '/data' })
    const told = report.problems.map(({ problem }) => problem).join('\n')
    const [, count = '0'] = /^(\d+) messages of stream G\/a cannot be read/m.exec(told) ?? []
    const lost = Number(count)
    assert.ok(lost > 5 && lost < COUNT, told)
    const { after } = await repairStore({ disk, clock, directory: '/data' })
    assert.equal(after.ok, false, 'nobody can repair that, and it is not called well')
    const exported: string[] = []
    await exportStore({
      disk,
      clock,
      directory: '/data',
      streams: [],
      format: 'json',
      write: async (part) => {
        exported.push(...Buffer.from(part).toString().split('\n').filter(Boolean))
      },
    })
    assert.equal(exported.length, COUNT - lost)
    const store = await open(disk)
    const stream = store.streams.get('G/a')
    assert.ok(stream)
    const left = await readAll(stream)
    assert.deepEqual(
      left,
      lines.filter((line) => left.includes(line)),
    )
    assert.equal(left.length, COUNT - lost)
    for (let i = 1; i <= COUNT; i++)
      await appendDurably(stream, 's', `{"reading":"anew","number":${i}}`)
    const all = await readAll(stream)
    assert.equal(all.length, left.length + COUNT)
    await store.drain()
    const again = (await open(disk)).streams.get('G/a')
    assert.ok(again)
    assert.deepEqual(await readAll(again), all)
  })
})
