import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Load, LoadResult } from './mqtt-load.ts'

/** QoS 1 ingest: what a broker acknowledges, driven from another process. */
export interface IngestOptions {
  readonly host: string
  readonly port: number
  readonly publishers: 1 | 50
  readonly payloadBytes?: number
  readonly measureMs?: number
}

/** All publishers together keep about this many on their way, as 50 busy sensors or one gateway do. */
const IN_FLIGHT = 1_000
const READY_DEADLINE_MS = 5_000
const LOAD_SCRIPT = fileURLToPath(new URL('mqtt-load.ts', import.meta.url))

export async function measureIngest(options: IngestOptions): Promise<LoadResult> {
  const load: Load = {
    host: options.host,
    port: options.port,
    publishers: options.publishers,
    payloadBytes: options.payloadBytes ?? 128,
    inFlight: Math.max(1, Math.floor(IN_FLIGHT / options.publishers)),
    warmUpMs: 500,
    measureMs: options.measureMs ?? 3_000,
  }
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--import=tsx',
    LOAD_SCRIPT,
    JSON.stringify(load),
  ])
  return JSON.parse(stdout)
}

/** A mosquitto on a free port with limits that do not throttle it; undefined when there is none. */
export class Mosquitto {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly #process: ChildProcess
  readonly #folder: string

  private constructor(process: ChildProcess, port: number, folder: string) {
    this.#process = process
    this.port = port
    this.#folder = folder
  }

  static async start(binary = 'mosquitto'): Promise<Mosquitto | undefined> {
    const port = await freePort()
    const folder = await mkdtemp(join(tmpdir(), 'petiole-mosquitto-'))
    const file = join(folder, 'mosquitto.conf')
    await writeFile(file, configuration(port))
    const child = spawn(binary, ['-c', file], { stdio: 'ignore' })
    const isSpawned = await new Promise<boolean>((resolve) => {
      child.once('spawn', () => resolve(true))
      child.once('error', () => resolve(false))
    })
    if (!isSpawned) {
      await rm(folder, { recursive: true, force: true })
      return undefined
    }
    await answers(port)
    return new Mosquitto(child, port, folder)
  }

  async stop(): Promise<void> {
    const exited = new Promise((resolve) => this.#process.once('exit', resolve))
    this.#process.kill()
    await exited
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** Its defaults would drop beyond 1,000 queued messages and hold 20 in flight. */
function configuration(port: number): string {
  return [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence false',
    'max_inflight_messages 0',
    'max_queued_messages 0',
    'set_tcp_nodelay true',
    'log_type none',
    '',
  ].join('\n')
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}

async function answers(port: number): Promise<void> {
  const endMs = performance.now() + READY_DEADLINE_MS
  for (;;) {
    const isUp = await new Promise<boolean>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1' })
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (isUp) return
    if (performance.now() > endMs) throw new Error(`mosquitto does not answer on port ${port}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
