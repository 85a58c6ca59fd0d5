import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Ports for servers that are told theirs, and have it again when they start once more. They lie below the
 * range from which a system serves those who name none (32768 and up on Linux, 49152 elsewhere): a port of
 * that range may be anybody's by the time it is used, or while its server is down. Each is given out once in
 * a process, and two processes begin at different places.
 */
const LOWEST = 10_000
const HIGHEST = 32_000

let last = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST))

export async function freePort(): Promise<number> {
  for (let tries = LOWEST; tries < HIGHEST; tries++) {
    last = last + 1 < HIGHEST ? last + 1 : LOWEST
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
