import { setTimeout as delay } from 'node:timers/promises'
import type { IdleLoadResult } from './idle-load.ts'
import { BenchClient } from './mqtt-client.ts'
import { cpuSeconds, rssMiB } from './process-figures.ts'

/** Clients that subscribe to a topic of their own and then say nothing: `mqtt-idle-load.ts '<json of IdleLoad>'`. */
interface Load {
  readonly host: string
  readonly port: number
  readonly connections: number
  readonly idleSeconds: number
  readonly pid: number
}

const AT_ONCE = 50

async function run(load: Load): Promise<IdleLoadResult> {
  const { host, port, pid } = load
  const rssBeforeMiB = rssMiB(pid)
  const open = async (index: number): Promise<BenchClient> => {
    const client = await BenchClient.open({ host, port, clientId: `idle-${index}`, isClean: true })
    await client.subscribe(`idle/${index}/cmd`, 0)
    return client
  }
  for (let made = 0; made < load.connections; made += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => open(made + i)))
  }
  const startedCpu = cpuSeconds(pid)
  await delay(load.idleSeconds * 1_000)
  const cores = (cpuSeconds(pid) - startedCpu) / load.idleSeconds
  return { rssBeforeMiB, rssMiB: rssMiB(pid), cores }
}

const result = await run(JSON.parse(process.argv[2] ?? '{}'))
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0))
