import { parseArgs } from 'node:util'
import { runScenario } from './fleet-scenario.ts'

/**
 * `npm run sim -- --seed N [--runs COUNT] [--trace LINES]`: simulated fleets, one per seed from N on.
 * Prints a line per run; the same seed prints the same hash, on every machine.
 */

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    runs: { type: 'string', default: '1' },
    trace: { type: 'string', default: '0' },
  },
})

const first = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
let failed = 0
for (let seed = first; seed < first + Number(values.runs); seed++) {
  try {
    const result = await runScenario(seed, { traceLines: Number(values.trace) })
    const { hash, simulatedMs, acknowledged, stored, refused, faults } = result
    console.log(
      `seed ${seed}: ${acknowledged} acknowledged, ${stored} at the hub, ${refused} refused, ` +
        `${(simulatedMs / 1_000).toFixed(1)} s, hash ${hash}; ${faults.join(', ')}`,
    )
  } catch (error) {
    failed++
    console.error(`seed ${seed} FAILED: ${error instanceof Error ? error.stack : error}`)
  }
}
process.exitCode = failed === 0 ? 0 : 1
