import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Running, startHub } from '../../index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { CertificateAuthority } from '../support/certificates.ts'
import { DEADLINE_MS } from '../support/patience.ts'
import { accountChurn, accountConfig } from './account-churn.ts'
import { churn } from './churn.ts'

/**
 * A server of some age must be as light as a young one: cycles of churn, and after each the heap is
 * collected and weighed. `SOAK_S` sets how long, all in all; `SEED` repeats a run.
 */
const SOAK_MS = Number(process.env['SOAK_S'] ?? 30) * 1_000
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
/** The first cycles fill caches and compile code. */
const WARM_UP_CYCLES = 3
/** What the heap may differ by between cycles without anything leaking. */
const NOISE_BYTES = 3 * 1024 * 1024

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

describe('soak: core', function () {
  this.timeout(SOAK_MS + 60_000)
  const authority = new CertificateAuthority()
  const certificate = authority.server()
  const random = new SeededRandom(SEED)
  let hub: Running

  afterEach(() => hub.destroy())
  after(() => authority.remove())

  it(`keeps nothing of clients that are gone (SEED=${SEED})`, async () => {
    hub = await startHub({
      host: '127.0.0.1',
      port: -1,
      http_port: -1,
      jetstream: false,
      max_closed_clients: 100,
    })
    const options = { port: hub.ports.client.port, clients: 6, rounds: 60 }
    await soak(hub, () => churn({ ...options, random: () => random.float() }))
  })

  it(`keeps nothing of accounts' users, TLS, devices and reloads (SEED=${SEED})`, async () => {
    hub = await startHub(accountConfig(certificate))
    const options = { hub, authority, certificate, rounds: 16, random: () => random.float() }
    const total = await soak(hub, () => accountChurn(options))
    for (const [what, count] of Object.entries(total)) assert.ok(count > 0, `no ${what}`)
  })
})

/** Repeats a cycle for its half of the time; the sums of what each counted. */
async function soak<Counts extends object>(hub: Running, cycle: () => Promise<Counts>) {
  // What a server makes for itself at the first use stays: a subscription for the answers of imported services.
  await cycle()
  const before = await quiet(hub)
  const weights: number[] = []
  const total: Record<string, number> = {}
  const untilMs = performance.now() + SOAK_MS / 2
  while (performance.now() < untilMs || weights.length <= WARM_UP_CYCLES * 2) {
    for (const [what, count] of Object.entries(await cycle())) {
      total[what] = (total[what] ?? 0) + Number(count)
    }
    const after = await settled(hub, before)
    if (!isDeepStrictEqual(after, before)) {
      assert.deepEqual(after, before, `SEED=${SEED}, still there: ${await connections(hub)}`)
    }
    collect()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    weights.push(heapUsed + arrayBuffers)
  }
  const [first, last] = [weights[WARM_UP_CYCLES] ?? 0, Math.min(...weights.slice(-3))]
  const grown = `${first} to ${last} bytes over ${weights.length} cycles, SEED=${SEED}`
  assert.ok(last - first < NOISE_BYTES, grown)
  return total
}

/** The server hears of a closed socket a moment after its client. */
async function settled(hub: Running, wanted: Facts): Promise<Facts> {
  const untilMs = performance.now() + DEADLINE_MS
  for (;;) {
    const facts = await factsOf(hub)
    if (isDeepStrictEqual(facts, wanted) || performance.now() > untilMs) return facts
  }
}

/** The facts once nobody is connected. */
async function quiet(hub: Running): Promise<Facts> {
  const untilMs = performance.now() + DEADLINE_MS
  for (;;) {
    const facts = await factsOf(hub)
    if (facts.connections === 0 || performance.now() > untilMs) return facts
  }
}

interface Facts {
  readonly connections: number
  readonly subscriptions: number
}

async function connections({ ports }: Running): Promise<string> {
  return await (await fetch(`http://127.0.0.1:${ports.http?.port}/connz?subs=1`)).text()
}

async function factsOf({ ports }: Running): Promise<Facts> {
  const answer = await fetch(`http://127.0.0.1:${ports.http?.port}/varz`)
  const { connections, subscriptions } = (await answer.json()) as Facts
  return { connections, subscriptions }
}
