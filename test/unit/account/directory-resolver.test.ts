import assert from 'node:assert/strict'
import { DirectoryResolver } from '../../../shared/account/directory-resolver.ts'
import { DirectoryStore } from '../../../shared/account/directory-store.ts'
import { type Log, silentLog } from '../../../shared/log/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { SimDisk } from '../../sim/index.ts'
import { StoreClock } from '../../support/store-clock.ts'
import { JwtWorld } from './jwt-world.ts'

const DIRECTORY = '/jwt'
const STEP = 11

describe('a directory of account JWTs in which a byte is damaged', () => {
  let disk: SimDisk
  let world: JwtWorld
  let jwt: string
  let other: string
  const said: string[] = []

  beforeEach(async () => {
    disk = new SimDisk({ random: new SeededRandom(1) })
    world = new JwtWorld()
    jwt = await world.accountJwt()
    other = await world.accountJwt({}, { account: world.system, name: 'other' })
    said.length = 0
  })

  async function open(answer?: string): Promise<DirectoryResolver> {
    const clock = new StoreClock()
    const limits = { limit: 0, ttlMs: 0, evicts: false, deletion: 'none' } as const
    const store = await DirectoryStore.open(disk, clock, { directory: DIRECTORY, ...limits })
    await store.save(world.system.getPublicKey(), other)
    if (store.ids().length < 2) await store.save(world.id, jwt)
    const log = {
      ...silentLog,
      error: (fields: object) => said.push(JSON.stringify(fields)),
    } as Log
    return new DirectoryResolver({
      config: {
        type: 'full',
        dir: DIRECTORY,
        allow_delete: false,
        interval: 60_000,
        limit: 0,
        ttl: 0,
        timeout: 1_000,
      } as unknown as DirectoryResolver['config'],
      store,
      exchange: { lookup: async () => answer },
      clock,
      log,
    })
  }

  it('names the file, takes what others have, and leaves all other accounts alone', async () => {
    const file = `${DIRECTORY}/${world.id}.jwt`
    ;(await open()).close()
    const size = disk.bytesOf(file).length
    let mended = 0
    let tried = 0
    // Each verifies signatures: a tenth of the bytes, and all at the end.
    for (let at = 0; at < size; at += at < size - 4 ? STEP : 1) {
      tried++
      await disk.writeFileAtomic(file, Buffer.from(jwt))
      disk.corrupt(file, at, 1 << (at % 8))
      const alone = await open()
      const found = await alone.fetch(world.id)
      alone.close()
      assert.equal(await alone.fetch(world.system.getPublicKey()), other)
      if (found === jwt || said.length === 0) {
        // The last letter of a signature has bits that mean nothing.
        assert.ok(at >= size - 1, `byte ${at} of ${size}`)
        continue
      }
      assert.ok(said.pop()?.includes(file), `byte ${at}`)
      const resolver = await open(jwt)
      assert.equal(await resolver.fetch(world.id), jwt, `byte ${at}`)
      await resolver.keep(world.id, jwt)
      said.length = 0
      assert.equal(await resolver.fetch(world.id), jwt)
      assert.deepEqual(said, [])
      assert.equal(Buffer.from(disk.bytesOf(file)).toString(), jwt)
      resolver.close()
      mended++
    }
    assert.ok(mended >= tried - 1, `${mended} of ${tried}`)
  })
})
