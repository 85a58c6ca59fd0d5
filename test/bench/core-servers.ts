import { rmSync, writeFileSync } from 'node:fs'
import * as path from 'node:path'
import { untilAnswering } from '../support/answering-port.ts'
import { freePorts } from '../support/free-ports.ts'
import { PetioleProcess } from '../support/petiole-process.ts'
import { READY_DEADLINE_MS } from './deadline.ts'
import { PeerProcess } from './peer-process.ts'
import { benchFolder } from './results.ts'

/** A server under measurement. */
export interface BenchServer {
  readonly host: string
  readonly port: number
  readonly pid: number
  /** From the start of the process to its first INFO. */
  readonly readyMs: number
  stop(): Promise<void>
}

/** Starts one of the servers that are compared. */
export type StartServer = () => Promise<BenchServer>

export const HOST = '127.0.0.1'

/** A hub without a store: what is compared is messaging. */
export async function startOurs(nodeFlags: readonly string[] = []): Promise<BenchServer> {
  const folder = benchFolder()
  const [port = 0] = await freePorts(1)
  const file = path.join(folder, 'hub.conf')
  writeFileSync(file, `server_name: hub-bench\nhost: "${HOST}"\nport: ${port}\n`)
  const hub = new PetioleProcess('hub', ['hub', '-c', file], nodeFlags)
  const startedMs = performance.now()
  const started = hub.start()
  await Promise.race([started.then(() => awaitInfo(port, 'petiole')), awaitInfo(port, 'petiole')])
  const readyMs = performance.now() - startedMs
  await started
  return {
    host: HOST,
    port,
    pid: hub.pid,
    readyMs,
    stop: async () => {
      await hub.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export async function startNats(binary: string): Promise<BenchServer> {
  const [port = 0] = await freePorts(1)
  const startedMs = performance.now()
  const peer = new PeerProcess(binary, ['-a', HOST, '-p', String(port)])
  await peer.ready(awaitInfo(port, binary))
  return {
    host: HOST,
    port,
    pid: peer.pid,
    readyMs: performance.now() - startedMs,
    stop: () => peer.end(),
  }
}

/** Resolves when a server for NATS clients has sent its INFO. */
export function awaitInfo(port: number, name: string): Promise<void> {
  return untilAnswering({ port, name, by: 'data', deadlineMs: READY_DEADLINE_MS })
}
