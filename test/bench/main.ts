/**
 * `npm run bench [-- core|mqtt|streams|sync|store|all …] [--quick]`: the figures of the project, beside its peers
 * where there are any, as tables and as bench-results/<name>.json. All servers run as processes of their own.
 */
import { execFileSync } from 'node:child_process'
import * as path from 'node:path'
import { benchCore } from './core.ts'
import { coreFigures } from './core-figures.ts'
import { runLoad } from './load-process.ts'
import { findPeers, type MachineFacts, machineFacts, type Peers } from './machine.ts'
import { benchMqtt } from './mqtt.ts'
import { benchBrokers, brokerFigures } from './mqtt-brokers.ts'
import { count, type Figure, ROOT, ratio, table, writeResult } from './results.ts'
import type { StoreBenchOptions, StoreBenchResult } from './store.ts'
import { benchStreams } from './streams.ts'
import { streamsFigures } from './streams-figures.ts'
import { benchSync, type SyncBenchResult } from './sync.ts'

interface Outcome {
  readonly title: string
  readonly figures: readonly Figure[]
  readonly result: unknown
}

type Suite = (peers: Peers, isQuick: boolean) => Promise<Outcome>

const INGEST_RATIO_AIM = 3
const DRAIN_AIM = 200_000
const RSS_AIM_MIB = 100
const READY_AIM_MS = 1_000

const SUITES: Readonly<Record<string, Suite>> = { core, mqtt, streams, sync, store }

async function core({ natsServer }: Peers, isQuick: boolean): Promise<Outcome> {
  const result = await benchCore({ natsServer, isQuick })
  return { title: 'Core: NATS clients over a hub', figures: coreFigures(result), result }
}

async function mqtt({ mosquitto, natsServer }: Peers, isQuick: boolean): Promise<Outcome> {
  const binaries = {
    ours: '',
    ...(mosquitto === undefined ? {} : { mosquitto }),
    ...(natsServer === undefined ? {} : { nats: natsServer }),
  }
  const brokers = await benchBrokers({ binaries, isQuick })
  const measureMs = isQuick ? 1_500 : 3_000
  const result = await benchMqtt({ mosquitto, rounds: isQuick ? 2 : 5, measureMs })
  const figures = result.ingest.map((shape): Figure => {
    const publishers = shape.publishers === 1 ? '1 publisher' : `${shape.publishers} publishers`
    return {
      name: `ingest at a leaf, QoS 1, ${publishers}, ${count(shape.inFlightTogether)} in flight`,
      value: `${count(shape.leaf)} msgs/s, p99 ${shape.leafP99Ms.toFixed(1)} ms`,
      peer: peer('mosquitto', shape.mosquitto, shape.ratio),
      aim: `>= ${INGEST_RATIO_AIM}x`,
      isMet: shape.ratio === undefined ? undefined : shape.ratio >= INGEST_RATIO_AIM,
    }
  })
  figures.push({
    name: '  the same 50, while the hub takes them',
    value: `${count(result.whileSyncing)} msgs/s`,
  })
  const title = 'MQTT: acknowledged when on disk (mosquitto, nats-server: as they are by default)'
  return {
    title,
    figures: [...brokerFigures(brokers), ...figures],
    result: { brokers, ...result },
  }
}

async function streams({ natsServer }: Peers, isQuick: boolean): Promise<Outcome> {
  const result = await benchStreams({ natsServer, isQuick })
  const title = 'Streams: acknowledged when on disk (nats-server: as it is told)'
  return { title, figures: streamsFigures(result), result }
}

async function sync(_peers: Peers, isQuick: boolean): Promise<Outcome> {
  const result = await benchSync({
    latencySeconds: isQuick ? 4 : 20,
    backlog: isQuick ? 300_000 : 1_000_000,
    backlogToStart: isQuick ? 500_000 : 5_000_000,
  })
  return { title: 'Sync: a leaf and its hub', figures: syncFigures(result), result }
}

function syncFigures({ latency, drain, start }: SyncBenchResult): Figure[] {
  const between = (name: string, { p50Ms, p99Ms }: { p50Ms: number; p99Ms: number }): Figure => ({
    name: `${name}, ${latency.perSecond}/s`,
    value: `p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`,
  })
  const memory = (name: string, rssMiB: number): Figure => ({
    name,
    value: `${rssMiB} MiB`,
    aim: `< ${RSS_AIM_MIB} MiB`,
    isMet: rssMiB < RSS_AIM_MIB,
  })
  const backlog = `${count(drain.messages)} messages of ${drain.payloadBytes} B`
  return [
    between('sensor to PUBACK', latency.puback),
    between('sensor to subscriber at the hub', latency.subscriber),
    between('sensor to stream consumer at the hub', latency.consumer),
    {
      name: `drain of ${backlog}`,
      value: `${count(drain.messagesPerSecond)} msgs/s`,
      aim: `>= ${count(DRAIN_AIM)}`,
      isMet: drain.messagesPerSecond >= DRAIN_AIM,
    },
    { name: '  first stored after the hub is ready', value: `${count(drain.firstAfterMs)} ms` },
    memory('leaf memory with that backlog, after a start', drain.rssAfterStartMiB),
    memory('leaf memory with that backlog, just filled', drain.rssAfterFillMiB),
    { name: 'leaf memory, peak while draining', value: `${drain.rssPeakOfDrainMiB} MiB` },
    {
      name: `start to ready with ${count(start.messages)} messages`,
      value: `${count(start.readyMs)} ms`,
      aim: `< ${count(READY_AIM_MS)} ms`,
      isMet: start.readyMs < READY_AIM_MS,
    },
    { name: '  after kill -9', value: `${count(start.readyAfterKillMs)} ms` },
    { name: '  leaf memory then', value: `${start.rssMiB} MiB` },
  ]
}

async function store(_peers: Peers, isQuick: boolean): Promise<Outcome> {
  const options = { secondsEach: isQuick ? 1 : 2, messages: isQuick ? 300_000 : 1_000_000 }
  const result = await runLoad<StoreBenchOptions, StoreBenchResult>('store-run.ts', options)
  const figures = Object.entries(result.appendsPerSecond).map(
    ([inFlight, rate]): Figure => ({
      name: `durable appends, 128 B, ${count(Number(inFlight))} in flight`,
      value: `${count(rate)} msgs/s`,
    }),
  )
  figures.push(
    { name: 'read in order', value: `${count(result.readPerSecond)} msgs/s` },
    { name: `open with ${count(result.messages)} messages`, value: `${count(result.openMs)} ms` },
  )
  return { title: 'Store: the commit journal alone', figures, result }
}

function peer(name: string, rate: number | undefined, times: number | undefined): string {
  return rate === undefined ? `no ${name}` : `${name} ${count(rate)}, ${ratio(times)}`
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

function describe({ cpu, cores, memoryGiB, filesystem, load, versions }: MachineFacts): string {
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return [
    `${cores} x ${cpu}, ${memoryGiB} GiB, ${filesystem}, load ${load.join(' ')}`,
    `${programs.join(', ')}\n`,
  ].join('\n')
}

async function main(args: readonly string[]): Promise<void> {
  const isQuick = args.includes('--quick')
  const asked = args.filter((arg) => arg !== '--quick')
  const unknown = asked.find((name) => name !== 'all' && SUITES[name] === undefined)
  if (unknown !== undefined) {
    throw new Error(
      `unknown benchmark ${unknown}: there are ${Object.keys(SUITES).join(', ')}, all`,
    )
  }
  const isAll = asked.length === 0 || asked.includes('all')
  const names = isAll ? Object.keys(SUITES) : asked
  execFileSync(process.execPath, [path.join(ROOT, 'scripts/setup.mjs'), '--build'], {
    stdio: 'inherit',
  })
  const peers = findPeers()
  print(describe(machineFacts(peers)))
  for (const [name, file] of Object.entries(peers)) {
    if (file === undefined) print(`${name} is missing: see scripts/peers.mjs\n`)
  }
  for (const name of names) {
    const machine = machineFacts(peers)
    const outcome = await SUITES[name]?.(peers, isQuick)
    if (outcome === undefined) continue
    const { title, figures, result } = outcome
    print(table(title, figures))
    writeResult(name, { name, isQuick, machine, figures, result })
  }
  print('also in bench-results/<name>.json')
}

await main(process.argv.slice(2))
