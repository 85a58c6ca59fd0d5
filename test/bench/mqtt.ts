import { FleetPair } from './fleet-pair.ts'
import { runLoad } from './load-process.ts'
import type { Load, LoadResult } from './mqtt-load.ts'
import { startMqtt } from './mqtt-servers.ts'
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

/** Durable QoS 1 ingest at a leaf with no hub in sight, beside a mosquitto that stores none of it. */
export async function benchMqtt(options: MqttBenchOptions): Promise<MqttBenchResult> {
  const { mosquitto: binary, measureMs } = options
  const mosquitto = binary === undefined ? undefined : await startMqtt('mosquitto', binary)
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
