import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * The load generator of the MQTT figures, a process of its own: `mqtt-load.ts '<json of Load>'` prints
 * the JSON of a LoadResult. Packets are encoded once and their identifiers patched in place, and
 * PUBACKs are counted by their bytes, so that the generator is not what is measured.
 */
export interface Load {
  readonly host: string
  readonly port: number
  readonly publishers: number
  readonly payloadBytes: number
  /** Unacknowledged publishes that each publisher keeps on its way. */
  readonly inFlight: number
  readonly warmUpMs: number
  /** 0 measures until `messages` are acknowledged. */
  readonly measureMs: number
  /** Publishes that all publishers make together; 0 for as many as go. */
  readonly messages: number
}

export interface LoadResult {
  readonly acknowledged: number
  readonly perSecond: number
  /** From the write of a packet to its PUBACK, at the given window. */
  readonly p50Ms: number
  readonly p99Ms: number
}

const CONNACK_BYTES = 4
const PUBACK_BYTES = 4
/** One latency sample for every so many acknowledgements. */
const SAMPLE_EVERY = 64
const POLL_MS = 5

class Publisher {
  acknowledged = 0
  readonly latenciesMs: number[] = []
  readonly #socket: Socket
  /** A whole window of packets, written as a circle. */
  readonly #window: Buffer
  readonly #packetBytes: number
  readonly #inFlight: number
  readonly #sentAtMs: Float64Array
  /** What it may still publish. */
  #left: number
  #next = 0
  #receivedBytes = 0

  constructor(socket: Socket, load: Load, index: number) {
    this.#socket = socket
    this.#inFlight = load.inFlight
    const share = Math.ceil((load.messages - index) / load.publishers)
    this.#left = load.messages === 0 ? Number.POSITIVE_INFINITY : share
    this.#sentAtMs = new Float64Array(load.inFlight)
    const packets = Array.from({ length: load.inFlight }, (_, i) =>
      publish(`bench/sensor-${index}/temp`, i + 1, load.payloadBytes),
    )
    this.#packetBytes = packets[0]?.length ?? 0
    this.#window = Buffer.concat(packets)
  }

  start(): void {
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk.length))
    this.#send(this.#inFlight)
  }

  #take(size: number): void {
    const before = Math.floor(this.#receivedBytes / PUBACK_BYTES)
    this.#receivedBytes += size
    const acknowledged = Math.floor(this.#receivedBytes / PUBACK_BYTES) - before
    const nowMs = performance.now()
    for (let i = before; i < before + acknowledged; i++) {
      if (i % SAMPLE_EVERY === 0) {
        this.latenciesMs.push(nowMs - (this.#sentAtMs[i % this.#inFlight] ?? nowMs))
      }
    }
    this.acknowledged += acknowledged
    this.#send(acknowledged)
  }

  #send(count: number): void {
    const nowMs = performance.now()
    let rest = Math.min(count, this.#left)
    this.#left -= rest
    while (rest > 0) {
      const run = Math.min(rest, this.#inFlight - this.#next)
      this.#sentAtMs.fill(nowMs, this.#next, this.#next + run)
      const start = this.#next * this.#packetBytes
      this.#socket.write(this.#window.subarray(start, start + run * this.#packetBytes))
      this.#next = (this.#next + run) % this.#inFlight
      rest -= run
    }
  }
}

function publish(topic: string, packetId: number, payloadBytes: number): Buffer {
  const length = 2 + topic.length + 2 + payloadBytes
  const head = Buffer.from([0x32, (length & 0x7f) | (length > 0x7f ? 0x80 : 0), length >> 7])
  const fixed = length > 0x7f ? head : head.subarray(0, 2)
  const body = Buffer.alloc(length, 'x')
  body.writeUInt16BE(topic.length)
  body.write(topic, 2)
  body.writeUInt16BE(packetId, 2 + topic.length)
  return Buffer.concat([fixed, body])
}

async function open(load: Load, index: number): Promise<Publisher> {
  const socket = connect({ host: load.host, port: load.port, noDelay: true })
  const id = Buffer.from(`bench-${process.pid}-${index}`)
  const body = Buffer.concat([
    Buffer.from([0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 0, 0, id.length]),
    id,
  ])
  socket.write(Buffer.concat([Buffer.of(0x10, body.length), body]))
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.once('data', (connack: Buffer) => {
      if (connack.length === CONNACK_BYTES && connack[3] === 0) resolve()
      else reject(new Error(`CONNACK was ${connack.toString('hex')}`))
    })
  })
  return new Publisher(socket, load, index)
}

async function run(load: Load): Promise<LoadResult> {
  const publishers: Publisher[] = []
  for (let i = 0; i < load.publishers; i++) publishers.push(await open(load, i))
  for (const publisher of publishers) publisher.start()
  if (load.warmUpMs > 0) await delay(load.warmUpMs)
  const startMs = performance.now()
  const before = total(publishers)
  for (const publisher of publishers) publisher.latenciesMs.length = 0
  if (load.measureMs > 0) await delay(load.measureMs)
  else while (total(publishers) < load.messages) await delay(POLL_MS)
  const acknowledged = total(publishers) - before
  const tookMs = performance.now() - startMs
  const latencies = publishers.flatMap(({ latenciesMs }) => latenciesMs).sort((a, b) => a - b)
  return {
    acknowledged,
    perSecond: Math.round((acknowledged / tookMs) * 1_000),
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
  }
}

function total(publishers: readonly Publisher[]): number {
  return publishers.reduce((sum, publisher) => sum + publisher.acknowledged, 0)
}

function percentile(sorted: readonly number[], share: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return Math.round(value * 1_000) / 1_000
}

const [, script, argument] = process.argv
if (script?.endsWith('mqtt-load.ts') && argument !== undefined) {
  const result = await run(JSON.parse(argument))
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0))
}
