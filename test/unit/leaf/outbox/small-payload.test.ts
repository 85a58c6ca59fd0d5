import assert from 'node:assert/strict'
import { SyncSimulation } from '../../../support/sync-simulation.ts'
import { bufferConfig } from '../../../support/sync-world.ts'

/** Backlogs that must get through a link which takes less than a batch is wont to have. */

const SEED = 20_261_122
const KIB = 1024

async function backlog(
  messages: number,
  size: number,
  payloadBytesMax: number,
): Promise<SyncSimulation> {
  const buffers = [bufferConfig('t', ['plant.>'])]
  const world = new SyncSimulation({ seed: SEED, buffers, payloadBytesMax })
  await world.start()
  world.link.down()
  world.publish(messages, 'plant.a', size)
  await world.pass(100)
  return world
}

describe('a batch on a link that takes little', () => {
  for (const kib of [5, 64]) {
    it(`is cut to a hub's max_payload of ${kib} KiB, and nothing counts as refused`, async () => {
      const world = await backlog(20_000, 128, kib * KIB)
      world.link.faults.bytesMax = kib * KIB
      world.connect()
      const [buffer] = world.leaf.buffers.all
      await world.until(
        'the backlog at the hub',
        () => {
          assert.equal(world.leaf.outbox.refusalOf('t'), undefined)
          return buffer!.syncedSeq === 20_000
        },
        60_000,
      )
      await world.check({ evictionsAllowed: false })
    })
  }

  it('is refused when a single record is too large, after all before it', async () => {
    const world = await backlog(10, 128, 64 * KIB)
    world.publish(1, 'plant.large', 100 * KIB)
    world.publish(10, 'plant.a', 128)
    world.connect()
    await world.until('a refusal', () => world.leaf.outbox.refusalOf('t') !== undefined)
    await world.pass(30_000)
    const refusal = world.leaf.outbox.refusalOf('t')
    assert.equal(refusal?.subject, 'plant.large')
    assert.match(refusal?.reason ?? '', /larger than the hub's max_payload of 65536: raise it/)
    assert.equal(world.leaf.buffers.all[0]!.syncedSeq, 10)
  })

  it('becomes smaller until it passes a server between that takes less than the hub', async () => {
    const world = await backlog(20_000, 128, 1024 * KIB)
    world.link.faults.bytesMax = 10 * KIB
    world.connect()
    await world.synced()
    await world.check({ evictionsAllowed: false })
  })

  it('tells many gaps in as many batches as it takes', async () => {
    const buffers = [bufferConfig('t', ['plant.>'], { max_msgs: 500 })]
    const world = new SyncSimulation({ seed: SEED, buffers, payloadBytesMax: 5 * KIB })
    await world.start()
    world.link.down()
    for (let i = 0; i < 20; i++) {
      world.publish(100, 'plant.a', 1_500)
      await world.pass(50)
    }
    world.link.faults.bytesMax = 5 * KIB
    world.connect()
    await world.synced()
    await world.check({ evictionsAllowed: true })
  })
})
