/** The load of the streams benchmark, in a process of its own: one run of one kind. */
import { StreamSocket } from './stream-socket.ts'

interface Target {
  readonly host: string
  readonly port: number
}

/** Publishes with acknowledgements; `inFlight` of them are awaited at a time, over all streams. */
export interface PublishLoad extends Target {
  readonly name: 'publish'
  readonly messages: number
  readonly payloadBytes: number
  readonly inFlight: number
  readonly streams: number
  readonly subjects: number
  /** Keeps what the streams hold; else they are made anew. */
  readonly isKept: boolean
}

/** Reads stream `bench-0` from its beginning to `messages`. */
export interface ConsumeLoad extends Target {
  readonly name: 'consume'
  readonly messages: number
  /** `pull`: explicit acks; `pull-none` and `push`: without. */
  readonly kind: 'pull' | 'pull-none' | 'push'
}

export type StreamLoad = PublishLoad | ConsumeLoad

export interface StreamLoadResult {
  readonly messages: number
  readonly seconds: number
  readonly messagesPerSecond: number
  readonly p50Us: number
  readonly p99Us: number
}

const ACK_INBOX = '_INBOX.acks'
const PULL_BATCH = 500
const LATENCIES_MAX = 100_000
const LETTER_B = 98
const LETTER_E = 101
const SPACE = 32

async function run(load: StreamLoad): Promise<StreamLoadResult> {
  const socket = await StreamSocket.connect(load)
  try {
    return load.name === 'publish' ? await publish(socket, load) : await consume(socket, load)
  } finally {
    socket.close()
  }
}

async function publish(socket: StreamSocket, load: PublishLoad): Promise<StreamLoadResult> {
  for (let i = 0; i < load.streams; i++) {
    const name = `bench-${i}`
    if (!load.isKept) await socket.request(`STREAM.DELETE.${name}`).catch(() => {})
    await socket.request(`STREAM.CREATE.${name}`, { name, subjects: [`bench.${i}.>`] })
  }
  socket.raw.socket.write(`SUB ${ACK_INBOX} 1\r\n`)
  const payload = 'x'.repeat(load.payloadBytes)
  const digits = String(load.subjects).length
  const publication = (i: number): string => {
    const token = String(i % load.subjects).padStart(digits, '0')
    return `PUB bench.${i % load.streams}.${token} ${ACK_INBOX} ${payload.length}\r\n${payload}\r\n`
  }
  let begun = 0
  let done = 0
  let failed = ''
  const sentAtUs: number[] = []
  const latencies: number[] = []
  const isTimed = load.inFlight === 1
  const send = (count: number): void => {
    let text = ''
    for (let i = 0; i < count; i++) text += publication(begun++)
    if (isTimed) sentAtUs.push(nowUs())
    socket.raw.socket.write(text, 'latin1')
  }
  const startedUs = nowUs()
  await new Promise<void>((resolve) => {
    let owed = 0
    socket.onMessage = (chunk, _start, _lineEnd, start, end) => {
      // `{"error"…` or `{"stream"…`: to search for more would take longer than the servers do.
      if (chunk[start + 2] === LETTER_E) failed ||= chunk.toString('utf8', start, end)
      done++
      if (isTimed && latencies.length < LATENCIES_MAX) {
        latencies.push(nowUs() - (sentAtUs.pop() ?? 0))
      }
      if (done === load.messages || failed !== '') return resolve()
      owed++
      // What a chunk of answers allows is sent in one write.
      if (owed === 1) {
        queueMicrotask(() => {
          const count = Math.min(owed, load.messages - begun)
          owed = 0
          if (count > 0) send(count)
        })
      }
    }
    send(Math.min(load.inFlight, load.messages))
  })
  if (failed !== '') throw new Error(`not stored: ${failed}`)
  return result(done, startedUs, latencies)
}

async function consume(socket: StreamSocket, load: ConsumeLoad): Promise<StreamLoadResult> {
  const inbox = '_INBOX.got'
  const consumer = `c${process.pid}`
  const isAcking = load.kind === 'pull'
  socket.raw.socket.write(`SUB ${inbox} 1\r\n`)
  const startedUs = nowUs()
  let got = 0
  let left = 0
  const pull = (): void => {
    left += PULL_BATCH
    const body = JSON.stringify({ batch: PULL_BATCH, expires: 30_000_000_000 })
    socket.raw.socket.write(
      `PUB $JS.API.CONSUMER.MSG.NEXT.bench-0.${consumer} ${inbox} ${body.length}\r\n${body}\r\n`,
    )
  }
  const finished = new Promise<void>((resolve) => {
    let acks = ''
    socket.onMessage = (chunk, start, lineEnd) => {
      // `MSG bench.…` or `HMSG bench.…`: all else is a status.
      if (chunk[start + 4] !== LETTER_B && chunk[start + 5] !== LETTER_B) return
      got++
      if (isAcking) {
        if (acks === '') {
          queueMicrotask(() => {
            socket.raw.socket.write(acks, 'latin1')
            acks = ''
          })
        }
        acks += `PUB ${replyOf(chunk, lineEnd)} 4\r\n+ACK\r\n`
      }
      if (load.kind !== 'push') {
        left--
        // The next request is on its way before this one is used up.
        if (left === PULL_BATCH) pull()
      }
      if (got === load.messages) resolve()
    }
  })
  await socket.request(`CONSUMER.CREATE.bench-0.${consumer}`, {
    stream_name: 'bench-0',
    config: {
      name: consumer,
      deliver_policy: 'all',
      ack_policy: isAcking ? 'explicit' : 'none',
      ...(isAcking ? { max_ack_pending: 5_000 } : {}),
      ...(load.kind === 'push' ? { deliver_subject: inbox } : {}),
      inactive_threshold: 60_000_000_000,
    },
  })
  if (load.kind !== 'push') {
    pull()
    pull()
  }
  await finished
  const measured = result(got, startedUs, [])
  await socket.request(`CONSUMER.DELETE.bench-0.${consumer}`)
  return measured
}

/** The word before the last of a line `MSG <subject> <sid> <reply> <size>`. */
function replyOf(chunk: Buffer, lineEnd: number): string {
  const end = chunk.lastIndexOf(SPACE, lineEnd - 1)
  return chunk.toString('latin1', chunk.lastIndexOf(SPACE, end - 1) + 1, end)
}

function nowUs(): number {
  return Number(process.hrtime.bigint() / 1_000n)
}

function result(
  messages: number,
  startedUs: number,
  latencies: readonly number[],
): StreamLoadResult {
  const seconds = (nowUs() - startedUs) / 1e6
  const sorted = [...latencies].sort((a, b) => a - b)
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0
  return {
    messages,
    seconds,
    messagesPerSecond: messages / seconds,
    p50Us: at(0.5),
    p99Us: at(0.99),
  }
}

const outcome = await run(JSON.parse(process.argv[2] ?? '{}'))
process.stdout.write(`${JSON.stringify(outcome)}\n`)
