import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts } from '../support/free-ports.ts'
import { FleetPair } from './fleet-pair.ts'
import { runLoad } from './load-process.ts'
import type { Load, LoadResult } from './mqtt-load.ts'
import { median } from './results.ts'

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
const LINK_DEADLINE_MS = 30_000
const LOAD_SCRIPT = 'mqtt-load.ts'

export interface IngestComparison {
  readonly publishers: 1 | 50
  readonly inFlightTogether: number
  /** Medians of acknowledged messages per second, of the leaf as each is on its disk. */
  readonly leaf: number
  readonly leafP99Ms: number
  readonly mosquitto: number | undefined
  readonly ratio: number | undefined
}

export interface MqttBenchResult {
  readonly ingest: readonly IngestComparison[]
  /** 50 publishers while the hub stores what they send: both on this machine. */
  readonly whileSyncing: number
}

export interface MqttBenchOptions {
  /** Path of the binary; undefined measures the leaf alone. */
  readonly mosquitto: string | undefined
  readonly rounds: number
  readonly measureMs: number
}

/** Durable QoS 1 ingest at a leaf with no hub in sight, beside a mosquitto that keeps all in memory. */
export async function benchMqtt(options: MqttBenchOptions): Promise<MqttBenchResult> {
  const { mosquitto: binary, measureMs } = options
  const mosquitto = binary === undefined ? undefined : await Mosquitto.start(binary)
  const pair = await FleetPair.create()
  try {
    await pair.leaf.start()
    const ingest: IngestComparison[] = []
    for (const publishers of [1, 50] as const) {
      ingest.push(await compareIngest(publishers, pair.mqttPort, mosquitto?.port, options))
    }
    await pair.hub.start()
    await pair.arrival(1, LINK_DEADLINE_MS)
    const load = { host: '127.0.0.1', port: pair.mqttPort, publishers: 50, measureMs } as const
    return { ingest, whileSyncing: (await measureIngest(load)).perSecond }
  } finally {
    await pair.destroy()
    await mosquitto?.stop()
  }
}

async function compareIngest(
  publishers: 1 | 50,
  leafPort: number,
  mosquittoPort: number | undefined,
  { rounds, measureMs }: MqttBenchOptions,
): Promise<IngestComparison> {
  const host = '127.0.0.1'
  const ours: LoadResult[] = []
  const theirs: LoadResult[] = []
  for (let round = 0; round < rounds; round++) {
    ours.push(await measureIngest({ host, port: leafPort, publishers, measureMs }))
    if (mosquittoPort === undefined) continue
    theirs.push(await measureIngest({ host, port: mosquittoPort, publishers, measureMs }))
  }
  const leaf = median(ours.map(({ perSecond }) => perSecond))
  const mosquitto = theirs.length === 0 ? undefined : median(theirs.map((it) => it.perSecond))
  return {
    publishers,
    inFlightTogether: IN_FLIGHT,
    leaf,
    leafP99Ms: median(ours.map(({ p99Ms }) => p99Ms)),
    mosquitto,
    ratio: mosquitto === undefined ? undefined : leaf / mosquitto,
  }
}

export async function measureIngest(options: IngestOptions): Promise<LoadResult> {
  const load: Load = {
    host: options.host,
    port: options.port,
    publishers: options.publishers,
    payloadBytes: options.payloadBytes ?? 128,
    inFlight: Math.max(1, Math.floor(IN_FLIGHT / options.publishers)),
    warmUpMs: 500,
    measureMs: options.measureMs ?? 3_000,
    messages: 0,
  }
  return runLoad(LOAD_SCRIPT, load)
}

/** Publishes so many at QoS 1 from 50 sensors; resolves when all are acknowledged. */
export async function fill(options: {
  readonly port: number
  readonly messages: number
  readonly payloadBytes: number
}): Promise<LoadResult> {
  const publishers = Math.min(50, options.messages)
  return runLoad<Load, LoadResult>(LOAD_SCRIPT, {
    ...options,
    host: '127.0.0.1',
    publishers,
    inFlight: Math.max(1, Math.floor(IN_FLIGHT / publishers)),
    warmUpMs: 0,
    measureMs: 0,
  })
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
    const [port = 0] = await freePorts(1)
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
