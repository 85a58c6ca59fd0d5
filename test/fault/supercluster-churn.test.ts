import { type Place, Supercluster } from '../support/supercluster.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
const WORLDS = Number(process.env['CHURN_WORLDS'] ?? 8)
const ROUNDS = Number(process.env['CHURN_ROUNDS'] ?? 4)
const STEPS = 60

/** Two hubs in `eu` and one in `us`, found through one address each. */
const THREE: readonly Place[] = [
  { name: 'eu-1', region: 'eu', routes: [], gateways: { us: ['us-1:7222'] } },
  { name: 'eu-2', region: 'eu', routes: ['eu-1:6222'], gateways: {} },
  { name: 'us-1', region: 'us', routes: [], gateways: { eu: ['eu-1:7222', 'eu-2:7222'] } },
]

/** Everybody is told of everybody: all dial at once. */
const FIVE: readonly Place[] = ['eu-1', 'eu-2', 'eu-3', 'us-1', 'us-2'].map((name) => ({
  name,
  region: name.slice(0, 2),
  routes: name.startsWith('eu')
    ? ['eu-1:6222', 'eu-2:6222', 'eu-3:6222']
    : ['us-1:6222', 'us-2:6222'],
  gateways: { eu: ['eu-1:7222', 'eu-3:7222'], us: ['us-1:7222', 'us-2:7222'] },
}))

describe(`a supercluster under churn (SEED=${SEED})`, () => {
  for (const [what, places] of [
    ['3 hubs in 2 regions', THREE],
    ['5 hubs in 2 regions', FIVE],
  ] as const) {
    it(`${what}: nothing twice, nothing to strangers, one member per group, and it converges`, async function () {
      this.timeout(120_000)
      for (let i = 0; i < WORLDS; i++) await churn(SEED + i, places)
    })
  }
})

async function churn(seed: number, places: readonly Place[]): Promise<void> {
  const cluster = new Supercluster(seed, places)
  try {
    await cluster.start()
    for (let round = 0; round < ROUNDS; round++) {
      for (let step = 0; step < STEPS; step++) await cluster.step()
      await cluster.settle()
      await cluster.checkDelivery()
    }
  } catch (error) {
    throw new Error(`SEED=${seed} CHURN_WORLDS=1: ${String(error)}`, { cause: error })
  } finally {
    cluster.destroy()
  }
}
