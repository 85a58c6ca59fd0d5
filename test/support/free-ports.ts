import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Ports for servers that are told theirs, and have it again when they start once more. They lie below the
 * range from which a system serves those who name none (32768 and up on Linux, 49152 elsewhere): a port of
 * that range may be anybody's by the time it is used, or while its server is down. Each is given out once in
 * a process; processes that share a run of tests each have every so many, and two runs begin at different places.
 */
const LOWEST = 10_000
const HIGHEST = 32_000

/** mocha numbers the processes that it shares the files among. */
const SHARES = 8
const share = Number(process.env['MOCHA_WORKER_ID'] ?? 0) % SHARES

const begin = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST))
let last = begin - (begin % SHARES) + share

export async function freePort(): Promise<number> {
  for (let tries = LOWEST; tries < HIGHEST; tries += SHARES) {
    last = last + SHARES < HIGHEST ? last + SHARES : LOWEST + share
    if (await isFree(last)) return last
  }
  throw new Error(`all ports from ${LOWEST} to ${HIGHEST} are taken`)
}

/** All different. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) ports.push(await freePort())
  return ports
}

/** Whether nobody listens there, on whatever address. */
async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const isListening = new Promise<boolean>((resolve) => {
    server.once('listening', () => resolve(true)).once('error', () => resolve(false))
  })
  server.listen(port)
  if (!(await isListening)) return false
  await once(server.close(), 'close')
  return true
}
