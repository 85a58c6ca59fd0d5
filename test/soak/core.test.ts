import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Running, startHub } from '../../index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { churn } from './churn.ts'

/**
 * A server of some age must be as light as a young one: cycles of churn, and after each the heap is
 * collected and weighed. `SOAK_S` sets how long, `SEED` repeats a run.
 */
const SOAK_MS = Number(process.env['SOAK_S'] ?? 30) * 1_000
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
/** The first cycles fill caches and compile code. */
const WARM_UP_CYCLES = 3
/** What the heap may differ by between cycles without anything leaking. */
const NOISE_BYTES = 3 * 1024 * 1024
const GONE_DEADLINE_MS = 5_000

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

describe('soak: core', function () {
  this.timeout(SOAK_MS + 60_000)
  let hub: Running

  before(async () => {
    hub = await startHub({ host: '127.0.0.1', port: -1, http_port: -1, jetstream: false })
  })

  after(() => hub.destroy())

  it(`keeps nothing of clients that are gone (SEED=${SEED})`, async () => {
    const random = new SeededRandom(SEED)
    const before = await factsOf(hub)
    const weights: number[] = []
    const untilMs = performance.now() + SOAK_MS
    while (performance.now() < untilMs || weights.length <= WARM_UP_CYCLES * 2) {
      const options = { port: hub.ports.client.port, clients: 6, rounds: 60 }
      await churn({ ...options, random: () => random.float() })
      assert.deepEqual(await settled(hub), before, `SEED=${SEED}`)
      collect()
      const { heapUsed, arrayBuffers } = process.memoryUsage()
      weights.push(heapUsed + arrayBuffers)
    }
    const [first, last] = [weights[WARM_UP_CYCLES] ?? 0, Math.min(...weights.slice(-3))]
    const grown = `${first} to ${last} bytes over ${weights.length} cycles, SEED=${SEED}`
    assert.ok(last - first < NOISE_BYTES, grown)
  })
})

/** The server hears of a closed socket a moment after its client. */
async function settled(hub: Running): Promise<Facts> {
  let facts = await factsOf(hub)
  const untilMs = performance.now() + GONE_DEADLINE_MS
  while (facts.connections > 0 && performance.now() < untilMs) facts = await factsOf(hub)
  return facts
}

interface Facts {
  readonly connections: number
  readonly subscriptions: number
}

async function factsOf({ ports }: Running): Promise<Facts> {
  const answer = await fetch(`http://127.0.0.1:${ports.http?.port}/varz`)
  const { connections, subscriptions } = (await answer.json()) as Facts
  return { connections, subscriptions }
}
