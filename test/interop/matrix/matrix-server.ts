import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { DEADLINE_MS, patientLogins } from '../../support/patience.ts'
import { PATHS } from './server-paths.ts'

/** Who is tried: what this tree builds, and the real one, from the same files. */
export const SERVER_KINDS = ['petiole', 'nats-server'] as const
export type ServerKind = (typeof SERVER_KINDS)[number]

export type Listener = 'client' | 'websocket' | 'mqtt'

const LISTENING: Readonly<Record<Listener, RegExp>> = {
  client: /Listening for client connections on [^\s"]*:(\d+)/,
  websocket: /Listening for websocket clients on [^\s"]*:(\d+)/,
  mqtt: /Listening for MQTT clients on [^\s"]*:(\d+)/,
}

/** A server in a process of its own, from a written file, on ports that it chose and said. */
export class MatrixServer {
  readonly kind: ServerKind
  readonly #directory = mkdtempSync(path.join(tmpdir(), 'petiole-matrix-'))
  readonly #child: ChildProcess
  #output = ''
  #changed: () => void = () => {}

  private constructor(kind: ServerKind, config: string) {
    this.kind = kind
    this.write(config)
    const [command, ...args] = PATHS[kind]()
    this.#child = spawn(command!, [...args, '-c', this.#file], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on('data', (chunk: Buffer) => {
        this.#output += chunk
        this.#changed()
      })
    }
    this.#child.once('exit', () => this.#changed())
  }

  /** @param config all but the client port and the store; `%DIR%` stands for its own folder */
  static async start(kind: ServerKind, config: string): Promise<MatrixServer> {
    const server = new MatrixServer(kind, config)
    await server.said(/Server is ready/)
    return server
  }

  get #file(): string {
    return path.join(this.#directory, 'server.conf')
  }

  port(listener: Listener): number {
    return Number(LISTENING[listener].exec(this.#output)?.[1])
  }

  /** Resolves to the first match in its log, after `from` characters of it. */
  async said(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    const timer = setTimeout(() => this.#changed(), DEADLINE_MS)
    const endMs = performance.now() + DEADLINE_MS - 1
    try {
      for (;;) {
        const found = pattern.exec(this.#output.slice(from))
        if (found !== null) return found
        const isGone = this.#child.exitCode !== null || this.#child.signalCode !== null
        if (isGone || performance.now() > endMs) {
          throw new Error(`${this.kind} never said ${pattern}:\n${this.#output.slice(-4_000)}`)
        }
        await new Promise<void>((resolve) => {
          this.#changed = resolve
        })
      }
    } finally {
      clearTimeout(timer)
    }
  }

  write(config: string): void {
    const text = patientLogins(config).replaceAll('%DIR%', this.#directory)
    writeFileSync(this.#file, `listen: "127.0.0.1:-1"\n${text}\n`)
  }

  /** Takes another configuration while clients are connected. */
  async reload(config: string): Promise<void> {
    const from = this.#output.length
    this.write(config)
    this.#child.kill('SIGHUP')
    const [words] = await this.said(/Reloaded server configuration|Failed to reload[^\n]*/, from)
    if (!words.startsWith('Reloaded')) throw new Error(`${this.kind}: ${words}`)
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = once(this.#child, 'exit')
      this.#child.kill('SIGTERM')
      await gone
    }
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
