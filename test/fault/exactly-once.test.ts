import assert from 'node:assert/strict'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { FleetHarness, until } from '../support/fleet-harness.ts'
import { Sensor } from '../support/sensor.ts'

/**
 * The promise of the project, with real processes and real clients: whatever is killed, cut, stalled
 * or half-open at whatever moment, every reading that was acknowledged is at the hub exactly once,
 * in order per sensor, and the ledger's figures agree with an independent consumer's count.
 */

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const ROUNDS = Number(process.env['ROUNDS'] ?? 20)
const SENSORS = 5
const ROUND_DEADLINE_MS = 30_000
const DRAIN_DEADLINE_MS = 60_000

type Fault = (harness: FleetHarness, load: () => Promise<void>) => Promise<void>

const FAULTS: Readonly<Record<string, Fault>> = {
  async killLeaf({ leaf }) {
    await leaf.kill()
    await leaf.start()
  },
  async killHub({ hub }, load) {
    await hub.kill()
    await load()
    await hub.start()
  },
  async killBoth({ hub, leaf }) {
    await Promise.all([hub.kill(), leaf.kill()])
    await leaf.start()
    await hub.start()
  },
  async cutLink({ link }, load) {
    link.cut()
    await load()
    link.heal()
  },
  async stallLink({ link }, load) {
    link.stall()
    await load()
    link.heal()
  },
  async halfOpenLink({ link }, load) {
    link.halfOpen()
    await load()
  },
  async killLeafWhileCut({ link, leaf }, load) {
    link.cut()
    await load()
    await leaf.kill()
    await leaf.start()
    link.heal()
  },
}

describe('exactly once, end to end', function () {
  this.timeout(10 * 60_000)
  let harness: FleetHarness
  let sensors: Sensor[]

  before(async () => {
    harness = await FleetHarness.create()
    sensors = Array.from(
      { length: SENSORS },
      (_, i) => new Sensor({ name: `s${i}`, mqttPort: harness.ports.mqtt, inFlightMax: 20 }),
    )
  })

  after(async () => {
    await Promise.all(sensors.map((sensor) => sensor.stop()))
    await harness.destroy()
  })

  it(`${ROUNDS} rounds of faults under load, seed=${SEED}`, async () => {
    const random = new SeededRandom(SEED)
    const load = (): Promise<void> => acknowledged(sensors, 1 + random.below(400))
    await Promise.all([harness.hub.start(), harness.leaf.start()])
    for (const sensor of sensors) sensor.start()

    const names = Object.keys(FAULTS)
    for (let round = 0; round < ROUNDS; round++) {
      await load()
      const name = names[random.below(names.length)]!
      const fault = FAULTS[name]!
      await explained(`seed=${SEED} round=${round} ${name}`, () => fault(harness, load))
    }
    await load()
    await Promise.all(sensors.map((sensor) => sensor.stop()))

    const status = await explained(`seed=${SEED}`, drained)
    const buffer = status.leaves[0]!.buffers[0]!
    const stored = await harness.readStream('plant')
    checkReadings(stored)
    assert.equal(buffer.lost_msgs, 0, `seed=${SEED}`)
    assert.equal(buffer.evicted_msgs, 0, `seed=${SEED}`)
    assert.equal(
      stored.length,
      buffer.synced_seq,
      `the ledger and the consumer agree, seed=${SEED}`,
    )
  })

  async function drained() {
    return until(
      'drained backlog',
      () => harness.status(),
      ({ leaves }) => {
        const buffer = leaves[0]?.buffers[0]
        return buffer?.backlog_msgs === 0 && buffer.synced_seq === buffer.last_seq
      },
      DRAIN_DEADLINE_MS,
    )
  }

  function checkReadings(stored: readonly { subject: string; text: string }[]): void {
    for (const sensor of sensors) {
      const readings = stored
        .filter(({ subject }) => subject === `plant.${sensor.name}.temp`)
        .map(({ text }) => (JSON.parse(text) as { n: number }).n)
      const seen = new Set(readings)
      assert.equal(seen.size, readings.length, `${sensor.name}: no reading twice, seed=${SEED}`)
      const sorted = [...readings].sort((a, b) => a - b)
      assert.deepEqual(readings, sorted, `${sensor.name}: in order, seed=${SEED}`)
      const missing = [...sensor.acknowledged].filter((n) => !seen.has(n))
      assert.deepEqual(missing, [], `${sensor.name}: acknowledged but not at the hub, seed=${SEED}`)
      assert.ok(sensor.acknowledged.size > 0, `${sensor.name} sent nothing, seed=${SEED}`)
    }
  }

  async function explained<T>(where: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      const logs = `hub:\n${harness.hub.lastWords()}\nleaf:\n${harness.leaf.lastWords()}`
      throw new Error(`${where}: ${error instanceof Error ? error.message : error}\n${logs}`)
    }
  }
})

/** Resolves when `more` further readings were acknowledged: a random point under load, and a fact. */
async function acknowledged(sensors: readonly Sensor[], more: number): Promise<void> {
  const total = (): number => sensors.reduce((sum, sensor) => sum + sensor.acknowledged.size, 0)
  const goal = total() + more
  await until(`${more} more acknowledgements`, total, (now) => now >= goal, ROUND_DEADLINE_MS)
}
