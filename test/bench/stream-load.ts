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
 * acknowledge nothing. `ordered` pulls with heartbeats from a consumer in memory, `push-flow` answers flow control.
 */
export type ConsumeKind = 'pull' | 'pull-double' | 'pull-none' | 'ordered' | 'push' | 'push-flow'

export type StreamLoad = PublishLoad | ConsumeLoad

export interface StreamLoadResult {
  readonly messages: number
  /** With those that were not measured. */
  readonly servedMessages: number
  readonly seconds: number
  readonly messagesPerSecond: number
  readonly p50Us: number
  readonly p99Us: number
  /** Processor time of the client: near 1 and it is what was measured. */
  readonly clientCores: number
}

const ACK_INBOX = '_INBOX.acks'
const TOLD_INBOX = '_INBOX.told'
const PULL_BATCH = 500
const PULLS_AHEAD = 2
/** Enough for this process to be compiled. */
const WARM_UP_MESSAGES = 30_000
const LATENCIES_MAX = 100_000
const LETTER_B = 98
const LETTER_E = 101
const SPACE = 32
const DOT = 46
const ZERO = 48
const TIME_DIGITS = 19

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

/** A part of it first, which is not measured: this process is new, and compiles what it does a thousand times. */
async function consume(socket: StreamSocket, load: ConsumeLoad): Promise<StreamLoadResult> {
  const before = await read(socket, load, Math.max(1, load.messages - WARM_UP_MESSAGES + 1))
  const measured = await read(socket, load, 1)
  return { ...measured, servedMessages: before.messages + measured.messages }
}

/** All from there on, by a consumer of its own; measured from when it may begin. */
async function read(
  socket: StreamSocket,
  { kind, messages }: ConsumeLoad,
  firstSeq: number,
): Promise<StreamLoadResult> {
  const consumer = `c${process.pid}x${firstSeq}`
  const inbox = `_INBOX.${consumer}`
  const isAcking = kind === 'pull' || kind === 'pull-double'
  const isPulling = kind !== 'push' && kind !== 'push-flow'
  await socket.request(`CONSUMER.CREATE.bench-0.${consumer}`, {
    stream_name: 'bench-0',
    config: {
      name: consumer,
      deliver_policy: 'by_start_sequence',
      opt_start_seq: firstSeq,
      ack_policy: isAcking ? 'explicit' : 'none',
      ...(isAcking ? { max_ack_pending: 5_000 } : {}),
      ...(isPulling ? {} : { deliver_subject: inbox }),
      ...(kind === 'push-flow' ? { flow_control: true, idle_heartbeat: 5_000_000_000 } : {}),
      ...(kind === 'ordered' ? { mem_storage: true, num_replicas: 1 } : {}),
      inactive_threshold: 60_000_000_000,
    },
  })
  const count = messages - firstSeq + 1
  const receiver = new Receiver(socket, { kind, count, firstSeq, consumer, inbox })
  const startedUs = startUs()
  socket.raw.socket.write(`SUB ${inbox} 1\r\nSUB ${TOLD_INBOX} 2\r\n`)
  if (isPulling) for (let i = 0; i < PULLS_AHEAD; i++) receiver.pull()
  await receiver.finished
  const measured = result(count, startedUs, [])
  socket.raw.socket.write('UNSUB 1\r\nUNSUB 2\r\n')
  await socket.request(`CONSUMER.DELETE.bench-0.${consumer}`)
  return measured
}

interface Reading {
  readonly kind: ConsumeKind
  readonly count: number
  readonly firstSeq: number
  readonly consumer: string
  readonly inbox: string
}

/** Whatever is consumed, and however: each message must be the one behind the last. */
class Receiver {
  readonly finished: Promise<void>
  readonly #socket: StreamSocket
  readonly #kind: ConsumeKind
  readonly #count: number
  readonly #firstSeq: number
  readonly #pull: string
  #got = 0
  /** Of double acknowledgements. */
  #told = 0
  /** What was pulled and has not come. */
  #left = 0
  #output = ''
  #finish = (): void => {}

  constructor(socket: StreamSocket, { kind, count, firstSeq, consumer, inbox }: Reading) {
    const body = JSON.stringify({
      batch: PULL_BATCH,
      expires: 30_000_000_000,
      ...(kind === 'ordered' ? { idle_heartbeat: 15_000_000_000 } : {}),
    })
    const next = `$JS.API.CONSUMER.MSG.NEXT.bench-0.${consumer}`
    this.#socket = socket
    this.#kind = kind
    this.#count = count
    this.#firstSeq = firstSeq
    this.#pull = `PUB ${next} ${inbox} ${body.length}\r\n${body}\r\n`
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
    const kind = this.#kind
    const seqEnd = this.#checkSeq(chunk, lineEnd)
    this.#got++
    if (kind === 'pull') this.#write(`PUB ${replyOf(chunk, seqEnd, lineEnd)} 4\r\n+ACK\r\n`)
    else if (kind === 'pull-double') {
      this.#write(`PUB ${replyOf(chunk, seqEnd, lineEnd)} ${TOLD_INBOX} 4\r\n+ACK\r\n`)
    }
    // The next request is on its way before this one is used up.
    if (--this.#left === PULL_BATCH) this.pull()
    if (this.#got === this.#count && kind !== 'pull-double') this.#finish()
  }

  #takeOther(chunk: Buffer, start: number, lineEnd: number): void {
    const line = chunk.toString('latin1', start, lineEnd).split(' ')
    const [, subject = '', , reply = ''] = line
    if (subject === TOLD_INBOX && ++this.#told === this.#count) this.#finish()
    if (reply.startsWith('$JS.FC.')) this.#write(`PUB ${reply} 0\r\n\r\n`)
  }

  /**
   * In `…<stream seq>.<consumer seq>.<time>.<pending> <size>`, where a time has nineteen digits. Returns where the
   * stream's sequence ends.
   */
  #checkSeq(chunk: Buffer, lineEnd: number): number {
    let at = lineEnd
    while (chunk[--at] !== DOT);
    at -= TIME_DIGITS + 1
    while (chunk[--at] !== DOT);
    const end = at
    let seq = 0
    for (let unit = 1; chunk[--at] !== DOT; unit *= 10) seq += ((chunk[at] ?? 0) - ZERO) * unit
    const wanted = this.#firstSeq + this.#got
    if (seq !== wanted) throw new Error(`message ${seq} came for ${wanted}`)
    return end
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

/** The word before the last of a line `MSG <subject> <sid> <reply> <size>`, within which `inside` lies. */
function replyOf(chunk: Buffer, inside: number, lineEnd: number): string {
  let start = inside
  let end = lineEnd
  while (chunk[start - 1] !== SPACE) start--
  while (chunk[--end] !== SPACE);
  return chunk.toString('latin1', start, end)
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
    servedMessages: messages,
    seconds,
    messagesPerSecond: messages / seconds,
    p50Us: at(0.5),
    p99Us: at(0.99),
    clientCores: (user + system) / 1e6 / seconds,
  }
}

const outcome = await run(JSON.parse(process.argv[2] ?? '{}'))
process.stdout.write(`${JSON.stringify(outcome)}\n`)
