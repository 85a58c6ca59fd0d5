import { setTimeout as delay } from 'node:timers/promises'
import { FleetPair, memoryOf } from './fleet-pair.ts'
import type { LatencyLoad, LatencyResult } from './latency-load.ts'
import { runLoad } from './load-process.ts'
import { fill } from './mqtt.ts'
import { median } from './results.ts'

/** A leaf and its hub as two processes: latency, a backlog's way, and what a leaf costs meanwhile. */
export interface SyncBenchOptions {
  readonly latencySeconds: number
  readonly backlog: number
  readonly backlogToStart: number
}

export interface SyncBenchResult {
  readonly latency: LatencyResult & { readonly perSecond: number }
  readonly drain: DrainResult
  readonly start: StartResult
}

export interface DrainResult {
  readonly messages: number
  readonly payloadBytes: number
  readonly fillPerSecond: number
  /** From the hub's "Server is ready" until the leaf has found it and its first batch is stored. */
  readonly firstAfterMs: number
  /** From then until the last is stored at the hub. */
  readonly seconds: number
  readonly messagesPerSecond: number
  readonly rssAfterFillMiB: number
  readonly rssAfterStartMiB: number
  readonly rssPeakOfDrainMiB: number
}

export interface StartResult {
  readonly messages: number
  /** Process spawn until "Server is ready", after a clean stop and after kill -9. */
  readonly readyMs: number
  readonly readyAfterKillMs: number
  readonly rssMiB: number
}

const PAYLOAD_BYTES = 128
const LATENCY_PER_SECOND = 500
const LINK_DEADLINE_MS = 10_000
const DRAIN_DEADLINE_MS = 300_000
const STARTS = 3
/** What a process takes to calm down: garbage of the start, reads ahead. */
const CALM_MS = 1_500

export async function benchSync(options: SyncBenchOptions): Promise<SyncBenchResult> {
  const latency = await withPair((pair) => measureLatency(pair, options.latencySeconds))
  const drain = await withPair((pair) => measureDrain(pair, options.backlog))
  const start = await withPair((pair) => measureStart(pair, options.backlogToStart))
  return { latency, drain, start }
}

export async function measureLatency(
  pair: FleetPair,
  seconds: number,
): Promise<SyncBenchResult['latency']> {
  await Promise.all([pair.hub.start(), pair.leaf.start()])
  await fill({ port: pair.mqttPort, messages: 100, payloadBytes: PAYLOAD_BYTES })
  await pair.arrival(100, LINK_DEADLINE_MS)
  const result = await runLoad<LatencyLoad, LatencyResult>('latency-load.ts', {
    mqttPort: pair.mqttPort,
    hubPort: pair.hubPort,
    perSecond: LATENCY_PER_SECOND,
    seconds,
    payloadBytes: PAYLOAD_BYTES,
  })
  return { ...result, perSecond: LATENCY_PER_SECOND }
}

export async function measureDrain(pair: FleetPair, messages: number): Promise<DrainResult> {
  await pair.leaf.start()
  const load = { port: pair.mqttPort, messages, payloadBytes: PAYLOAD_BYTES }
  const { perSecond: fillPerSecond } = await fill(load)
  await delay(CALM_MS)
  const { rssMiB: rssAfterFillMiB } = memoryOf(pair.leaf.pid)
  await pair.leaf.stop()
  await pair.leaf.start()
  await delay(CALM_MS)
  const { rssMiB: rssAfterStartMiB } = memoryOf(pair.leaf.pid)
  await pair.hub.start()
  const readyMs = performance.now()
  const { firstMs, lastMs } = await pair.arrival(messages, DRAIN_DEADLINE_MS)
  const seconds = (lastMs - firstMs) / 1_000
  return {
    messages,
    payloadBytes: PAYLOAD_BYTES,
    fillPerSecond,
    firstAfterMs: Math.round(firstMs - readyMs),
    seconds,
    messagesPerSecond: Math.round(messages / seconds),
    rssAfterFillMiB,
    rssAfterStartMiB,
    rssPeakOfDrainMiB: memoryOf(pair.leaf.pid).peakMiB,
  }
}

export async function measureStart(pair: FleetPair, messages: number): Promise<StartResult> {
  await pair.leaf.start()
  await fill({ port: pair.mqttPort, messages, payloadBytes: PAYLOAD_BYTES })
  const afterStop: number[] = []
  const afterKill: number[] = []
  for (let i = 0; i < STARTS; i++) {
    await pair.leaf.stop()
    afterStop.push(await timed(() => pair.leaf.start()))
    await pair.leaf.kill()
    afterKill.push(await timed(() => pair.leaf.start()))
  }
  await delay(CALM_MS)
  const { rssMiB } = memoryOf(pair.leaf.pid)
  return { messages, readyMs: median(afterStop), readyAfterKillMs: median(afterKill), rssMiB }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now()
  await work()
  return Math.round(performance.now() - startedMs)
}

async function withPair<T>(measure: (pair: FleetPair) => Promise<T>): Promise<T> {
  const pair = await FleetPair.create()
  try {
    return await measure(pair)
  } finally {
    await pair.destroy()
  }
}
