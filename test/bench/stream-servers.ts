import { rmSync, writeFileSync } from 'node:fs'
import * as path from 'node:path'
import { freePorts } from '../support/free-ports.ts'
import { PetioleProcess } from '../support/petiole-process.ts'
import { awaitInfo, type BenchServer, HOST } from './core-servers.ts'
import { END_DEADLINE_MS, within } from './deadline.ts'
import { PeerProcess } from './peer-process.ts'
import { benchFolder } from './results.ts'

/** A server with streams on disk, that can be started again on them. */
export interface StreamServer extends BenchServer {
  /** Ends it (`SIGKILL` when asked), starts it again, and says how long it took to answer. */
  restart(isKilled: boolean): Promise<StreamServer>
}

/** When a stored message is safe: Petiole knows one answer, nats-server two. */
export type StreamSync = 'ours' | 'default' | 'always'

export async function startStreams(sync: StreamSync, binary: string): Promise<StreamServer> {
  const folder = benchFolder()
  return startIn(folder, sync, binary)
}

async function startIn(folder: string, sync: StreamSync, binary: string): Promise<StreamServer> {
  const [port = 0] = await freePorts(1)
  const file = path.join(folder, 'server.conf')
  const always = sync === 'always' ? ', sync_interval: always' : ''
  writeFileSync(
    file,
    `server_name: bench-${sync}\nhost: "${HOST}"\nport: ${port}\n` +
      `jetstream { store_dir: "${path.join(folder, 'store')}"${always} }\n`,
  )
  const startedMs = performance.now()
  const running = sync === 'ours' ? await ours(file, port) : await theirs(binary, file, port)
  const readyMs = performance.now() - startedMs
  return {
    host: HOST,
    port,
    pid: running.pid,
    readyMs,
    restart: async (isKilled) => {
      await running.end(isKilled)
      return startIn(folder, sync, binary)
    },
    stop: async () => {
      await running.end(false)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

interface Running {
  readonly pid: number
  end(isKilled: boolean): Promise<void>
}

async function ours(file: string, port: number): Promise<Running> {
  const hub = new PetioleProcess('hub', ['hub', '-c', file])
  await hub.start()
  await awaitInfo(port, 'petiole')
  return {
    pid: hub.pid,
    end: async (isKilled) => {
      const ended = isKilled ? hub.kill() : hub.stop()
      await within<unknown>(END_DEADLINE_MS, 'end of petiole', ended)
    },
  }
}

async function theirs(binary: string, file: string, port: number): Promise<Running> {
  const peer = new PeerProcess(binary, ['-c', file])
  await peer.ready(awaitInfo(port, binary))
  return { pid: peer.pid, end: (isKilled) => peer.end(isKilled ? 'SIGKILL' : 'SIGTERM') }
}
