/** Durable appends, start and memory of the store, on the machine's own disk. */
import { rmSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { silentLog } from '../../shared/log/index.ts'
import { SystemClock, SystemDisk, SystemRandom } from '../../shared/runtime/index.ts'
import {
  openStore,
  type Store,
  type StreamLimits,
  type StreamStore,
} from '../../shared/store/index.ts'
import { benchFolder } from './results.ts'

const SUBJECTS = 1000
const PAYLOAD_BYTES = 128

const noLimits: StreamLimits = {
  messagesMax: 0,
  bytesMax: 0,
  ageMaxMs: 0,
  messagesPerSubjectMax: 0,
  messageBytesMax: 0,
  discard: 'old',
}

export interface StoreBenchOptions {
  readonly secondsEach: number
  readonly messages: number
}

export interface StoreBenchResult {
  /** Durable appends per second, by appends in flight. */
  readonly appendsPerSecond: Readonly<Record<'1' | '64' | '10000', number>>
  readonly readPerSecond: number
  readonly messages: number
  readonly rssMiB: number
  readonly openMs: number
  readonly rssAfterOpenMiB: number
}

export async function benchStore(options: StoreBenchOptions): Promise<StoreBenchResult> {
  const directory = benchFolder()
  try {
    const store = await open(directory)
    const stream = store.createStream('bench', new Uint8Array(0), noLimits)
    const rate = (inFlight: number): Promise<number> =>
      appendFor(stream, inFlight, options.secondsEach * 1000)
    const appendsPerSecond = {
      '1': await rate(1),
      '64': await rate(64),
      '10000': await rate(10_000),
    }
    while (stream.assignedSeq < options.messages) await appendFor(stream, 10_000, 100)
    const rssMiB = process.memoryUsage.rss() / 2 ** 20
    const readPerSecond = await readAll(stream)
    await store.drain()
    const from = performance.now()
    const again = await open(directory)
    const openMs = performance.now() - from
    const rssAfterOpenMiB = process.memoryUsage.rss() / 2 ** 20
    const messages = again.streams.get('bench')?.state.messages ?? 0
    await again.drain()
    return { appendsPerSecond, readPerSecond, messages, rssMiB, openMs, rssAfterOpenMiB }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function open(directory: string): Promise<Store> {
  return openStore({
    directory,
    clock: new SystemClock(),
    random: new SystemRandom(),
    disk: new SystemDisk(),
    log: silentLog,
  })
}

/** Appends with a steady number in flight; messages per second. */
function appendFor(stream: StreamStore, inFlight: number, ms: number): Promise<number> {
  const subjects = Array.from({ length: SUBJECTS }, (_, i) => Buffer.from(`plant.press.${i}.temp`))
  const headers = new Uint8Array(0)
  const payload = Buffer.alloc(PAYLOAD_BYTES, 'x')
  const from = performance.now()
  let done = 0
  let begun = 0
  return new Promise((resolve, reject) => {
    const committed = (error: Error | undefined): void => {
      if (error !== undefined) {
        reject(error)
        return
      }
      done++
      if ((done & 127) !== 0 && inFlight > 128) return
      if (performance.now() - from < ms) {
        while (begun - done < inFlight) next()
      } else if (done === begun) resolve((done / (performance.now() - from)) * 1000)
    }
    const next = (): void => {
      stream.append(subjects[begun++ % SUBJECTS] as Uint8Array, headers, payload, committed)
    }
    while (begun < inFlight) next()
    const finish = setInterval(() => {
      if (performance.now() - from < ms || done < begun) return
      clearInterval(finish)
      resolve((done / (performance.now() - from)) * 1000)
    }, 5)
  })
}

async function readAll(stream: StreamStore): Promise<number> {
  const from = performance.now()
  let read = 0
  for (let fromSeq = 1; fromSeq <= stream.state.lastSeq; ) {
    const batch = await stream.read({ fromSeq, messagesMax: 2000, bytesMax: 1 << 20 })
    read += batch.messages.length
    fromSeq = batch.nextSeq
  }
  return (read / (performance.now() - from)) * 1000
}
