import assert from 'node:assert/strict'
import { UNLIMITED } from '../../../shared/stream/index.ts'
import { StreamWorld } from '../../support/stream-world.ts'

describe('streams that do not wait for the disk', () => {
  let world: StreamWorld

  beforeEach(async () => {
    world = await StreamWorld.start()
  })

  const syncOf = async (config: object): Promise<unknown> => {
    const { error } = await world.port.api('STREAM.CREATE.S', { name: 'S', ...config })
    if (error !== undefined) return error
    return world.engine.stream('S')?.store.sync
  }

  it('are those that say so', async () => {
    assert.equal(await syncOf({}), 'always')
    const metadata = { 'petiole.sync': '1.5s' }
    const updated = await world.port.api('STREAM.UPDATE.S', { name: 'S', metadata })
    assert.equal(updated.error, undefined)
    assert.deepEqual(world.engine.stream('S')?.store.sync, { everyMs: 1500 })
    await world.crash()
    assert.deepEqual(world.engine.stream('S')?.store.sync, { everyMs: 1500 })
  })

  it('have a second with persist_mode async, or what they say', async () => {
    assert.deepEqual(await syncOf({ persist_mode: 'async' }), { everyMs: 1_000 })
    await world.engine.remove('S')
    const metadata = { 'petiole.sync': 'always' }
    assert.equal(await syncOf({ persist_mode: 'async', metadata }), 'always')
  })

  it('are all that say nothing, when the server says so, but for buffers', async () => {
    const limitsOf = (syncEveryMs: number) => ({
      limits: { ...UNLIMITED, server: { ...UNLIMITED.server, syncEveryMs } },
    })
    world = await StreamWorld.start(1, limitsOf(2_000))
    assert.deepEqual(await syncOf({}), { everyMs: 2_000 })
    const asked = { name: 'T', metadata: { 'petiole.sync': 'always' } }
    assert.equal((await world.engine.ensure(asked)).store.sync, 'always')
    const buffer = await world.engine.ensure({ name: 'B' }, { isCapturing: false })
    assert.equal(buffer.store.sync, 'always')
    world = await StreamWorld.start(1, limitsOf(3_600_000))
    assert.deepEqual(await syncOf({}), { everyMs: 600_000 })
  })

  it('wait, or do not, as the server says at its next start', async () => {
    const server = { ...UNLIMITED.server, syncEveryMs: 2_000 }
    world = await StreamWorld.start(1, { limits: { ...UNLIMITED, server } })
    assert.deepEqual(await syncOf({}), { everyMs: 2_000 })
    server.syncEveryMs = 0
    await world.crash()
    assert.equal(world.engine.stream('S')?.store.sync, 'always')
  })

  for (const text of ['', 'never', '0s', '11m', '1us', '-1s']) {
    it(`are not made with ${JSON.stringify(text)}`, async () => {
      const refused = await syncOf({ metadata: { 'petiole.sync': text } })
      assert.deepEqual(refused, {
        code: 500,
        err_code: 10052,
        description: 'metadata petiole.sync must be always, or 1ms to 10m',
      })
      assert.equal(world.engine.stream('S'), undefined)
    })
  }
})
