import { setTimeout as after } from 'node:timers/promises'
import { cpuSeconds, rssMiB } from './process-figures.ts'
import { CONNECT, RawSocket } from './raw-socket.ts'

/** Many clients that say hello and then nothing: memory for each, and what the server does meanwhile. */
export interface IdleLoad {
  readonly host: string
  readonly port: number
  readonly connections: number
  readonly idleSeconds: number
  readonly pid: number
}

export interface IdleLoadResult {
  readonly rssBeforeMiB: number
  readonly rssMiB: number
  /** Cores that the server kept busy. */
  readonly cores: number
}

const AT_ONCE = 100
const READ_BYTES = 4096

async function run(load: IdleLoad): Promise<IdleLoadResult> {
  const rssBeforeMiB = rssMiB(load.pid)
  const sockets: RawSocket[] = []
  while (sockets.length < load.connections) {
    const made = Array.from({ length: AT_ONCE }, () => new RawSocket(load, READ_BYTES))
    await Promise.all(
      made.map((socket) => socket.settle(`${CONNECT}SUB idle.${sockets.length} 1\r\n`)),
    )
    sockets.push(...made)
  }
  // First pings go out within seconds of the start: they belong to the figure.
  const startedCpu = cpuSeconds(load.pid)
  await after(load.idleSeconds * 1_000)
  const cores = (cpuSeconds(load.pid) - startedCpu) / load.idleSeconds
  const rss = rssMiB(load.pid)
  for (const { socket } of sockets) socket.destroy()
  return { rssBeforeMiB, rssMiB: rss, cores }
}

const result = await run(JSON.parse(process.argv[2] ?? '{}'))
process.stdout.write(`${JSON.stringify(result)}\n`)
