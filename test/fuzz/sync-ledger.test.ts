import { SeededRandom } from '../../shared/runtime/index.ts'
import { SyncSimulation } from '../support/sync-simulation.ts'
import { bufferConfig } from '../support/sync-world.ts'

/**
 * The ledger under everything that may happen between a leaf and its hub: lost, doubled and reordered
 * requests and answers, cut links, both sides killed or cut from power at any moment, quotas that
 * drop messages. After each history the sum must add up.
 */

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const RUNS = process.env['SEED'] === undefined ? Number(process.env['RUNS'] ?? 40) : 1
const STEPS = 25

type Step = (world: SyncSimulation, random: SeededRandom) => Promise<void>

const STEPS_OF_A_LIFE: readonly Step[] = [
  async (world, random) => world.publish(1 + random.below(60)),
  async (world, random) => world.publish(1 + random.below(60)),
  async (world, random) => world.publish(1 + random.below(400)),
  async (world, random) => world.pass(random.float() * 20),
  async (world, random) => world.pass(random.float() * 2_000),
  async (world, random) => world.pass(random.float() * 20_000),
  async (world) => world.link.down(),
  async (world) => world.connect(),
  async (world) => world.connect(),
  async (world) => world.connect(),
  async (world, random) => {
    await world.crashHub(random.below(2) === 0 ? 'kill' : 'power cut')
    if (random.below(2) === 0) world.connect()
  },
  async (world, random) => {
    await world.crashLeaf(random.below(2) === 0 ? 'kill' : 'power cut')
    if (random.below(2) === 0) world.connect()
  },
  async ({ link }, random) => {
    link.faults.loss = random.below(3) === 0 ? random.float() * 0.3 : 0
    link.faults.duplication = random.below(3) === 0 ? random.float() * 0.5 : 0
    link.faults.delayMaxMs = 1 + (random.below(3) === 0 ? random.float() * 3_000 : 2)
  },
]

async function live(seed: number, isSmall: boolean): Promise<void> {
  const random = new SeededRandom(seed ^ 0x5eed)
  const quota = isSmall ? { max_msgs: 50 } : {}
  const world = new SyncSimulation({ seed, buffers: [bufferConfig('t', ['plant.>'], quota)] })
  await world.start()
  for (let i = 0; i < STEPS; i++) {
    const step = STEPS_OF_A_LIFE[random.below(STEPS_OF_A_LIFE.length)]!
    await step(world, random)
  }
  Object.assign(world.link.faults, { loss: 0, duplication: 0, delayMinMs: 1, delayMaxMs: 1 })
  world.connect()
  world.publish(1)
  await world.pass(1_000)
  await world.synced()
  await world.check({ evictionsAllowed: isSmall })
}

describe('sync ledger under faults', function () {
  this.timeout(120_000)

  it(`adds up after ${RUNS} histories, seed=${SEED}`, async () => {
    for (let i = 0; i < RUNS; i++) await live(SEED + i, false)
  })

  it(`adds up with quotas that drop messages, seed=${SEED}`, async () => {
    for (let i = 0; i < RUNS; i++) await live(SEED + i, true)
  })
})
