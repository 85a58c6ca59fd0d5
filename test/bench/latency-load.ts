import { connect as connectSocket } from 'node:net'
import { DeliverPolicy, jetstream } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { percentile } from './results.ts'

/**
 * One sensor at a steady rate, and whoever waits for its readings at the hub, in one process, so that
 * one clock times all: `latency-load.ts '<json of LatencyLoad>'` prints the JSON of a LatencyResult.
 */
export interface LatencyLoad {
  readonly mqttPort: number
  readonly hubPort: number
  readonly perSecond: number
  readonly seconds: number
  readonly payloadBytes: number
}

export interface Latency {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly received: number
}

export interface LatencyResult {
  readonly sent: number
  /** Sensor to PUBACK: on the leaf's disk. */
  readonly puback: Latency
  /** Sensor to a plain subscriber at the hub: on both disks. */
  readonly subscriber: Latency
  /** Sensor to a consumer of the hub's stream. */
  readonly consumer: Latency
}

const TOPIC = 'bench/latency/temp'
const SUBJECT = 'bench.latency.temp'
const WARM_UP_MS = 1_000
const SETTLE_DEADLINE_MS = 5_000
const PUBACK_BYTES = 4

class Samples {
  readonly #sentAtMs: readonly number[]
  readonly #delaysMs: number[] = []
  readonly #first: number

  constructor(sentAtMs: readonly number[], first: number) {
    this.#sentAtMs = sentAtMs
    this.#first = first
  }

  take(reading: number): void {
    const sentMs = this.#sentAtMs[reading]
    if (sentMs !== undefined && reading >= this.#first) {
      this.#delaysMs.push(performance.now() - sentMs)
    }
  }

  get count(): number {
    return this.#delaysMs.length
  }

  get latency(): Latency {
    return {
      p50Ms: percentile(this.#delaysMs, 0.5),
      p99Ms: percentile(this.#delaysMs, 0.99),
      received: this.count,
    }
  }
}

async function run(load: LatencyLoad): Promise<LatencyResult> {
  const sentAtMs: number[] = []
  const warmUp = Math.round((load.perSecond * WARM_UP_MS) / 1_000)
  const total = warmUp + load.perSecond * load.seconds
  const [puback, subscriber, consumer] = [0, 1, 2].map(() => new Samples(sentAtMs, warmUp)) as [
    Samples,
    Samples,
    Samples,
  ]
  const nats = await connect({ servers: `127.0.0.1:${load.hubPort}` })
  nats.subscribe(SUBJECT, {
    callback: (_error, message) => subscriber.take(readingOf(message.data)),
  })
  const stream = await jetstream(nats).consumers.get('bench', { deliver_policy: DeliverPolicy.New })
  const messages = await stream.consume({
    callback: (message) => consumer.take(readingOf(message.data)),
  })
  await nats.flush()
  const sensor = await openSensor(load, (reading) => puback.take(reading))

  const startedMs = performance.now()
  const wanted = total - warmUp
  await new Promise<void>((resolve) => {
    const tick = setInterval(() => {
      const due = ((performance.now() - startedMs) * load.perSecond) / 1_000
      for (; sentAtMs.length < Math.min(due, total); ) {
        const reading = sentAtMs.length
        sentAtMs.push(performance.now())
        sensor.publish(reading)
      }
      const slowest = Math.min(puback.count, subscriber.count, consumer.count)
      const isLate =
        performance.now() - startedMs > (total / load.perSecond) * 1_000 + SETTLE_DEADLINE_MS
      if (slowest < wanted && !isLate) return
      clearInterval(tick)
      resolve()
    }, 1)
  })
  messages.stop()
  sensor.close()
  await nats.close()
  return {
    sent: wanted,
    puback: puback.latency,
    subscriber: subscriber.latency,
    consumer: consumer.latency,
  }
}

function readingOf(payload: Uint8Array): number {
  return Buffer.from(payload.buffer, payload.byteOffset, 8).readDoubleBE()
}

interface OpenSensor {
  publish(reading: number): void
  close(): void
}

/** A bare MQTT 3.1.1 client: what it costs itself must not be in the figure. */
async function openSensor(
  load: LatencyLoad,
  onPuback: (reading: number) => void,
): Promise<OpenSensor> {
  const socket = connectSocket({ host: '127.0.0.1', port: load.mqttPort, noDelay: true })
  const id = Buffer.from('bench-latency')
  const head = Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 0, 0, id.length])
  socket.write(Buffer.concat([Buffer.of(0x10, head.length + id.length), head, id]))
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.once('data', (connack: Buffer) =>
      connack[3] === 0 ? resolve() : reject(new Error(`CONNACK was ${connack.toString('hex')}`)),
    )
  })
  let received = 0
  let acknowledged = 0
  socket.on('data', (bytes: Buffer) => {
    received += bytes.length
    for (; acknowledged < Math.floor(received / PUBACK_BYTES); acknowledged++)
      onPuback(acknowledged)
  })
  const length = 2 + TOPIC.length + 2 + load.payloadBytes
  return {
    publish: (reading) => {
      const packet = Buffer.alloc(3 + length, 'x')
      packet.set([0x32, (length & 0x7f) | 0x80, length >> 7])
      packet.writeUInt16BE(TOPIC.length, 3)
      packet.write(TOPIC, 5)
      packet.writeUInt16BE((reading % 65_535) + 1, 5 + TOPIC.length)
      packet.writeDoubleBE(reading, 7 + TOPIC.length)
      socket.write(packet)
    },
    close: () => socket.destroy(),
  }
}

const result = await run(JSON.parse(process.argv[2] ?? '{}'))
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0))
