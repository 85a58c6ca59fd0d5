import { rssMiB } from './process-figures.ts'
import { CONNECT, RawSocket } from './raw-socket.ts'

/**
 * A million subscriptions of one client, none of which the traffic matches, and then the traffic of 10,000
 * subjects beside them: what a subscription costs, and whether it costs anything per message.
 */
export interface InterestLoad {
  readonly host: string
  readonly port: number
  readonly subscriptions: number
  readonly pid: number
}

export interface InterestLoadResult {
  readonly subscribeSeconds: number
  readonly rssBeforeMiB: number
  readonly rssAfterMiB: number
}

const PER_WRITE = 5_000

async function run(load: InterestLoad): Promise<InterestLoadResult> {
  const rssBeforeMiB = rssMiB(load.pid)
  const subscriber = new RawSocket(load)
  await subscriber.settle(CONNECT)
  const startedMs = performance.now()
  for (let from = 0; from < load.subscriptions; from += PER_WRITE) {
    const lines = Array.from({ length: PER_WRITE }, (_, i) => {
      const id = from + i
      return `SUB plant.${id % 1_000}.sensor.${id} ${id}\r\n`
    })
    await subscriber.write(Buffer.from(lines.join('')))
  }
  await subscriber.settle('')
  const subscribeSeconds = (performance.now() - startedMs) / 1_000
  const rssAfterMiB = rssMiB(load.pid)
  return { subscribeSeconds, rssBeforeMiB, rssAfterMiB }
}

/** Its subscriptions stay as long as this process: the caller ends it when it has measured beside them. */
const result = await run(JSON.parse(process.argv[2] ?? '{}'))
process.stdout.write(`${JSON.stringify(result)}\n`)
