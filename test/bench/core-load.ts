import { connect as connectSocket, type OnReadOpts, type Socket } from 'node:net'

/**
 * The load of the core benchmark, in a process of its own: one raw socket publishes, others count the
 * bytes of what arrives. It parses nothing and copies nothing, so that what is measured is the server;
 * messages of a run have one size, and are counted by dividing.
 */
export interface CoreLoad {
  readonly host: string
  readonly port: number
  readonly payloadBytes: number
  /** Publications; each goes to every receiver. */
  readonly messages: number
  readonly receivers: number
}

export interface CoreLoadResult {
  /** Delivered, all receivers together. */
  readonly messages: number
  readonly seconds: number
  readonly messagesPerSecond: number
  /** Cores that the generator itself kept busy: near 1 and it is the limit. */
  readonly generatorCores: number
}

const READ_BYTES = 1024 * 1024
const WRITE_BYTES = 256 * 1024
const SUBJECT = 'bench.core'
const CONNECT = 'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n'

class RawSocket {
  readonly socket: Socket
  bytes = 0
  onBytes: (bytes: Uint8Array) => void = () => {}

  constructor(load: CoreLoad) {
    const onread: OnReadOpts = {
      buffer: Buffer.alloc(READ_BYTES),
      callback: (size, buffer) => {
        this.bytes += size
        this.onBytes(buffer.subarray(0, size))
        return true
      },
    }
    this.socket = connectSocket({ host: load.host, port: load.port, noDelay: true, onread })
  }

  /** Sends `text` and waits for the PONG behind it. */
  async settle(text: string): Promise<void> {
    let seen = ''
    const settled = new Promise<void>((resolve, reject) => {
      this.socket.once('error', reject)
      this.onBytes = (bytes) => {
        seen += Buffer.from(bytes).toString('latin1')
        if (seen.includes('PONG\r\n')) resolve()
      }
    })
    this.socket.write(`${text}PING\r\n`)
    await settled
    this.bytes = 0
  }

  /** Resolves when `bytes` more have come. */
  count(bytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.onBytes = () => {
        if (this.bytes >= bytes) resolve()
      }
    })
  }
}

async function run(load: CoreLoad): Promise<CoreLoadResult> {
  const payload = 'x'.repeat(load.payloadBytes)
  const publication = `PUB ${SUBJECT} ${load.payloadBytes}\r\n${payload}\r\n`
  const delivery = `MSG ${SUBJECT} 1 ${load.payloadBytes}\r\n${payload}\r\n`
  const perBlock = Math.max(1, Math.floor(WRITE_BYTES / publication.length))
  const block = Buffer.from(publication.repeat(perBlock))
  const blocks = Math.ceil(load.messages / perBlock)
  const receivers = Array.from({ length: load.receivers }, () => new RawSocket(load))
  for (const receiver of receivers) await receiver.settle(`${CONNECT}SUB ${SUBJECT} 1\r\n`)
  const sender = new RawSocket(load)
  await sender.settle(CONNECT)
  const arrived = Promise.all(
    receivers.map((receiver) => receiver.count(blocks * perBlock * delivery.length)),
  )
  const startedNs = process.hrtime.bigint()
  const startedCpu = process.cpuUsage()
  for (let i = 0; i < blocks; i++) {
    if (sender.socket.write(block)) continue
    await new Promise((resolve) => sender.socket.once('drain', resolve))
  }
  await arrived
  const seconds = Number(process.hrtime.bigint() - startedNs) / 1e9
  const cpu = process.cpuUsage(startedCpu)
  for (const { socket } of [sender, ...receivers]) socket.destroy()
  const messages = blocks * perBlock * load.receivers
  return {
    messages,
    seconds,
    messagesPerSecond: messages / seconds,
    generatorCores: (cpu.user + cpu.system) / 1e6 / seconds,
  }
}

const result = await run(JSON.parse(process.argv[2] ?? '{}'))
process.stdout.write(`${JSON.stringify(result)}\n`)
