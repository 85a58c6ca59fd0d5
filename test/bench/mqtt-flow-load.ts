import { setTimeout as delay } from 'node:timers/promises'
import { BenchClient, publishPacket } from './mqtt-client.ts'
import { percentile } from './results.ts'

/**
 * Publishers and subscribers of one QoS, in a process of their own: `mqtt-flow-load.ts '<json of FlowLoad>'`
 * prints the JSON of a FlowResult. Every subscriber gets every message. Above QoS 0 a publisher keeps a window
 * of unacknowledged messages; at QoS 0 it has as many on their way as have not been delivered.
 */
export interface FlowLoad {
  readonly host: string
  readonly port: number
  readonly qos: 0 | 1 | 2
  readonly publishers: number
  readonly subscribers: number
  /** Subscribers whose sessions are kept: what they have not acknowledged is stored. */
  readonly isDurable: boolean
  readonly payloadBytes: number
  /** On their way at a time, of all publishers together. */
  readonly inFlight: number
  readonly warmUpMs: number
  readonly measureMs: number
  /** Publishes per second; 0 for as many as go. */
  readonly perSecond: number
}

export interface FlowResult {
  /** Of all subscribers together. */
  readonly deliveredPerSecond: number
  readonly publishedPerSecond: number
  /** From the publisher's write to the subscriber, at a steady rate only. */
  readonly p50Ms: number
  readonly p99Ms: number
}

const TIME_BYTES = 8
const TICK_MS = 1
const PACKET_IDS = 65_535

class FlowPublisher {
  sent = 0
  readonly #client: BenchClient
  readonly #load: FlowLoad
  readonly #window: number
  readonly #topic: string
  readonly #block: readonly Buffer[]
  #nextId = 1

  constructor(client: BenchClient, load: FlowLoad, index: number) {
    this.#client = client
    this.#load = load
    this.#topic = `bench/flow/${index}`
    this.#window = Math.max(1, Math.floor(load.inFlight / load.publishers))
    const payload = Buffer.alloc(load.payloadBytes, 'x')
    // As many packets as may be in flight are made once, with identifiers of their own.
    this.#block = Array.from({ length: this.#window }, (_, i) =>
      publishPacket(this.#topic, payload, load.qos, i + 1),
    )
  }

  get acknowledged(): number {
    return this.#client.acknowledged
  }

  /** Keeps the window full. */
  fill(delivered: number): void {
    const done = this.#load.qos === 0 ? delivered : this.acknowledged
    const count = this.#window - (this.sent - done)
    if (count <= 0) return
    const packets: Buffer[] = []
    for (let i = 0; i < count; i++) packets.push(this.#block[this.sent++ % this.#window] as Buffer)
    this.#client.write(Buffer.concat(packets))
  }

  /** One message with the time in it. */
  sendTimed(): void {
    const payload = Buffer.alloc(Math.max(TIME_BYTES, this.#load.payloadBytes), 'x')
    payload.writeDoubleBE(performance.now())
    this.#client.write(publishPacket(this.#topic, payload, this.#load.qos, this.#nextId))
    this.#nextId = this.#nextId === PACKET_IDS ? 1 : this.#nextId + 1
    this.sent++
  }

  get client(): BenchClient {
    return this.#client
  }
}

async function run(load: FlowLoad): Promise<FlowResult> {
  const { host, port, qos } = load
  const prefix = `flow-${process.pid}`
  const subscribers: BenchClient[] = []
  for (let i = 0; i < load.subscribers; i++) {
    const options = { host, port, clientId: `${prefix}-s${i}`, isClean: !load.isDurable }
    const client = await BenchClient.open(options)
    await client.subscribe('bench/flow/#', qos)
    subscribers.push(client)
  }
  const publishers: FlowPublisher[] = []
  for (let i = 0; i < load.publishers; i++) {
    const client = await BenchClient.open({
      host,
      port,
      clientId: `${prefix}-p${i}`,
      isClean: true,
    })
    publishers.push(new FlowPublisher(client, load, i))
  }
  const result =
    load.perSecond > 0
      ? await pace(load, publishers, subscribers)
      : await flood(load, publishers, subscribers)
  for (const { client } of publishers) await client.close()
  // Sessions that are kept would go on collecting in the next run.
  for (const [i, client] of subscribers.entries()) {
    await client.close()
    if (!load.isDurable) continue
    const options = { host, port, clientId: `${prefix}-s${i}`, isClean: true }
    await (await BenchClient.open(options)).close()
  }
  return result
}

async function flood(
  load: FlowLoad,
  publishers: readonly FlowPublisher[],
  subscribers: readonly BenchClient[],
): Promise<FlowResult> {
  const delivered = (): number => subscribers.reduce((sum, { received }) => sum + received, 0)
  const published = (): number =>
    publishers.reduce((sum, { acknowledged }) => sum + acknowledged, 0)
  if (load.qos === 0) {
    // Whoever has got least decides: nothing is dropped that way.
    const slowest = (): number =>
      Math.min(...subscribers.map(({ received }) => Math.floor(received / publishers.length)))
    const refill = (): void => {
      const least = slowest()
      for (const publisher of publishers) publisher.fill(least)
    }
    for (const subscriber of subscribers) subscriber.onChunk = refill
    refill()
  } else {
    for (const publisher of publishers) {
      publisher.client.onChunk = () => publisher.fill(0)
      publisher.fill(0)
    }
  }
  await delay(load.warmUpMs)
  const [startMs, deliveredBefore, publishedBefore] = [performance.now(), delivered(), published()]
  await delay(load.measureMs)
  const seconds = (performance.now() - startMs) / 1_000
  const deliveredNow = delivered() - deliveredBefore
  const publishedNow = published() - publishedBefore
  for (const subscriber of subscribers) subscriber.onChunk = () => {}
  for (const { client } of publishers) client.onChunk = () => {}
  return {
    deliveredPerSecond: Math.round(deliveredNow / seconds),
    publishedPerSecond: Math.round(
      (load.qos === 0 ? deliveredNow / load.subscribers : publishedNow) / seconds,
    ),
    p50Ms: 0,
    p99Ms: 0,
  }
}

async function pace(
  load: FlowLoad,
  publishers: readonly FlowPublisher[],
  subscribers: readonly BenchClient[],
): Promise<FlowResult> {
  const delaysMs: number[] = []
  let isMeasuring = false
  for (const subscriber of subscribers) {
    subscriber.onMessage = (bytes, payloadAt) => {
      if (isMeasuring) delaysMs.push(performance.now() - bytes.readDoubleBE(payloadAt))
    }
  }
  const startMs = performance.now()
  const totalMs = load.warmUpMs + load.measureMs
  let sent = 0
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const sinceMs = performance.now() - startMs
      isMeasuring = sinceMs > load.warmUpMs
      if (sinceMs > totalMs) {
        clearInterval(timer)
        resolve()
        return
      }
      for (const due = (sinceMs * load.perSecond) / 1_000; sent < due; sent++) {
        publishers[sent % publishers.length]?.sendTimed()
      }
    }, TICK_MS)
  })
  return {
    deliveredPerSecond: Math.round(delaysMs.length / (load.measureMs / 1_000)),
    publishedPerSecond: load.perSecond,
    p50Ms: percentile(delaysMs, 0.5),
    p99Ms: percentile(delaysMs, 0.99),
  }
}

const result = await run(JSON.parse(process.argv[2] ?? '{}'))
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0))
