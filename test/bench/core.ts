import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { CoreLoad, CoreLoadResult } from './core-load.ts'

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
const LOAD = fileURLToPath(new URL('core-load.ts', import.meta.url))
const SERVER = fileURLToPath(new URL('core-server.ts', import.meta.url))

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
    ours.child.kill()
    theirs?.child.kill()
  }
}

/** One run against any server that speaks NATS. */
export async function measureCore(load: CoreLoad): Promise<CoreLoadResult> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--import=tsx',
    LOAD,
    JSON.stringify(load),
  ])
  return JSON.parse(stdout)
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
  const our = medianOf(ours)
  const their = theirs.length === 0 ? undefined : medianOf(theirs)
  const fastest = ours.reduce((a, b) => (b.messagesPerSecond > a.messagesPerSecond ? b : a))
  return {
    ...shape,
    ours: Math.round(our),
    natsServer: their === undefined ? undefined : Math.round(their),
    ratio: their === undefined ? undefined : our / their,
    generatorCores: fastest.generatorCores,
  }
}

function medianOf(results: readonly CoreLoadResult[]): number {
  const rates = results.map((result) => result.messagesPerSecond).sort((a, b) => a - b)
  return rates[rates.length >> 1] ?? 0
}

interface Server {
  readonly child: ChildProcess
  readonly port: number
}

async function startOurs(): Promise<Server> {
  const child = spawn(process.execPath, ['--import=tsx', SERVER], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const [line] = await once(child.stdout, 'data')
  return { child, port: Number(String(line)) }
}

async function startNats(binary: string): Promise<Server> {
  const port = await freePort()
  const child = spawn(binary, ['-a', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' })
  const deadlineMs = Date.now() + READY_DEADLINE_MS
  while (!(await answers(port))) {
    if (Date.now() > deadlineMs || child.exitCode !== null) {
      throw new Error(`${binary} does not listen on port ${port}`)
    }
  }
  return { child, port }
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

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address !== null ? address.port : 0
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const results = await benchCore({ natsServer: process.argv[2] })
  process.stdout.write(`${JSON.stringify(results, undefined, 2)}\n`)
}
