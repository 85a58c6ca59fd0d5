import assert from 'node:assert/strict'
import { audit } from '../../hub/fleet/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { SyncSimulation } from '../support/sync-simulation.ts'
import { bufferConfig } from '../support/sync-world.ts'

/**
 * The ledger under everything that may happen between a leaf and its hub: lost, doubled and reordered
 * requests and answers, cut links, both sides killed or cut from power at any moment, quotas that
 * drop messages. After each history the sum must add up.
 */

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const RUNS = Number(process.env['RUNS'] ?? 40)
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
  async (world) => {
    await world.finish(world.leaf.drain())
    await world.startLeaf()
  },
  async (world) => {
    await world.finish(world.hub.drain())
    await world.startHub()
  },
  async ({ link }, random) => {
    link.faults.loss = random.below(3) === 0 ? random.float() * 0.3 : 0
    link.faults.duplication = random.below(3) === 0 ? random.float() * 0.5 : 0
    link.faults.delayMaxMs = 1 + (random.below(3) === 0 ? random.float() * 3_000 : 2)
  },
]

/** A hub loses what it had confirmed: all of it, or what came after its last backup. */
const LOSSES: readonly Step[] = [
  async (world, random) => {
    await world.crashHub(random.below(2) === 0 ? 'new disk' : 'put back')
    if (random.below(2) === 0) world.connect()
  },
]

type Kind = 'plain' | 'small' | 'forgetful'

/** Returns what the hub has lost. */
async function live(seed: number, kind: Kind): Promise<number> {
  const random = new SeededRandom(seed ^ 0x5eed)
  const isSmall = kind === 'small'
  const isRecording = kind === 'forgetful'
  const buffers = [bufferConfig('t', ['plant.>'], isSmall ? { max_msgs: 50 } : {})]
  const world = new SyncSimulation({ seed, buffers, isRecording })
  const steps = kind === 'forgetful' ? [...STEPS_OF_A_LIFE, ...LOSSES] : STEPS_OF_A_LIFE
  await world.start()
  for (let i = 0; i < STEPS; i++) await steps[random.below(steps.length)]!(world, random)
  Object.assign(world.link.faults, { loss: 0, duplication: 0, delayMinMs: 1, delayMaxMs: 1 })
  world.connect()
  world.publish(1)
  await world.pass(1_000)
  await world.synced()
  const lost = kind === 'forgetful' ? undefined : 0
  await world.check({ evictionsAllowed: isSmall, lost })
  return audit(world.hub.ingest.book).reduce((sum, line) => sum + line.lost, 0)
}

describe('sync ledger under faults', function () {
  this.timeout(120_000)

  it(`adds up after ${RUNS} histories, seed=${SEED}`, async () => {
    for (let i = 0; i < RUNS; i++) await live(SEED + i, 'plain')
  })

  it(`adds up with quotas that drop messages, seed=${SEED}`, async () => {
    for (let i = 0; i < RUNS; i++) await live(SEED + i, 'small')
  })

  it(`adds up with hubs that lose their store, seed=${SEED}`, async () => {
    let forgetful = 0
    for (let i = 0; i < RUNS; i++) if ((await live(SEED + i, 'forgetful')) > 0) forgetful++
    if (RUNS > 1) assert.ok(forgetful > 0, 'no hub has lost anything')
  })
})
