import type { KvLoad, KvLoadResult } from './kv-load.ts'
import { runLoad } from './load-process.ts'
import { bytesWritten, rssMiB } from './process-figures.ts'
import { median } from './results.ts'
import type { ConsumeLoad, PublishLoad, StreamLoad, StreamLoadResult } from './stream-load.ts'
import { type StreamServer, type StreamSync, startStreams } from './stream-servers.ts'

/**
 * Streams on disk beside nats-server, once with its default (a message is safe within two minutes) and
 * once with `sync_interval: always`, which is what Petiole promises for every acknowledgement.
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
}

export interface StreamsBenchResult {
  readonly publish: readonly PublishFigure[]
  readonly consume: readonly { readonly name: string; readonly rates: Each<number> }[]
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
const KINDS: readonly ConsumeLoad['kind'][] = ['pull', 'pull-none', 'push']
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
    const kv = await each(servers, (server) => kvOf(server, isQuick))
    await stopAll(servers)
    const subjects = await eachAlone(options, (server) => measureSubjects(server, subjectCount))
    const start = await eachAlone(options, (server) => measureStart(server, startMessages))
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

async function each<Value>(
  servers: Servers,
  measure: (server: StreamServer, sync: StreamSync) => Promise<Value>,
): Promise<Each<Value>> {
  const found: Partial<Record<StreamSync, Value>> = {}
  for (const [sync, server] of servers) found[sync] = await measure(server, sync)
  return found
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
    const results = new Map<StreamSync, { run: StreamLoadResult; bytes: number }[]>()
    for (let round = 0; round < (isQuick ? 2 : 5); round++) {
      for (const [sync, server] of servers) {
        const messages = Math.round((shape.messages[sync] ?? 0) / (isQuick ? 2 : 1))
        const before = bytesWritten(server.pid)
        const run = await load(server, { ...publishOf(shape, messages), isKept: false })
        const bytes = (bytesWritten(server.pid) - before) / messages
        results.set(sync, [...(results.get(sync) ?? []), { run, bytes }])
      }
    }
    const of = (pick: (it: { run: StreamLoadResult; bytes: number }) => number): Each<number> =>
      Object.fromEntries([...results].map(([sync, runs]) => [sync, median(runs.map(pick))]))
    figures.push({
      name: shape.name,
      rates: of(({ run }) => run.messagesPerSecond),
      p50Us: of(({ run }) => run.p50Us),
      p99Us: of(({ run }) => run.p99Us),
      bytesPerMessage: of(({ bytes }) => bytes),
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

async function compareConsume(servers: Servers, isQuick: boolean) {
  const messages = isQuick ? 100_000 : 400_000
  for (const [sync, server] of servers) {
    // What is read was written before: how is of no matter, and `always` would take long.
    if (sync === 'always') continue
    await load(server, { ...publishOf({ inFlight: 10_000, streams: 1 }, messages), isKept: false })
  }
  const figures: { name: string; rates: Each<number> }[] = []
  for (const kind of KINDS) {
    const rates = new Map<StreamSync, number[]>()
    for (let round = 0; round < (isQuick ? 2 : 5); round++) {
      for (const [sync, server] of servers) {
        if (sync === 'always') continue
        const run = await load(server, { name: 'consume', messages, kind })
        rates.set(sync, [...(rates.get(sync) ?? []), run.messagesPerSecond])
      }
    }
    const medians = [...rates].map(([sync, all]) => [sync, median(all)] as const)
    figures.push({ name: kind, rates: Object.fromEntries(medians) })
  }
  return figures
}

function kvOf({ host, port }: StreamServer, isQuick: boolean): Promise<KvLoadResult> {
  const keys = isQuick ? 5_000 : 20_000
  return runLoad<KvLoad, KvLoadResult>('kv-load.ts', { host, port, keys, inFlight: 64 })
}

async function measureSubjects(server: StreamServer, subjects: number) {
  try {
    const shape = { ...publishOf({ inFlight: 10_000, streams: 1 }, subjects), subjects }
    const { messagesPerSecond } = await load(server, { ...shape, isKept: false })
    return { rate: messagesPerSecond, rssMiB: rssMiB(server.pid) }
  } finally {
    await server.stop()
  }
}

async function measureStart(first: StreamServer, messages: number): Promise<StartFigure> {
  let server = first
  try {
    await load(server, { ...publishOf({ inFlight: 10_000, streams: 1 }, messages), isKept: false })
    server = await server.restart(false)
    const { readyMs } = server
    const rss = rssMiB(server.pid)
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
