/**
 * Indexes of other versions are passed over, of later ones and of earlier, which do not say what has headers;
 * a scan says the same.
 */
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
    [1, 1],
    [2, 1],
    [3, 0],
    [4, 1],
  ] as const) {
    it(`${warnings === 0 ? 'takes' : 'passes over'} version ${version}, and shows the same`, async () => {
      const clock = new StoreClock()
      const disk = new SimDisk({ random: new SeededRandom(1) })
      const store = await open(disk, clock)
      const overhead = { always: 30, withHeaders: 4 }
      const stream = store.createStream('a', bytes('config'), { ...noLimits, overhead })
      for (let i = 1; i <= 40; i++) {
        const headers = i % 3 === 0 ? 'NATS/1.0\r\n\r\n' : ''
        await appendDurably(stream, `s.${i % 5}`, `payload ${i}`, headers)
      }
      stream.remove(3)
      clock.advance(1_000)
      await settle(80)
      const payloads = 8 * 9 + 31 * 10
      assert.equal(stream.state.bytes, 39 * (30 + 3) + payloads + 12 * (4 + 12))
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
