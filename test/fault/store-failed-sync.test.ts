import assert from 'node:assert/strict'
import { silentLog } from '../../shared/log/index.ts'
import { type Disk, SeededRandom } from '../../shared/runtime/index.ts'
import { openStore, type Store } from '../../shared/store/index.ts'
import { SimDisk } from '../sim/index.ts'
import { appendDurably, bytes, noLimits, readAll } from '../support/opened-store.ts'
import { StoreClock } from '../support/store-clock.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const CUTS = 60

/**
 * After a sync that failed the kernel takes the pages for clean: it shows what was written, and no later sync
 * brings it to disk. A store that is opened again shows them, so it must write them again first.
 */
describe('store after a failed sync', () => {
  function open(disk: Disk): Promise<Store> {
    const clock = new StoreClock()
    return openStore({
      directory: '/data',
      clock,
      random: new SeededRandom(2),
      disk,
      log: silentLog,
    })
  }

  it(`keeps what the next start shows through a power cut, seed=${SEED}`, async () => {
    for (let cut = 0; cut < CUTS; cut++) {
      const disk = new SimDisk({ random: new SeededRandom(SEED + cut) })
      const first = await open(disk)
      const stream = first.createStream('a', bytes(''), noLimits)
      await appendDurably(stream, 's', 'before')
      disk.faults.syncs = 1
      await assert.rejects(appendDurably(stream, 's', 'x'.repeat(1_500)))

      const killed = disk.kill()
      const second = await open(killed)
      await appendDurably(second.streams.get('a')!, 's', 'after')

      const shown = await readAll(second.streams.get('a')!)
      assert.ok(shown.includes('1 s before') && shown.includes('3 s after'))

      const third = await open(killed.powerCut(new SeededRandom(SEED + cut)))
      assert.deepEqual(await readAll(third.streams.get('a')!), shown, `cut ${cut}`)
      await third.drain()
    }
  })
})
