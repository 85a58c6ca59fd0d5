/** Stores of earlier versions are opened by their indexes; indexes of later ones are passed over. */
import assert from 'node:assert/strict'
import type { Log } from '../../../shared/log/index.ts'
import { silentLog } from '../../../shared/log/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { crc32 } from '../../../shared/store/crc.ts'
import { openStore, type Store } from '../../../shared/store/index.ts'
import { SimDisk } from '../../sim/index.ts'
import { appendDurably, bytes, noLimits, readAll } from '../../support/opened-store.ts'
import { StoreClock, settle } from '../../support/store-clock.ts'

const INDEX = '/data/journal/0000000001.idx'

function open(disk: SimDisk, clock: StoreClock, log: Log = silentLog): Promise<Store> {
  const random = new SeededRandom(3)
  return openStore({ directory: '/data', clock, random, disk, log, segmentBytes: 1024 })
}

function withVersion(index: Uint8Array, version: number): Uint8Array {
  const copy = Buffer.from(index)
  copy.writeUInt32LE(version, 4)
  copy.writeUInt32LE(crc32(copy, 0, copy.length - 4, 0), copy.length - 4)
  return copy
}

describe('store, versions of an index', () => {
  for (const [version, warnings] of [
    [1, 0],
    [2, 0],
    [3, 1],
  ] as const) {
    it(`${warnings === 0 ? 'takes' : 'passes over'} version ${version}, and shows the same`, async () => {
      const clock = new StoreClock()
      const disk = new SimDisk({ random: new SeededRandom(1) })
      const store = await open(disk, clock)
      const stream = store.createStream('a', bytes('config'), noLimits)
      for (let i = 1; i <= 40; i++) await appendDurably(stream, `s.${i % 5}`, `payload ${i}`)
      stream.remove(3)
      clock.advance(1_000)
      await settle(80)
      const shown = await readAll(stream)
      await store.drain()
      await disk.writeFileAtomic(INDEX, withVersion(await disk.readFile(INDEX), version))
      const warned: string[] = []
      const log = { ...silentLog, warn: (_: unknown, text: string) => warned.push(text) } as never
      const again = await open(disk, clock, log)
      const recovered = again.streams.get('a')
      assert.ok(recovered)
      assert.deepEqual(await readAll(recovered), shown)
      assert.deepEqual(recovered.state, stream.state)
      assert.equal(recovered.sync, 'always')
      const passed = warned.filter((text) => text.includes('index does not fit'))
      assert.equal(passed.length, warnings)
      await again.destroy()
    })
  }
})
