import assert from 'node:assert/strict'
import { FleetHarness, until } from '../support/fleet-harness.ts'
import { Sensor } from '../support/sensor.ts'

const ROUNDS = 4
const DEADLINE_MS = 60_000

/** Exactly once holds in every account: its ledger is written with its streams, as the default one's is. */
describe('exactly once in an account of its own', function () {
  this.timeout(3 * DEADLINE_MS)
  let harness: FleetHarness
  let sensor: Sensor

  before(async () => {
    harness = await FleetHarness.create('plants')
    sensor = new Sensor({ name: 's0', mqttPort: harness.ports.mqtt, inFlightMax: 20 })
  })
  after(async () => {
    await sensor.stop()
    await harness.destroy()
  })

  async function load(more: number): Promise<void> {
    const goal = sensor.acknowledged.size + more
    const count = (): number => sensor.acknowledged.size
    await until(`${goal} acknowledgements`, count, (now) => now >= goal, DEADLINE_MS)
  }

  it('survives that the hub is killed while it takes a backlog', async () => {
    await Promise.all([harness.hub.start(), harness.leaf.start()])
    sensor.start()
    for (let round = 0; round < ROUNDS; round++) {
      await load(300)
      await harness.hub.kill()
      await load(700)
      await harness.hub.start()
    }
    await load(100)
    await sensor.stop()
    const status = await until(
      'a drained backlog',
      () => harness.status(),
      ({ leaves }) => {
        const buffer = leaves[0]?.buffers[0]
        return buffer?.backlog_msgs === 0 && buffer.synced_seq === buffer.last_seq
      },
      DEADLINE_MS,
    )
    const readings = (await harness.readStream('plant')).map(
      ({ text }) => (JSON.parse(text) as { n: number }).n,
    )
    assert.deepEqual(
      readings,
      [...new Set(readings)].sort((a, b) => a - b),
      'once, in order',
    )
    const seen = new Set(readings)
    assert.deepEqual(
      [...sensor.acknowledged].filter((n) => !seen.has(n)),
      [],
    )
    const buffer = status.leaves[0]?.buffers[0]
    assert.deepEqual([buffer?.lost_msgs, buffer?.synced_seq], [0, readings.length])
  })
})
