import { connect } from 'node:net'
import { DEADLINE_MS } from './patience.ts'

/** Between two tries. Benchmarks measure starts by this: it is little beside any of them. */
const RETRY_MS = 5

export interface Answering {
  readonly port: number
  /** Whose port it is, for the error. */
  readonly name: string
  /** By what it is known to be there: it takes connections, or says something first as a nats-server does. */
  readonly by?: 'connect' | 'data'
  readonly deadlineMs?: number
  /** Of one that has ended nobody waits for an answer. */
  readonly isRunning?: () => boolean
}

/** Resolves when a server that is being started answers at its port of this machine. */
export async function untilAnswering({
  port,
  name,
  by = 'connect',
  deadlineMs = DEADLINE_MS,
  isRunning = () => true,
}: Answering): Promise<void> {
  const endMs = performance.now() + deadlineMs
  while (!(await answers(port, by))) {
    if (!isRunning()) throw new Error(`${name} ended before it answered on port ${port}`)
    if (performance.now() > endMs) throw new Error(`${name} does not answer on port ${port}`)
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
}

function answers(port: number, by: 'connect' | 'data'): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const finish = (isThere: boolean): void => {
      socket.destroy()
      resolve(isThere)
    }
    socket.once(by, () => finish(true))
    // One that is closed without a word belongs to a server that is not ready yet.
    socket.once('error', () => finish(false)).once('close', () => finish(false))
  })
}
