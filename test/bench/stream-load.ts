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
  readonly kind: ConsumeKind
}

/**
 * `pull` acknowledges each message, `pull-double` waits to be told of each acknowledgement, the others
 * acknowledge nothing. `ordered` looks at the numbers of what it pulls, `push-flow` answers flow control.
 */
export type ConsumeKind = 'pull' | 'pull-double' | 'pull-none' | 'ordered' | 'push' | 'push-flow'

export type StreamLoad = PublishLoad | ConsumeLoad

export interface StreamLoadResult {
  readonly messages: number
  readonly seconds: number
  readonly messagesPerSecond: number
  readonly p50Us: number
  readonly p99Us: number
  /** Processor time of the client: near 1 and it is what was measured. */
  readonly clientCores: number
}

const ACK_INBOX = '_INBOX.acks'
const INBOX = '_INBOX.got'
const TOLD_INBOX = '_INBOX.told'
const PULL_BATCH = 500
const PULLS_AHEAD = 2
const LATENCIES_MAX = 100_000
const LETTER_B = 98
const LETTER_E = 101
const SPACE = 32
const DOT = 46
const ZERO = 48

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
  const startedUs = startUs()
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
  const { kind, messages } = load
  const consumer = `c${process.pid}`
  socket.raw.socket.write(`SUB ${INBOX} 1\r\nSUB ${TOLD_INBOX} 2\r\n`)
  const startedUs = startUs()
  const receiver = new Receiver(socket, load, `CONSUMER.MSG.NEXT.bench-0.${consumer}`)
  const isAcking = kind === 'pull' || kind === 'pull-double'
  await socket.request(`CONSUMER.CREATE.bench-0.${consumer}`, {
    stream_name: 'bench-0',
    config: {
      name: consumer,
      deliver_policy: 'all',
      ack_policy: isAcking ? 'explicit' : 'none',
      ...(isAcking ? { max_ack_pending: 5_000 } : {}),
      ...(receiver.isPulling ? {} : { deliver_subject: INBOX }),
      ...(kind === 'push-flow' ? { flow_control: true, idle_heartbeat: 5_000_000_000 } : {}),
      ...(kind === 'ordered' ? { mem_storage: true, num_replicas: 1 } : {}),
      inactive_threshold: 60_000_000_000,
    },
  })
  if (receiver.isPulling) for (let i = 0; i < PULLS_AHEAD; i++) receiver.pull()
  await receiver.finished
  const measured = result(messages, startedUs, [])
  await socket.request(`CONSUMER.DELETE.bench-0.${consumer}`)
  return measured
}

class Receiver {
  readonly isPulling: boolean
  readonly finished: Promise<void>
  readonly #socket: StreamSocket
  readonly #load: ConsumeLoad
  readonly #pull: string
  #got = 0
  /** Of double acknowledgements. */
  #told = 0
  /** What was pulled and has not come. */
  #left = 0
  #output = ''
  #finish = (): void => {}

  constructor(socket: StreamSocket, load: ConsumeLoad, next: string) {
    const body = JSON.stringify({
      batch: PULL_BATCH,
      expires: 30_000_000_000,
      ...(load.kind === 'ordered' ? { idle_heartbeat: 15_000_000_000 } : {}),
    })
    this.isPulling = load.kind !== 'push' && load.kind !== 'push-flow'
    this.#socket = socket
    this.#load = load
    this.#pull = `PUB $JS.API.${next} ${INBOX} ${body.length}\r\n${body}\r\n`
    this.finished = new Promise((resolve) => {
      this.#finish = resolve
    })
    socket.onMessage = (chunk, start, lineEnd) => this.#take(chunk, start, lineEnd)
  }

  pull(): void {
    this.#left += PULL_BATCH
    this.#write(this.#pull)
  }

  #take(chunk: Buffer, start: number, lineEnd: number): void {
    // `MSG bench.…` or `HMSG bench.…`: all else is about messages.
    if (chunk[start + 4] !== LETTER_B && chunk[start + 5] !== LETTER_B) {
      this.#takeOther(chunk, start, lineEnd)
      return
    }
    const { kind, messages } = this.#load
    this.#got++
    if (kind === 'pull') this.#write(`PUB ${replyOf(chunk, lineEnd)} 4\r\n+ACK\r\n`)
    else if (kind === 'pull-double') {
      this.#write(`PUB ${replyOf(chunk, lineEnd)} ${TOLD_INBOX} 4\r\n+ACK\r\n`)
    } else if (kind === 'ordered') this.#checkOrder(chunk, lineEnd)
    // The next request is on its way before this one is used up.
    if (this.isPulling && --this.#left === PULL_BATCH) this.pull()
    if (this.#got === messages && kind !== 'pull-double') this.#finish()
  }

  #takeOther(chunk: Buffer, start: number, lineEnd: number): void {
    const line = chunk.toString('latin1', start, lineEnd).split(' ')
    const [, subject = '', , reply = ''] = line
    if (subject === TOLD_INBOX && ++this.#told === this.#load.messages) this.#finish()
    if (reply.startsWith('$JS.FC.')) this.#write(`PUB ${reply} 0\r\n\r\n`)
  }

  /** The third number from the end of the reply subject is the consumer's own count. */
  #checkOrder(chunk: Buffer, lineEnd: number): void {
    let at = lineEnd
    for (let dots = 0; dots < 2; ) if (chunk[--at] === DOT) dots++
    let count = 0
    for (let unit = 1; chunk[--at] !== DOT; unit *= 10) count += ((chunk[at] ?? 0) - ZERO) * unit
    if (count !== this.#got) throw new Error(`message ${count} came as number ${this.#got}`)
  }

  /** What a chunk of messages is answered with leaves in one write. */
  #write(text: string): void {
    if (this.#output === '') {
      queueMicrotask(() => {
        this.#socket.raw.socket.write(this.#output, 'latin1')
        this.#output = ''
      })
    }
    this.#output += text
  }
}

/** The word before the last of a line `MSG <subject> <sid> <reply> <size>`. */
function replyOf(chunk: Buffer, lineEnd: number): string {
  const end = chunk.lastIndexOf(SPACE, lineEnd - 1)
  return chunk.toString('latin1', chunk.lastIndexOf(SPACE, end - 1) + 1, end)
}

let startCpu = process.cpuUsage()

function nowUs(): number {
  return Number(process.hrtime.bigint() / 1_000n)
}

/** From now on it is measured. */
function startUs(): number {
  startCpu = process.cpuUsage()
  return nowUs()
}

function result(
  messages: number,
  startedUs: number,
  latencies: readonly number[],
): StreamLoadResult {
  const seconds = (nowUs() - startedUs) / 1e6
  const { user, system } = process.cpuUsage(startCpu)
  const sorted = [...latencies].sort((a, b) => a - b)
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0
  return {
    messages,
    seconds,
    messagesPerSecond: messages / seconds,
    p50Us: at(0.5),
    p99Us: at(0.99),
    clientCores: (user + system) / 1e6 / seconds,
  }
}

const outcome = await run(JSON.parse(process.argv[2] ?? '{}'))
process.stdout.write(`${JSON.stringify(outcome)}\n`)
