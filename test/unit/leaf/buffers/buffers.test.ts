import assert from 'node:assert/strict'
import type { Peer } from '../../../../shared/broker/index.ts'
import { SyncSimulation } from '../../../support/sync-simulation.ts'
import { bufferConfig } from '../../../support/sync-world.ts'

const SEED = 77

async function leafWith(buffers: readonly ReturnType<typeof bufferConfig>[]) {
  const simulation = new SyncSimulation({ seed: SEED, buffers })
  await simulation.start()
  simulation.link.down()
  return simulation
}

function publish(
  { leaf }: SyncSimulation,
  origin: Peer,
  subject: string,
  size = 1,
): { error?: string } {
  const result: { error?: string } = {}
  leaf.core.space.publish(
    origin,
    {
      subject: Buffer.from(subject),
      reply: Buffer.alloc(0),
      headers: Buffer.alloc(0),
      payload: Buffer.alloc(size),
    },
    {
      committed: (error) => {
        result.error = error === undefined ? '' : error.message
      },
    },
  )
  return result
}

const peer = (kind: Peer['kind']): Peer => ({ kind, id: 99, echo: true, deliver: () => {} })
const counts = ({ leaf }: SyncSimulation) =>
  Object.fromEntries(leaf.buffers.all.map(({ name, store }) => [name, store.state.messages]))

describe('buffers', () => {
  const overlapping = [
    bufferConfig('telemetry', ['plant.>'], { priority: 5 }),
    bufferConfig('alarms', ['*.1.alarm', 'site.>', 'site.x'], { priority: 1 }),
  ]

  it('store a message once, in the first buffer that matches', async () => {
    const world = await leafWith(overlapping)
    for (const subject of [
      'plant.1.alarm',
      'plant.2',
      'lab.1.alarm',
      'other',
      'site.x',
      'site.1.alarm',
    ]) {
      publish(world, peer('client'), subject)
    }
    await world.pass(100)
    assert.deepEqual(counts(world), { alarms: 3, telemetry: 2 })
    assert.deepEqual(
      world.leaf.buffers.all.map(({ name }) => name),
      ['alarms', 'telemetry'],
      'drained by priority',
    )
  })

  it('take what is born here, and nothing that came over the uplink', async () => {
    const world = await leafWith(overlapping)
    for (const kind of ['client', 'mqtt', 'local', 'leaf', 'uplink'] as const) {
      publish(world, peer(kind), 'plant.x')
    }
    await world.pass(100)
    assert.equal(counts(world)['telemetry'], 4)
  })

  it('acknowledge after the commit, and not what the link cannot carry', async () => {
    const world = await leafWith(overlapping)
    const good = publish(world, peer('mqtt'), 'plant.x')
    const large = publish(world, peer('mqtt'), 'plant.x', 1024 * 1024)
    assert.equal(good.error, undefined, 'not before it is on disk')
    await world.pass(100)
    assert.equal(good.error, '')
    assert.match(large.error ?? '', /size|large/i)
    assert.equal(counts(world)['telemetry'], 1)
  })

  it('take readings whatever the subject, as long as the link can carry them', async () => {
    const buffers = [bufferConfig('telemetry', ['plant.>'])]
    const world = new SyncSimulation({ seed: SEED, buffers, leafPayloadBytesMax: 5 * 1024 })
    await world.start()
    const subject = `plant.${'x'.repeat(1_000)}`
    const results = [
      publish(world, peer('mqtt'), 'plant.x', 4),
      publish(world, peer('mqtt'), subject, 3_000),
      publish(world, peer('mqtt'), subject, 4_000),
    ]
    await world.pass(100)
    assert.deepEqual(results.slice(0, 2), [{ error: '' }, { error: '' }])
    assert.match(results[2]!.error ?? '', /too large to sync: 5006 of at most 4096 bytes/)
    await world.synced()
  })

  it('say which subjects cross by sync, and which subscriptions are theirs', async () => {
    const world = await leafWith(overlapping)
    const { buffers, core } = world.leaf
    assert.equal(buffers.isBuffered('plant.x'), true)
    assert.equal(buffers.isBuffered('lab.2.alarm'), false)
    const own = [...core.space.subscriptions()].filter((it) => buffers.owns(it))
    assert.deepEqual(own.map(({ subject }) => subject).sort(), [
      '*.1.alarm',
      'plant.>',
      'site.>',
      'site.x',
    ])
  })

  it('keep their incarnation over a restart, and get a new one with a new store', async () => {
    const world = new SyncSimulation({ seed: SEED, buffers: overlapping })
    await world.start()
    await world.pass(1_000)
    const first = world.leaf.buffers.all[0]!.incarnation
    assert.match(first, /^[0-9a-f]{24}$/)
    await world.crashLeaf('power cut')
    assert.equal(world.leaf.buffers.all[0]!.incarnation, first)
    await world.finish(world.leaf.core.engine.remove('alarms'))
    await world.crashLeaf('kill')
    world.connect()
    await world.pass(1_000)
    const again = world.leaf.buffers.all[0]!
    assert.equal(again.name, 'alarms')
    assert.match(again.incarnation, /^[0-9a-f]{24}$/)
    assert.notEqual(again.incarnation, first)
  })
})
