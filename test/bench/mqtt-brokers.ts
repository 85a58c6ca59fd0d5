import type { IdleLoad, IdleLoadResult } from './idle-load.ts'
import { runLoad } from './load-process.ts'
import type { FlowLoad, FlowResult } from './mqtt-flow-load.ts'
import type { RetainedLoad, RetainedResult } from './mqtt-retained-load.ts'
import { type MqttServer, type MqttServerName, startMqtt } from './mqtt-servers.ts'
import { count, type Figure, median, ratio } from './results.ts'

/**
 * MQTT brokers side by side: the same load on each in turn, round by round. Above QoS 0 subscribers have
 * sessions that are kept, so that a message is stored before it is acknowledged: here on disk, synced; at the
 * others in memory, or in a file that is not synced.
 */
export interface BrokersOptions {
  readonly binaries: Readonly<Partial<Record<MqttServerName, string>>>
  readonly isQuick: boolean
}

interface Shape {
  readonly name: string
  readonly load: Pick<FlowLoad, 'qos' | 'publishers' | 'subscribers' | 'inFlight'>
  /** As multiples of the peers. */
  readonly aims: Readonly<Partial<Record<MqttServerName, number>>>
}

export interface FlowFigure {
  readonly name: string
  readonly aims: Shape['aims']
  /** Deliveries per second, of all subscribers together; medians. */
  readonly rates: Rates
}

type Rates = Readonly<Partial<Record<MqttServerName, number>>>

export interface BrokersResult {
  readonly flows: readonly FlowFigure[]
  readonly retainedStored: Rates
  readonly retainedReplayed: Rates
  readonly p50Ms: Rates
  readonly p99Ms: Rates
  /** Of each idle connection, with one subscription. */
  readonly idleKb: Rates
}

const IN_FLIGHT = 1_000
const PAYLOAD_BYTES = 128
const RATE = 2_000
const IDLE = 10_000
/** In a quick run too: with a fifth of them it is measured how a process starts, not what it does. */
const RETAINED = 100_000
const IDLE_AIM_KB = 10
const KB_PER_MIB = 1_048.576

const SHAPES: readonly Shape[] = [
  flow('QoS 0, 1 to 1', 0, 1, 1, { nats: 1, mosquitto: 5 }),
  flow('QoS 1, 1 to 1', 1, 1, 1, { nats: 3, mosquitto: 3 }),
  flow('QoS 2, 1 to 1', 2, 1, 1, { mosquitto: 2 }),
  flow('QoS 1, 50 to 1', 1, 50, 1, { nats: 3, mosquitto: 3 }),
  flow('QoS 0, 1 to 100', 0, 1, 100, {}),
  flow('QoS 1, 1 to 100', 1, 1, 100, {}),
]

function flow(
  name: string,
  qos: 0 | 1 | 2,
  publishers: number,
  subscribers: number,
  aims: Shape['aims'],
): Shape {
  return { name, load: { qos, publishers, subscribers, inFlight: IN_FLIGHT }, aims }
}

export async function benchBrokers(options: BrokersOptions): Promise<BrokersResult> {
  const { isQuick } = options
  const flows: FlowFigure[] = []
  for (const { name, load, aims } of SHAPES) {
    const whole = flowLoad(load, isQuick)
    const results = await sideBySide(options, (server) => measureFlow(server, whole))
    flows.push({ name, aims, rates: medians(results, (it) => it.deliveredPerSecond) })
  }
  const retained = await sideBySide(options, ({ host, port }) =>
    runLoad<RetainedLoad, RetainedResult>('mqtt-retained-load.ts', {
      ...{ host, port, messages: RETAINED },
      ...{ payloadBytes: PAYLOAD_BYTES, inFlight: IN_FLIGHT },
    }),
  )
  const steady = flowLoad({ qos: 1, publishers: 1, subscribers: 1, inFlight: IN_FLIGHT }, isQuick)
  const paced = await sideBySide(options, (server) =>
    measureFlow(server, { ...steady, perSecond: RATE }),
  )
  const idle = await sideBySide(options, ({ host, port, pid }) =>
    runLoad<IdleLoad, IdleLoadResult>('mqtt-idle-load.ts', {
      ...{ host, port, pid },
      // Also when it is to be quick: what the first clients make a process grow once belongs to no client.
      ...{ connections: IDLE, idleSeconds: 3 },
    }),
  )
  return {
    flows,
    retainedStored: medians(retained, (it) => it.storedPerSecond),
    retainedReplayed: medians(retained, (it) => it.replayedPerSecond),
    p50Ms: medians(paced, (it) => it.p50Ms),
    p99Ms: medians(paced, (it) => it.p99Ms),
    idleKb: medians(idle, (it) => ((it.rssMiB - it.rssBeforeMiB) * KB_PER_MIB) / IDLE),
  }
}

export function brokerFigures(result: BrokersResult): Figure[] {
  const { flows, retainedStored, retainedReplayed, p50Ms, p99Ms, idleKb } = result
  return [
    ...flows.flatMap(({ name, rates, aims }) => beside(`${name}, 128 B`, rates, aims)),
    ...beside('retained, stored', retainedStored, {}),
    ...beside('retained, replayed', retainedReplayed, {}),
    ...times(`latency at ${count(RATE)}/s, QoS 1`, p50Ms, p99Ms),
    {
      name: 'memory of an idle client',
      value: `${(idleKb.ours ?? 0).toFixed(1)} kB`,
      peer: peersOf(idleKb, (kb) => `${kb.toFixed(1)}`),
      aim: `<= ${IDLE_AIM_KB} kB`,
      isMet: (idleKb.ours ?? 0) <= IDLE_AIM_KB,
    },
  ]
}

function beside(name: string, rates: Rates, aims: Shape['aims']): Figure[] {
  const { ours = 0, ...peers } = rates
  const figures: Figure[] = [{ name, value: `${count(ours)} msgs/s` }]
  for (const [peer, rate] of Object.entries(peers) as [MqttServerName, number][]) {
    const aim = aims[peer]
    const times = ours / rate
    figures.push({
      name: `  against ${peer}`,
      value: ratio(times),
      peer: count(rate),
      ...(aim === undefined ? {} : { aim: `>= ${aim}x`, isMet: times >= aim }),
    })
  }
  return figures
}

function times(name: string, p50: Rates, p99: Rates): Figure[] {
  const both = (who: MqttServerName): string =>
    `p50 ${(p50[who] ?? 0).toFixed(2)} ms, p99 ${(p99[who] ?? 0).toFixed(2)} ms`
  const peers = (Object.keys(p50) as MqttServerName[]).filter((who) => who !== 'ours')
  return [
    { name, value: both('ours') },
    ...peers.map((who) => ({ name: `  ${who}`, value: both(who) })),
  ]
}

function peersOf(rates: Rates, show: (value: number) => string): string {
  const peers = Object.entries(rates).filter(([who]) => who !== 'ours')
  return peers.map(([who, value]) => `${who} ${show(value)}`).join(', ')
}

function flowLoad(load: Shape['load'], isQuick: boolean): Omit<FlowLoad, 'host' | 'port'> {
  return {
    ...load,
    isDurable: load.qos > 0,
    payloadBytes: PAYLOAD_BYTES,
    warmUpMs: isQuick ? 300 : 1_000,
    measureMs: isQuick ? 1_500 : 3_000,
    perSecond: 0,
  }
}

function measureFlow(
  { host, port }: MqttServer,
  load: Omit<FlowLoad, 'host' | 'port'>,
): Promise<FlowResult> {
  return runLoad<FlowLoad, FlowResult>('mqtt-flow-load.ts', { ...load, host, port })
}

type Results<Result> = ReadonlyMap<MqttServerName, readonly Result[]>

/** Each round asks every broker once, each of them new, so that what slows the machine slows all. */
async function sideBySide<Result>(
  { binaries, isQuick }: BrokersOptions,
  measure: (server: MqttServer) => Promise<Result>,
): Promise<Results<Result>> {
  const results = new Map<MqttServerName, Result[]>()
  for (let round = 0; round < (isQuick ? 1 : 3); round++) {
    for (const [name, binary] of Object.entries(binaries) as [MqttServerName, string][]) {
      const server = await startMqtt(name, binary)
      try {
        const found = results.get(name) ?? []
        found.push(await measure(server))
        results.set(name, found)
      } finally {
        await server.stop()
      }
    }
  }
  return results
}

function medians<Result>(results: Results<Result>, figure: (result: Result) => number): Rates {
  const rates: Partial<Record<MqttServerName, number>> = {}
  for (const [name, all] of results) rates[name] = median(all.map(figure))
  return rates
}
