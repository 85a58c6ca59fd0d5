import type { CoreLayout, CoreLoad, CoreLoadResult } from './core-load.ts'
import { type BenchServer, type StartServer, startNats, startOurs } from './core-servers.ts'
import type { IdleLoad, IdleLoadResult } from './idle-load.ts'
import type { InterestLoad, InterestLoadResult } from './interest-load.ts'
import { holdLoad, runLoad } from './load-process.ts'
import type { RequestLoad, RequestLoadResult } from './request-load.ts'
import { median } from './results.ts'

/**
 * The core beside nats-server: the same generator, runs interleaved, medians compared. Where the payload is
 * large the kernel's copies dominate, and both servers come near its limit.
 */
export interface CoreBenchOptions {
  /** undefined measures ours alone. */
  readonly natsServer: string | undefined
  readonly isQuick: boolean
}

/** Ours and, when it is there, nats-server's. */
export interface Pair<Value> {
  readonly ours: Value
  readonly theirs: Value | undefined
}

export interface Throughput extends Pair<number> {
  readonly name: string
  readonly payloadBytes: number
  /** The generator's own load during our fastest run, in cores: near 1 and it is the limit. */
  readonly generatorCores: number
}

export interface CoreBenchResult {
  readonly throughput: readonly Throughput[]
  readonly requests: Pair<RequestLoadResult>
  readonly idle: Pair<IdleLoadResult>
  readonly interest: Pair<
    InterestLoadResult & { readonly besideThem: number; readonly without: number }
  >
  readonly readyMs: Pair<number>
}

const LAYOUTS: readonly (readonly [string, CoreLayout])[] = [
  ['1 to 1', { name: 'fan', receivers: 1 }],
  ['1 to 5', { name: 'fan', receivers: 5 }],
  ['4 to 4', { name: 'pairs', receivers: 4 }],
  ['10,000 subjects', { name: 'wildcard', subjects: 10_000 }],
  ['queue group of 4', { name: 'queue', receivers: 4 }],
]
/** Payload bytes, and how many messages make a run of a second or so. */
const SIZES: readonly (readonly [number, number])[] = [
  [16, 4_000_000],
  [128, 2_500_000],
  [1_024, 1_000_000],
  [16_384, 80_000],
]
const IDLE_CONNECTIONS = 5_000
const SUBSCRIPTIONS = 1_000_000
const REQUESTS = 20_000
/** The generator's young generation holds a whole run: its own pauses are not what is measured. */
const LATENCY_FLAGS = ['--max-semi-space-size=512', '--min-semi-space-size=512']

export async function benchCore({
  natsServer,
  isQuick,
}: CoreBenchOptions): Promise<CoreBenchResult> {
  const starts = { ours: () => startOurs(), theirs: natsServer && (() => startNats(natsServer)) }
  const rounds = isQuick ? 3 : 5
  return {
    throughput: await withBoth(starts, (servers) => compareThroughput(servers, rounds, isQuick)),
    requests: await withBoth(starts, (servers) => compareRequests(servers, rounds, isQuick)),
    idle: await eachAlone(starts, (server) => measureIdle(server, isQuick)),
    interest: await eachAlone(starts, (server) => measureInterest(server, rounds)),
    readyMs: await compareStarts(starts, rounds),
  }
}

interface Starts {
  readonly ours: StartServer
  readonly theirs: StartServer | '' | undefined
}

async function withBoth<Result>(
  starts: Starts,
  measure: (servers: Pair<BenchServer>) => Promise<Result>,
): Promise<Result> {
  const ours = await starts.ours()
  const theirs = starts.theirs ? await starts.theirs() : undefined
  try {
    return await measure({ ours, theirs })
  } finally {
    await ours.stop()
    await theirs?.stop()
  }
}

/** For figures of memory: a fresh server each. */
async function eachAlone<Result>(
  starts: Starts,
  measure: (server: BenchServer) => Promise<Result>,
): Promise<Pair<Result>> {
  const alone = async (start: StartServer): Promise<Result> => {
    const server = await start()
    try {
      return await measure(server)
    } finally {
      await server.stop()
    }
  }
  return {
    ours: await alone(starts.ours),
    theirs: starts.theirs ? await alone(starts.theirs) : undefined,
  }
}

async function compareThroughput(
  servers: Pair<BenchServer>,
  rounds: number,
  isQuick: boolean,
): Promise<Throughput[]> {
  const results: Throughput[] = []
  for (const [layoutName, layout] of LAYOUTS) {
    for (const [payloadBytes, fullMessages] of SIZES) {
      const copies = layout.name === 'fan' ? layout.receivers : 1
      const messages = Math.round(fullMessages / copies / (isQuick ? 4 : 1))
      const shape = { layout, payloadBytes, messages }
      const ours: CoreLoadResult[] = []
      const theirs: CoreLoadResult[] = []
      for (let round = 0; round < rounds; round++) {
        ours.push(await measureCore(servers.ours, shape))
        if (servers.theirs !== undefined) theirs.push(await measureCore(servers.theirs, shape))
      }
      const fastest = ours.reduce((a, b) => (b.messagesPerSecond > a.messagesPerSecond ? b : a))
      results.push({
        name: layoutName,
        payloadBytes,
        ours: rateOf(ours),
        theirs: theirs.length === 0 ? undefined : rateOf(theirs),
        generatorCores: fastest.generatorCores,
      })
    }
  }
  return results
}

function measureCore(
  { host, port }: BenchServer,
  shape: Omit<CoreLoad, 'host' | 'port'>,
): Promise<CoreLoadResult> {
  return runLoad<CoreLoad, CoreLoadResult>('core-load.ts', { ...shape, host, port })
}

function rateOf(results: readonly CoreLoadResult[]): number {
  return Math.round(median(results.map((it) => it.messagesPerSecond)))
}

async function compareRequests(
  servers: Pair<BenchServer>,
  rounds: number,
  isQuick: boolean,
): Promise<Pair<RequestLoadResult>> {
  const requests = isQuick ? REQUESTS / 2 : REQUESTS
  const measure = ({ host, port }: BenchServer): Promise<RequestLoadResult> => {
    const load = { host, port, requests, warmUp: 2_000, payloadBytes: 128 }
    return runLoad<RequestLoad, RequestLoadResult>('request-load.ts', load, {
      nodeFlags: LATENCY_FLAGS,
    })
  }
  const ours: RequestLoadResult[] = []
  const theirs: RequestLoadResult[] = []
  for (let round = 0; round < rounds; round++) {
    ours.push(await measure(servers.ours))
    if (servers.theirs !== undefined) theirs.push(await measure(servers.theirs))
  }
  return { ours: medians(ours), theirs: theirs.length === 0 ? undefined : medians(theirs) }
}

function medians(results: readonly RequestLoadResult[]): RequestLoadResult {
  const of = (pick: (result: RequestLoadResult) => number): number => median(results.map(pick))
  return {
    p50Us: of((it) => it.p50Us),
    p99Us: of((it) => it.p99Us),
    p999Us: of((it) => it.p999Us),
    maxUs: of((it) => it.maxUs),
  }
}

function measureIdle({ host, port, pid }: BenchServer, isQuick: boolean): Promise<IdleLoadResult> {
  const load = { host, port, pid, connections: IDLE_CONNECTIONS, idleSeconds: isQuick ? 5 : 20 }
  return runLoad<IdleLoad, IdleLoadResult>('idle-load.ts', load)
}

/** The same traffic without and beside a million subscriptions. */
async function measureInterest(server: BenchServer, rounds: number) {
  const { host, port, pid } = server
  const layout = { name: 'wildcard', subjects: 10_000 } as const
  const rate = async (): Promise<number> => {
    const runs: CoreLoadResult[] = []
    for (let round = 0; round < rounds; round++) {
      runs.push(await measureCore(server, { layout, payloadBytes: 128, messages: 500_000 }))
    }
    return rateOf(runs)
  }
  const without = await rate()
  const load = { host, port, pid, subscriptions: SUBSCRIPTIONS }
  const held = await holdLoad<InterestLoad, InterestLoadResult>('interest-load.ts', load)
  const besideThem = await rate()
  await held.end()
  return { ...held.result, without, besideThem }
}

async function compareStarts(starts: Starts, rounds: number): Promise<Pair<number>> {
  const ours: number[] = []
  const theirs: number[] = []
  const start = async (begin: StartServer, readyMs: number[]): Promise<void> => {
    const server = await begin()
    readyMs.push(server.readyMs)
    await server.stop()
  }
  for (let round = 0; round < rounds; round++) {
    await start(starts.ours, ours)
    if (starts.theirs) await start(starts.theirs, theirs)
  }
  return { ours: median(ours), theirs: theirs.length === 0 ? undefined : median(theirs) }
}
