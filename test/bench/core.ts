import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import * as path from 'node:path'
import { freePorts, PetioleProcess } from '../support/petiole-process.ts'
import type { CoreLoad, CoreLoadResult } from './core-load.ts'
import { runLoad } from './load-process.ts'
import { benchFolder, median } from './results.ts'

/**
 * Core throughput, ours beside nats-server: the same generator, runs interleaved, medians compared.
 * With the payload of 1 KiB the kernel's copies dominate, and both servers come near its limit.
 */
export interface CoreBenchOptions {
  /** undefined measures ours alone. */
  readonly natsServer: string | undefined
  readonly rounds?: number
  readonly shapes?: readonly CoreShape[]
}

export interface CoreShape {
  readonly payloadBytes: number
  readonly receivers: number
  readonly messages: number
}

export interface CoreComparison extends CoreShape {
  /** Medians of delivered messages per second. */
  readonly ours: number
  readonly natsServer: number | undefined
  readonly ratio: number | undefined
  /** The generator's own load during our fastest run, in cores. */
  readonly generatorCores: number
}

/** The acceptance shapes: 1 → 1 at 16 B and at 1 KiB. */
const SHAPES: readonly CoreShape[] = [
  { payloadBytes: 16, receivers: 1, messages: 5_000_000 },
  { payloadBytes: 1024, receivers: 1, messages: 1_000_000 },
]
const ROUNDS = 5
const READY_DEADLINE_MS = 10_000
const LOAD = 'core-load.ts'

export async function benchCore(options: CoreBenchOptions): Promise<CoreComparison[]> {
  const ours = await startOurs()
  const theirs = options.natsServer === undefined ? undefined : await startNats(options.natsServer)
  try {
    const results: CoreComparison[] = []
    for (const shape of options.shapes ?? SHAPES) {
      results.push(await compare(shape, ours.port, theirs?.port, options.rounds ?? ROUNDS))
    }
    return results
  } finally {
    await ours.stop()
    await theirs?.stop()
  }
}

/** One run against any server that speaks NATS. */
export async function measureCore(load: CoreLoad): Promise<CoreLoadResult> {
  return runLoad(LOAD, load)
}

async function compare(
  shape: CoreShape,
  ourPort: number,
  theirPort: number | undefined,
  rounds: number,
): Promise<CoreComparison> {
  const ours: CoreLoadResult[] = []
  const theirs: CoreLoadResult[] = []
  const host = '127.0.0.1'
  for (let round = 0; round < rounds; round++) {
    ours.push(await measureCore({ ...shape, host, port: ourPort }))
    if (theirPort !== undefined) theirs.push(await measureCore({ ...shape, host, port: theirPort }))
  }
  const our = median(ours.map((it) => it.messagesPerSecond))
  const their = theirs.length === 0 ? undefined : median(theirs.map((it) => it.messagesPerSecond))
  const fastest = ours.reduce((a, b) => (b.messagesPerSecond > a.messagesPerSecond ? b : a))
  return {
    ...shape,
    ours: Math.round(our),
    natsServer: their === undefined ? undefined : Math.round(their),
    ratio: their === undefined ? undefined : our / their,
    generatorCores: fastest.generatorCores,
  }
}

interface Server {
  readonly port: number
  stop(): Promise<void>
}

/** A hub without a store: what is compared is messaging. */
async function startOurs(): Promise<Server> {
  const folder = benchFolder()
  const [port = 0] = await freePorts(1)
  const file = path.join(folder, 'hub.conf')
  writeFileSync(file, `server_name: hub-bench\nhost: "127.0.0.1"\nport: ${port}\n`)
  const hub = new PetioleProcess('hub', ['hub', '-c', file])
  await hub.start()
  return {
    port,
    stop: async () => {
      await hub.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function startNats(binary: string): Promise<Server> {
  const [port = 0] = await freePorts(1)
  const child = spawn(binary, ['-a', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' })
  const deadlineMs = Date.now() + READY_DEADLINE_MS
  while (!(await answers(port))) {
    if (Date.now() > deadlineMs || child.exitCode !== null) {
      throw new Error(`${binary} does not listen on port ${port}`)
    }
  }
  return {
    port,
    stop: async () => {
      const gone = once(child, 'exit')
      child.kill()
      await gone
    },
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const finish = (isThere: boolean): void => {
      socket.destroy()
      setTimeout(() => resolve(isThere), isThere ? 0 : 20)
    }
    socket.once('data', () => finish(true))
    socket.once('error', () => finish(false))
  })
}
