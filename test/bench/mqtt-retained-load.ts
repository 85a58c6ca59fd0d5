import { BenchClient, publishPacket } from './mqtt-client.ts'

/**
 * Stores retained messages, each on a topic of its own, and reads them all by one subscription:
 * `mqtt-retained-load.ts '<json of RetainedLoad>'` prints the JSON of a RetainedResult.
 */
export interface RetainedLoad {
  readonly host: string
  readonly port: number
  readonly messages: number
  readonly payloadBytes: number
  readonly inFlight: number
}

export interface RetainedResult {
  readonly storedPerSecond: number
  readonly replayedPerSecond: number
}

async function run(load: RetainedLoad): Promise<RetainedResult> {
  const { host, port, messages } = load
  const publisher = await BenchClient.open({ host, port, clientId: 'retained-p', isClean: true })
  const payload = Buffer.alloc(load.payloadBytes, 'x')
  let sent = 0
  let startMs = performance.now()
  await new Promise<void>((resolve) => {
    const fill = (): void => {
      const packets: Buffer[] = []
      while (sent < messages && sent - publisher.acknowledged < load.inFlight) {
        const topic = `retained/${sent % 100}/${sent}`
        packets.push(publishPacket(topic, payload, 1, (sent++ % 65_535) + 1, true))
      }
      if (packets.length > 0) publisher.write(Buffer.concat(packets))
      if (publisher.acknowledged >= messages) resolve()
    }
    publisher.onChunk = fill
    fill()
  })
  const storedPerSecond = Math.round(messages / ((performance.now() - startMs) / 1_000))
  const subscriber = await BenchClient.open({ host, port, clientId: 'retained-s', isClean: true })
  startMs = performance.now()
  const all = new Promise<void>((resolve) => {
    subscriber.onChunk = () => {
      if (subscriber.received >= messages) resolve()
    }
  })
  await subscriber.subscribe('retained/#', 0)
  await all
  const replayedPerSecond = Math.round(messages / ((performance.now() - startMs) / 1_000))
  await subscriber.close()
  await publisher.close()
  return { storedPerSecond, replayedPerSecond }
}

const result = await run(JSON.parse(process.argv[2] ?? '{}'))
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0))
