import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import type { NatsConnection } from '@nats-io/transport-node'
import { freePort } from './free-ports.ts'
import { eventually } from './link-node.ts'
import { connect } from './patience.ts'

/** A real nats-server, for the interop tests: `NATS_SERVER`, `.peers/bin`, or the search path. */
export class NatsServerPeer {
  readonly #process: ChildProcess
  /** What `%DIR%` stands for. */
  readonly directory: string
  readonly #file: string
  readonly #clients: NatsConnection[] = []
  readonly port: number
  #output = ''
  #isRunning = true

  private constructor(child: ChildProcess, directory: string, port: number) {
    this.#process = child
    this.directory = directory
    this.#file = path.join(directory, 'nats.conf')
    this.port = port
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#output += chunk.toString()
    })
    child.on('exit', () => {
      this.#isRunning = false
    })
  }

  /** @param config all but the client port and the store; `%DIR%` stands for its own folder */
  static async start(config: string): Promise<NatsServerPeer> {
    for (let attempt = 1; ; attempt++) {
      const peer = await NatsServerPeer.#spawn(config)
      if (peer.#isRunning) return peer
      // Between the choice of a port and its use somebody else may take it.
      const isTaken = peer.#output.includes('address already in use')
      if (!isTaken || attempt === 5) throw new Error(`nats-server did not start:\n${peer.#output}`)
      rmSync(peer.directory, { recursive: true, force: true })
    }
  }

  static async #spawn(config: string): Promise<NatsServerPeer> {
    const directory = mkdtempSync(path.join(tmpdir(), 'petiole-interop-'))
    const port = await freePort()
    const file = path.join(directory, 'nats.conf')
    const text = config.replaceAll('%DIR%', directory)
    writeFileSync(file, `listen: "127.0.0.1:${port}"\n${text}\n`)
    const child = spawn(findBinary(), ['-c', file, '-D'], { stdio: ['ignore', 'ignore', 'pipe'] })
    const peer = new NatsServerPeer(child, directory, port)
    await eventually(
      () => peer.#output.includes('Server is ready') || !peer.#isRunning,
      'nats-server ready',
    )
    return peer
  }

  /** Goes on with another configuration, in full but for the client port. */
  async reload(config: string): Promise<void> {
    const text = config.replaceAll('%DIR%', this.directory)
    const from = this.#output.length
    writeFileSync(this.#file, `listen: "127.0.0.1:${this.port}"\n${text}\n`)
    this.#process.kill('SIGHUP')
    const isDone = (): boolean =>
      /Reloaded server configuration|Failed to reload/.test(this.#output.slice(from))
    await eventually(isDone, 'nats-server reloaded')
    if (this.#output.includes('Failed to reload', from)) throw new Error(this.#output.slice(from))
  }

  /** Its log so far. */
  get output(): string {
    return this.#output
  }

  async client(options: { user?: string; pass?: string } = {}): Promise<NatsConnection> {
    const client = await connect({ servers: `127.0.0.1:${this.port}`, ...options })
    this.#clients.push(client)
    return client
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) await client.close()
    this.#process.kill('SIGTERM')
    await eventually(() => !this.#isRunning, 'nats-server stopped')
    rmSync(this.directory, { recursive: true, force: true })
  }
}

function findBinary(): string {
  const named = process.env['NATS_SERVER']
  if (named !== undefined) return named
  const own = path.resolve(import.meta.dirname, '../../.peers/bin')
  const folders = [own, ...(process.env['PATH'] ?? '').split(path.delimiter)]
  for (const folder of folders) {
    const file = path.join(folder, 'nats-server')
    try {
      accessSync(file, constants.X_OK)
      return file
    } catch {}
  }
  throw new Error('nats-server is not here: set NATS_SERVER to its path, or put it into .peers/bin')
}
