import { randomBytes } from 'node:crypto'
import { CONNECT, RawSocket } from './raw-socket.ts'
import { percentile } from './results.ts'

/**
 * Request and reply with one request in flight, as clients do it: a fresh reply subject for each, under
 * one wildcard inbox. Runs with a large young generation, so that no pause in the figures is its own.
 */
export interface RequestLoad {
  readonly host: string
  readonly port: number
  readonly requests: number
  readonly warmUp: number
  readonly payloadBytes: number
}

export interface RequestLoadResult {
  readonly p50Us: number
  readonly p99Us: number
  readonly p999Us: number
  readonly maxUs: number
}

const DIGITS = 8
const REPLY = Buffer.from('ok')

async function run(load: RequestLoad): Promise<RequestLoadResult> {
  const responder = new RawSocket(load)
  await responder.settle(`${CONNECT}SUB service 1\r\n`)
  responder.onBytes = (bytes) => {
    // MSG service 1 <reply> <size>
    const line = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const start = 'MSG service 1 '.length
    const end = line.indexOf(32, start)
    responder.socket.write(`PUB ${line.toString('latin1', start, end)} ${REPLY.length}\r\nok\r\n`)
  }
  const requester = new RawSocket(load)
  // As from a NUID: no server has seen it before.
  const prefix = `_INBOX.${randomBytes(11).toString('hex')}`
  await requester.settle(`${CONNECT}SUB ${prefix}.* 1\r\n`)
  const total = load.warmUp + load.requests
  const payload = 'x'.repeat(load.payloadBytes)
  const latencies = new Float64Array(load.requests)
  await new Promise<void>((resolve) => {
    let sent = 0
    let sentAt = 0
    const next = (): void => {
      const inbox = `${prefix}.${String(sent).padStart(DIGITS, '0')}`
      sent++
      sentAt = performance.now()
      requester.socket.write(`PUB service ${inbox} ${payload.length}\r\n${payload}\r\n`)
    }
    requester.onBytes = () => {
      if (sent > load.warmUp) latencies[sent - load.warmUp - 1] = performance.now() - sentAt
      if (sent === total) resolve()
      else next()
    }
    next()
  })
  requester.socket.destroy()
  responder.socket.destroy()
  const us = Array.from(latencies, (ms) => ms * 1_000)
  return {
    p50Us: percentile(us, 0.5),
    p99Us: percentile(us, 0.99),
    p999Us: percentile(us, 0.999),
    maxUs: percentile(us, 1),
  }
}

const result = await run(JSON.parse(process.argv[2] ?? '{}'))
process.stdout.write(`${JSON.stringify(result)}\n`)
