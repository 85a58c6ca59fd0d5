/** A key-value bucket through the official client, in a process of its own. */
import { Kvm } from '@nats-io/kv'
import { connect } from '@nats-io/transport-node'

export interface KvLoad {
  readonly host: string
  readonly port: number
  readonly keys: number
  readonly inFlight: number
}

export interface KvLoadResult {
  readonly putsPerSecond: number
  readonly getsPerSecond: number
  /** A watcher that is told of every key that is there. */
  readonly watchedPerSecond: number
}

const VALUE = 'x'.repeat(128)

async function run({ host, port, keys, inFlight }: KvLoad): Promise<KvLoadResult> {
  const client = await connect({ servers: `${host}:${port}` })
  const bucket = await new Kvm(client).create(`bench-${process.pid}`, { history: 1 })
  const key = (i: number): string => `sensor.${i}`
  const inParallel = async (each: (i: number) => Promise<unknown>): Promise<number> => {
    let next = 0
    return timed(keys, async () => {
      const worker = async (): Promise<void> => {
        while (next < keys) await each(next++)
      }
      await Promise.all(Array.from({ length: inFlight }, worker))
    })
  }
  const putsPerSecond = await inParallel((i) => bucket.put(key(i), VALUE))
  const getsPerSecond = await inParallel((i) => bucket.get(key(i)))
  const watchedPerSecond = await timed(keys, async () => {
    const watch = await bucket.watch()
    let seen = 0
    for await (const _ of watch) if (++seen === keys) break
  })
  await bucket.destroy()
  await client.close()
  return { putsPerSecond, getsPerSecond, watchedPerSecond }
}

async function timed(operations: number, work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now()
  await work()
  return (operations / (performance.now() - startedMs)) * 1_000
}

const result = await run(JSON.parse(process.argv[2] ?? '{}'))
process.stdout.write(`${JSON.stringify(result)}\n`)
process.exit(0)
