import { FILL_DEADLINE_MS } from './deadline.ts'
import { diskFloor } from './disk-floor.ts'
import type { KvLoad, KvLoadResult } from './kv-load.ts'
import { runLoad } from './load-process.ts'
import { bytesWritten, cpuSeconds, rssMiB } from './process-figures.ts'
import { median } from './results.ts'
import type { ConsumeKind, PublishLoad, StreamLoad, StreamLoadResult } from './stream-load.ts'
import { type StreamServer, type StreamSync, startStreams } from './stream-servers.ts'

/**
 * Streams on disk beside nats-server, once with its default (a message is safe within two minutes) and
 * once with `sync_interval: always`, which is what Petiole promises for every acknowledgement.
 *
 * Who publishes and consumes is a socket that parses no more than it must and checks the sequence of each message,
 * the same for all servers: an official client takes several times as long for a message as any of them, and all
 * would look alike. Key-value buckets are used through the official client, and do.
 */
export interface StreamsBenchOptions {
  readonly natsServer: string | undefined
  readonly isQuick: boolean
}

/** A figure of each server that was measured. */
export type Each<Value> = Readonly<Partial<Record<StreamSync, Value>>>

export interface PublishFigure {
  readonly name: string
  readonly rates: Each<number>
  readonly p50Us: Each<number>
  readonly p99Us: Each<number>
  readonly bytesPerMessage: Each<number>
  /** Messages a second that the disk allows to a server that waits for it and takes no time itself. */
  readonly diskAllows: number
}

export interface ConsumeFigure {
  readonly name: string
  readonly hasAim: boolean
  readonly rates: Each<number>
  /** Processor time of the server for one message: says more than the rate where others use the machine. */
  readonly cpuUs: Each<number>
  /** Of the client, in cores: near 1 and it is what was measured. */
  readonly clientCores: Each<number>
}

export interface StreamsBenchResult {
  readonly publish: readonly PublishFigure[]
  readonly consume: readonly ConsumeFigure[]
  readonly kv: Each<KvLoadResult>
  readonly subjects: Each<{ readonly rate: number; readonly rssMiB: number }>
  readonly start: Each<StartFigure>
  readonly subjectCount: number
  readonly startMessages: number
}

export interface StartFigure {
  readonly readyMs: number
  readonly readyAfterKillMs: number
  readonly rssMiB: number
}

interface PublishShape {
  readonly name: string
  readonly inFlight: number
  readonly streams: number
  /** How many make a run of a second or two; fewer where each waits for the disk. */
  readonly messages: Each<number>
}

const PAYLOAD_BYTES = 128
/** With a subject like `bench.0.0001` and the fixed fields of a record. */
const RECORD_BYTES = 48 + 12 + PAYLOAD_BYTES
const SHAPES: readonly PublishShape[] = [
  {
    name: '1 in flight',
    inFlight: 1,
    streams: 1,
    messages: { ours: 4_000, default: 20_000, always: 2_000 },
  },
  {
    name: '64 in flight',
    inFlight: 64,
    streams: 1,
    messages: { ours: 150_000, default: 150_000, always: 3_000 },
  },
  {
    name: '10,000 in flight',
    inFlight: 10_000,
    streams: 1,
    messages: { ours: 400_000, default: 400_000, always: 10_000 },
  },
  {
    name: '64 streams, 64 in flight',
    inFlight: 64,
    streams: 64,
    messages: { ours: 150_000, default: 150_000, always: 3_000 },
  },
]
interface ConsumeShape {
  readonly kind: ConsumeKind
  readonly name: string
  /** The issue sets one. */
  readonly hasAim: boolean
}

const KINDS: readonly ConsumeShape[] = [
  { kind: 'pull', name: 'pull, acknowledged', hasAim: true },
  { kind: 'pull-double', name: 'pull, told of each ack', hasAim: false },
  { kind: 'pull-none', name: 'pull, without acks', hasAim: true },
  { kind: 'ordered', name: 'ordered', hasAim: true },
  { kind: 'push', name: 'push', hasAim: true },
  { kind: 'push-flow', name: 'push, flow control', hasAim: true },
]
const ROUNDS = 5
const QUICK_ROUNDS = 3
const SUBJECTS = 1_000_000
const START_MESSAGES = 5_000_000

export async function benchStreams(options: StreamsBenchOptions): Promise<StreamsBenchResult> {
  const { isQuick } = options
  const subjectCount = isQuick ? SUBJECTS / 10 : SUBJECTS
  const startMessages = isQuick ? START_MESSAGES / 10 : START_MESSAGES
  const servers = await startAll(options)
  try {
    const publish = await comparePublish(servers, isQuick)
    const consume = await compareConsume(servers, isQuick)
    const kv = await compareKv(servers, isQuick)
    await stopAll(servers)
    const subjects = await eachAlone(options, (server) => measureSubjects(server, subjectCount))
    const start = await eachAlone(options, (server) =>
      measureStart(server, startMessages, subjectCount),
    )
    return { publish, consume, kv, subjects, start, subjectCount, startMessages }
  } finally {
    await stopAll(servers)
  }
}

type Servers = Map<StreamSync, StreamServer>

async function startAll({ natsServer }: StreamsBenchOptions): Promise<Servers> {
  const servers: Servers = new Map()
  for (const sync of syncsOf(natsServer))
    servers.set(sync, await startStreams(sync, natsServer ?? ''))
  return servers
}

async function stopAll(servers: Servers): Promise<void> {
  for (const server of servers.values()) await server.stop()
  servers.clear()
}

function syncsOf(natsServer: string | undefined): readonly StreamSync[] {
  return natsServer === undefined ? ['ours'] : ['ours', 'default', 'always']
}

/**
 * What each server did in each round. Every other round goes round the other way, so that what one leaves
 * behind for the next, in the caches and on the disk, is nobody's alone.
 */
async function interleaved<Run>(
  servers: Servers,
  isQuick: boolean,
  measure: (server: StreamServer, sync: StreamSync) => Promise<Run>,
): Promise<Map<StreamSync, Run[]>> {
  const runs = new Map<StreamSync, Run[]>()
  const order = [...servers]
  for (let round = 0; round < (isQuick ? QUICK_ROUNDS : ROUNDS); round++) {
    for (const [sync, server] of order) {
      runs.set(sync, [...(runs.get(sync) ?? []), await measure(server, sync)])
    }
    order.reverse()
  }
  return runs
}

function medians<Run>(
  runs: ReadonlyMap<StreamSync, readonly Run[]>,
  pick: (run: Run) => number,
): Each<number> {
  return Object.fromEntries([...runs].map(([sync, all]) => [sync, median(all.map(pick))]))
}

/** For figures of memory and of starts, a fresh server each. `always` would fill for hours, and reads like the default. */
async function eachAlone<Value>(
  { natsServer }: StreamsBenchOptions,
  measure: (server: StreamServer) => Promise<Value>,
): Promise<Each<Value>> {
  const found: Partial<Record<StreamSync, Value>> = {}
  for (const sync of syncsOf(natsServer)) {
    if (sync === 'always') continue
    found[sync] = await measure(await startStreams(sync, natsServer ?? ''))
  }
  return found
}

async function comparePublish(servers: Servers, isQuick: boolean): Promise<PublishFigure[]> {
  const figures: PublishFigure[] = []
  for (const shape of SHAPES) {
    const floors: number[] = []
    const runs = await interleaved(servers, isQuick, async (server, sync) => {
      const messages = Math.round((shape.messages[sync] ?? 0) / (isQuick ? 2 : 1))
      if (sync === 'ours') {
        const { inFlight } = shape
        floors.push(diskFloor({ inFlight, messages, bytesPerMessage: RECORD_BYTES }))
      }
      const before = bytesWritten(server.pid)
      const run = await load(server, { ...publishOf(shape, messages), isKept: false })
      return { ...run, bytes: (bytesWritten(server.pid) - before) / messages }
    })
    figures.push({
      name: shape.name,
      rates: medians(runs, (run) => run.messagesPerSecond),
      p50Us: medians(runs, (run) => run.p50Us),
      p99Us: medians(runs, (run) => run.p99Us),
      bytesPerMessage: medians(runs, (run) => run.bytes),
      diskAllows: median(floors),
    })
  }
  return figures
}

function publishOf(
  { inFlight, streams }: Pick<PublishShape, 'inFlight' | 'streams'>,
  messages: number,
): Omit<PublishLoad, 'host' | 'port' | 'isKept'> {
  return {
    name: 'publish',
    messages,
    payloadBytes: PAYLOAD_BYTES,
    inFlight,
    streams,
    subjects: 1_000,
  }
}

async function compareConsume(all: Servers, isQuick: boolean): Promise<ConsumeFigure[]> {
  const messages = isQuick ? 100_000 : 400_000
  // What is read was written before: how is of no matter, and `always` would take long.
  const servers = new Map([...all].filter(([sync]) => sync !== 'always'))
  for (const server of servers.values()) {
    await load(server, { ...publishOf({ inFlight: 10_000, streams: 1 }, messages), isKept: false })
  }
  const figures: ConsumeFigure[] = []
  for (const { kind, name, hasAim } of KINDS) {
    const read = (server: StreamServer): Promise<StreamLoadResult> =>
      load(server, { name: 'consume', messages, kind })
    // Of a server that has just begun a first run tells little: what it does often is being compiled.
    for (const server of servers.values()) await read(server)
    const runs = await interleaved(servers, isQuick, async (server) => {
      const before = cpuSeconds(server.pid)
      const run = await read(server)
      return { ...run, cpuUs: ((cpuSeconds(server.pid) - before) * 1e6) / run.servedMessages }
    })
    figures.push({
      name,
      hasAim,
      rates: medians(runs, (run) => run.messagesPerSecond),
      cpuUs: medians(runs, (run) => run.cpuUs),
      clientCores: medians(runs, (run) => run.clientCores),
    })
  }
  return figures
}

async function compareKv(servers: Servers, isQuick: boolean): Promise<Each<KvLoadResult>> {
  const keys = isQuick ? 5_000 : 20_000
  const runs = await interleaved(servers, isQuick, ({ host, port }) =>
    runLoad<KvLoad, KvLoadResult>('kv-load.ts', { host, port, keys, inFlight: 64 }),
  )
  const result = (all: readonly KvLoadResult[]): KvLoadResult => ({
    putsPerSecond: median(all.map((run) => run.putsPerSecond)),
    getsPerSecond: median(all.map((run) => run.getsPerSecond)),
    watchedPerSecond: median(all.map((run) => run.watchedPerSecond)),
  })
  return Object.fromEntries([...runs].map(([sync, all]) => [sync, result(all)]))
}

async function measureSubjects(server: StreamServer, subjects: number) {
  try {
    const shape = { ...publishOf({ inFlight: 10_000, streams: 1 }, subjects), subjects }
    const { messagesPerSecond } = await fill(server, { ...shape, isKept: false })
    return { rate: messagesPerSecond, rssMiB: rssMiB(server.pid) }
  } finally {
    await server.stop()
  }
}

async function measureStart(
  first: StreamServer,
  messages: number,
  subjects: number,
): Promise<StartFigure> {
  let server = first
  try {
    const shape = { ...publishOf({ inFlight: 10_000, streams: 1 }, messages), subjects }
    await fill(server, { ...shape, isKept: false })
    server = await server.restart(false)
    const { readyMs } = server
    const rssWhenReady = rssMiB(server.pid)
    // What it takes to read them all counts too.
    await fill(server, { name: 'consume', messages, kind: 'pull-none' })
    const rss = Math.max(rssWhenReady, rssMiB(server.pid))
    server = await server.restart(true)
    return { readyMs, readyAfterKillMs: server.readyMs, rssMiB: rss }
  } finally {
    await server.stop()
  }
}

type ShapeOf<Load> = Load extends StreamLoad ? Omit<Load, 'host' | 'port'> : never

function load({ host, port }: StreamServer, shape: ShapeOf<StreamLoad>): Promise<StreamLoadResult> {
  return runLoad<StreamLoad, StreamLoadResult>('stream-load.ts', { ...shape, host, port })
}

/** The same with millions of messages. */
function fill({ host, port }: StreamServer, shape: ShapeOf<StreamLoad>): Promise<StreamLoadResult> {
  const options = { deadlineMs: FILL_DEADLINE_MS }
  return runLoad<StreamLoad, StreamLoadResult>('stream-load.ts', { ...shape, host, port }, options)
}
