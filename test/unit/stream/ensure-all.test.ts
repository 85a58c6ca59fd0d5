import assert from 'node:assert/strict'
import { StreamWorld } from '../../support/stream-world.ts'

/** Streams that a configuration names together are had together, or none of them is touched. */
describe('several streams at once', () => {
  let world: StreamWorld

  beforeEach(async () => {
    world = await StreamWorld.start()
    await world.engine.ensure({ name: 'plant', subjects: ['plant.>'], max_msgs: 50 })
    await world.engine.ensure({ name: 'taken', subjects: ['taken.>'] })
  })

  const state = (): unknown => world.engine.streams().map(({ config }) => config)

  it('are all left alone when one of them cannot be had', async () => {
    const before = state()
    const plant = { name: 'plant', subjects: ['plant.>'], max_msgs: 3 }
    const ship = { name: 'ship', subjects: ['ship.>'] }
    const refused: [string, object, number][] = [
      ['overlap with one that is there', { subjects: ['taken.x'] }, 10065],
      ['overlap with one of them', { subjects: ['ship.x'] }, 10065],
      ['no stream', { subjects: ['a..b'] }, 0],
      ['a change that is not allowed', { name: 'taken', storage: 'memory' }, 0],
    ]
    for (const [what, bad, code] of refused) {
      const late = { name: 'late', ...bad }
      await assert.rejects(world.engine.ensureAll([plant, ship, late]), (error: unknown) => {
        if (code !== 0) assert.equal((error as { errCode?: number }).errCode, code, what)
        return true
      })
      assert.deepEqual(state(), before, what)
    }
    await world.engine.ensureAll([plant, ship])
    assert.equal(world.engine.stream('plant')?.config.max_msgs, 3)
    assert.notEqual(world.engine.stream('ship'), undefined)
  })

  it('may hand subjects to each other', async () => {
    await world.engine.ensureAll([
      { name: 'heir', subjects: ['plant.old'] },
      { name: 'plant', subjects: ['taken.>'] },
      { name: 'taken', subjects: ['plant.new'] },
    ])
    const owner = (subject: string): unknown => world.engine.streamFor(subject)?.name
    assert.deepEqual(['plant.old', 'taken.a', 'plant.new'].map(owner), ['heir', 'plant', 'taken'])
  })

  it('get no subject taken away by who asks meanwhile', async () => {
    world.store.isAuto = false
    const all = world.engine.ensureAll([
      { name: 'heir', subjects: ['plant.old'] },
      { name: 'plant', subjects: ['plant.new'] },
    ])
    const thief = world.engine.ensure({ name: 'thief', subjects: ['plant.old'] })
    await assert.rejects(thief, { errCode: 10065 })
    world.store.commit()
    world.store.isAuto = true
    await world.pass(10)
    world.store.commit()
    await all
    assert.equal(world.engine.streamFor('plant.old')?.name, 'heir')
  })
})
